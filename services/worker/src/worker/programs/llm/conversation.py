"""Asking a model: what it says is shown as it comes, what it costs is counted, what may pass is tried again."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import mcpanel_step

from .. import harmless  # noqa: TID252, RUF100  # programs are found from their own folder
from .failing import failed, patiently
from .models import Answer, Message, Model, ModelError, Request, ToolSpec

_PREVIEW_EVERY = 0.15
"""Seconds between two previews of an answer that comes in pieces."""
_LONGEST_PREVIEW = 10_000
_MOST_TOKENS = 10**9
"""Of one answer."""


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens; None: not known."""

    input: float | None = None
    output: float | None = None

    def of(self, input_tokens: int, output_tokens: int) -> float | None:
        """What so many tokens cost."""
        if self.input is None and self.output is None:
            return None
        return ((self.input or 0.0) * input_tokens + (self.output or 0.0) * output_tokens) / 1_000_000


@dataclass(frozen=True)
class Settings:
    """How the model is asked."""

    model: str
    max_tokens: int = 1024
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_retries: int = 4
    secret: str = ""
    """The name of the secret that holds the key."""


@dataclass
class Spent:
    """What components that were called used, with those that they called; `cost` in US dollars, None unpriced."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None

    def add(self, used: Mapping[str, Any]) -> None:
        """Counts what one of them used."""
        self.input_tokens += used["input_tokens"]
        self.output_tokens += used["output_tokens"]
        if used["cost"] is not None:
            self.cost = (self.cost or 0.0) + used["cost"]


class Conversation:
    """One step's requests to one model, and what they and the components called in between have used."""

    def __init__(self, model: Model, settings: Settings, prices: Prices) -> None:
        self._model = model
        self._settings = settings
        self._prices = prices
        self.input_tokens = 0
        self.output_tokens = 0
        self.called = Spent()

    @property
    def tokens(self) -> int:
        """What all has used so far, input and output."""
        called = self.called
        return self.input_tokens + self.output_tokens + called.input_tokens + called.output_tokens

    @property
    def cost(self) -> float | None:
        """What all has cost so far in US dollars; None without a price."""
        known = [one for one in (self._own_cost, self.called.cost) if one is not None]
        return sum(known) if known else None

    @property
    def _own_cost(self) -> float | None:
        return self._prices.of(self.input_tokens, self.output_tokens)

    def usage(self) -> dict[str, Any]:
        """What the model's answers have used, as the step's output says it."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": self._own_cost,
        }

    def ask(
        self,
        messages: Sequence[Message],
        *,
        system: str = "",
        schema: Mapping[str, Any] | None = None,
        tools: Sequence[ToolSpec] = (),
        max_tokens: int = 0,
    ) -> Answer:
        """The model's answer. Raises Failed."""
        settings = self._settings
        request = Request(
            model=settings.model,
            messages=tuple(messages),
            system=system,
            max_tokens=min(max_tokens or settings.max_tokens, settings.max_tokens),
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
            schema=schema,
            tools=tuple(tools),
        )
        try:
            answer = patiently(lambda: self._asked(request), settings.max_retries)
        except ModelError as error:
            raise failed(error, settings.model, settings.secret) from None
        return answer

    def _asked(self, request: Request) -> Answer:
        before = self.input_tokens, self.output_tokens

        def count(answer: Answer) -> None:
            """Says what all requests have used, this one's part of it so far: it counts whatever becomes of it."""
            self.input_tokens = before[0] + _count(answer.input_tokens)
            self.output_tokens = before[1] + _count(answer.output_tokens)
            model = harmless.text(answer.model)[:200]
            mcpanel_step._usage(model, self.input_tokens, self.output_tokens, self._own_cost)

        heard = _Heard(count)
        answer = self._model.ask(request, heard)
        count(answer)
        heard.finish()
        return _harmless(answer)


def _count(tokens: object) -> int:
    """What a server says of tokens; 0 for what cannot be."""
    return tokens if isinstance(tokens, int) and 0 <= tokens <= _MOST_TOKENS else 0


def _harmless(answer: Answer) -> Answer:
    """The answer with texts that a step can pass on."""
    calls = [
        replace(
            one,
            id=harmless.text(one.id),
            name=harmless.text(one.name),
            arguments=harmless.text(one.arguments),
        )
        for one in answer.calls
    ]
    return replace(
        answer,
        text=harmless.text(answer.text),
        calls=calls,
        finish_reason=harmless.text(answer.finish_reason),
        model=harmless.text(answer.model),
    )


class _Heard:
    """Shows the text so far now and then, each preview in place of the one before, and has what it used counted."""

    def __init__(self, count: Callable[[Answer], None]) -> None:
        self.used = count
        self._parts: list[str] = []
        self._last = 0.0
        self._pending = False

    def said(self, text: str) -> None:
        """Takes the next piece."""
        self._parts.append(text)
        self._pending = True
        if time.monotonic() - self._last >= _PREVIEW_EVERY:
            self._show()

    def finish(self) -> None:
        """Shows what has not been shown."""
        if self._pending:
            self._show()

    def _show(self) -> None:
        text = "".join(self._parts)
        self._parts = [text]
        if len(text) > _LONGEST_PREVIEW:
            text = f"… {text[-_LONGEST_PREVIEW:]}"
        mcpanel_step.preview({"completion": harmless.text(text)})
        self._last = time.monotonic()
        self._pending = False
