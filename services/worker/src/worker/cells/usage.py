"""What an attempt used of language models: told by the worker's own program and, of what it called, by the engine."""

import math
from dataclasses import dataclass, replace
from typing import Any, Final

from worker.cells.pipes import ProtocolError

_MOST_TOKENS: Final = 2**53


@dataclass(frozen=True, slots=True)
class Budget:
    """What a called component may use: tokens (0: no limit) and US dollars (None: no limit)."""

    tokens: int = 0
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class CalledUsage:
    """What called components used, with those that they called; `cost` is in US dollars, None without a price."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None

    def and_also(self, other: "CalledUsage") -> "CalledUsage":
        """Both together."""
        costs = [one for one in (self.cost, other.cost) if one is not None]
        return CalledUsage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            sum(costs) if costs else None,
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt used of a language model; `cost` is in US dollars, None without a price."""

    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    called: CalledUsage | None = None
    """What the components that it called have used besides."""


def counted(before: Usage | None, message: dict[str, Any]) -> Usage:
    """What the attempt has used, as its program tells now. Raises ProtocolError and what a wrong message brings."""
    cost = None if message["cost"] is None else float(message["cost"])
    if cost is not None and not 0 <= cost < math.inf:
        raise ProtocolError("a cost that there cannot be")
    used = Usage(str(message["model"])[:200], int(message["input"]), int(message["output"]), cost)
    if not (0 <= used.input_tokens < _MOST_TOKENS and 0 <= used.output_tokens < _MOST_TOKENS):
        raise ProtocolError("tokens that there cannot be")
    return replace(used, called=None if before is None else before.called)


def left(message: dict[str, Any]) -> Budget | None:
    """What a program leaves to a component that it calls. Raises ProtocolError, ValueError, KeyError, TypeError."""
    if message["budget"] is None:
        return None
    tokens, cost = int(message["budget"]["tokens"]), message["budget"]["cost"]
    if not 0 <= tokens < _MOST_TOKENS or (cost is not None and not 0 <= float(cost) < math.inf):
        raise ProtocolError("a budget that there cannot be")
    return Budget(tokens, None if cost is None else float(cost))


def with_called(before: Usage | None, called: CalledUsage | None) -> Usage | None:
    """What the attempt has used once a component that it called has ended."""
    if called is None:
        return before
    so_far = before or Usage()
    return replace(so_far, called=(so_far.called or CalledUsage()).and_also(called))
