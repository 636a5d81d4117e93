"""What an assistant may use: of its own limits and of what its caller has left, whichever is less."""

import math
from collections.abc import Mapping
from typing import Any

from ..failures import Failed  # noqa: TID252, RUF100
from .conversation import Conversation

_OWN = "the assistant's budget of {}"
_LENT = "what the assistant's caller had left of its budget, {},"


class Budget:
    """The limits of one conversation."""

    def __init__(self, config: Mapping[str, Any], conversation: Conversation) -> None:
        lent = config.get("budget") or {}
        self._conversation = conversation
        self._tokens, self._tokens_are = _less(config.get("max_tokens_total"), lent.get("tokens") or None)
        self._cost, self._cost_is = _less(config.get("max_cost") or None, lent.get("cost"))

    def left(self) -> dict[str, Any] | None:
        """What is left, as a call's budget: `{tokens, cost}`; None where nothing is limited. Raises Failed at none."""
        tokens, cost = self.tokens(), None
        if self._cost is not None:
            cost = self._cost - (self._conversation.cost or 0.0)
        return None if not tokens and cost is None else {"tokens": tokens, "cost": cost}

    def tokens(self) -> int:
        """How many tokens are left, 0 for no limit. Raises Failed where none are, or no money."""
        cost, called = self._conversation.cost, self._conversation.called
        if self._cost is not None and cost is not None and cost >= self._cost:
            theirs = (
                "" if not called.cost else f", {_dollars(called.cost)} of it by components that it called"
            )
            raise Failed(
                f"{self._cost_is.format(_dollars(self._cost))} is used up ({_dollars(cost)}{theirs}); raise maxCost"
                f"{_where(self._cost_is)}"
            )
        if not self._tokens:
            return 0
        left = int(self._tokens) - self._conversation.tokens
        if left <= 0:
            tokens = called.input_tokens + called.output_tokens
            theirs = f", {tokens:,} of them by components that it called" if tokens else ""
            raise Failed(
                f"{self._tokens_are.format(f'{self._tokens:,} tokens')} is used up "
                f"({self._conversation.tokens:,}{theirs}); raise maxTokensTotal{_where(self._tokens_are)}"
            )
        return left


def _less(own: float | None, lent: float | None) -> tuple[float | None, str]:
    """The smaller limit, None for none, and whose it is."""
    if lent is None or (own and own <= lent):
        return own or None, _OWN
    return lent, _LENT


def _where(whose: str) -> str:
    return " of the caller" if whose == _LENT else ""


def _dollars(amount: float) -> str:
    """An amount of money, however small: `$0.54`, `$0.00000123`."""
    digits = 2 if amount <= 0 else max(2, 3 - math.floor(math.log10(amount)))
    whole, _, part = f"{amount:.{digits}f}".partition(".")
    return f"${whole}.{part[:2]}{part[2:].rstrip('0')}"
