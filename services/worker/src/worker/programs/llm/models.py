"""A conversation with a model, the same for every provider."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

REFUSED = "content_filter"
"""Why an answer ended that the model, or a filter behind it, did not want to give."""


@dataclass(frozen=True)
class ToolCall:
    """The model wants something to be called. `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str
    signature: bytes = b""
    """What the provider wants to see again with it."""


@dataclass(frozen=True)
class ToolResult:
    """What a call came to, as text."""

    id: str
    name: str
    content: str
    failed: bool = False


@dataclass(frozen=True)
class Message:
    """A turn of the conversation: of the `user` (text, or the results of calls) or of the `assistant`."""

    role: str
    text: str = ""
    calls: Sequence[ToolCall] = ()
    results: Sequence[ToolResult] = ()


@dataclass(frozen=True)
class ToolSpec:
    """A tool as the model is told of it; `schema` is the JSON Schema of its arguments."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """What the model is asked."""

    model: str
    messages: Sequence[Message]
    system: str = ""
    max_tokens: int = 1024
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    schema: Mapping[str, Any] | None = None
    """The JSON Schema of the answer; None: text."""
    tools: Sequence[ToolSpec] = ()


@dataclass
class Answer:
    """What the model answered, and how many tokens that took, by its server's count."""

    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    finish_reason: str = ""
    """`stop`, `length`, `tool_calls`, `content_filter`, or the provider's own word."""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0

    def refuse(self) -> None:
        """Takes it for a refusal: its text says so, and what it began to call is not called."""
        self.finish_reason = REFUSED
        self.calls = []


class ModelError(Exception):
    """The model's server refused, failed or went away; the message never holds what was sent.

    `status` is HTTP's, 0 where there was none; `retry_after` the seconds it asked for, None where it did not.
    """

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.asked = 1
        """How often the server was asked."""
        self.longest = 300
        """How many characters of the message are shown."""


class StrangeError(ModelError):
    """Something else answered than a model: a page to log in at, an error that calls itself a success."""

    def __init__(self, kind: str, said: str) -> None:
        """`kind` is its media type, `said` how it begins, in words."""
        before = (
            f"the model's server answered with {kind[:100]}, and not with a stream of events; is the base URL right? "
            "It says: "
        )
        super().__init__(f"{before}{said}", status=200)
        self.longest = len(before) + 200


class SilenceError(ModelError):
    """The model's server said nothing for longer than it may."""


class Listener(Protocol):
    """Who hears an answer while it comes."""

    def said(self, text: str) -> None:
        """Takes the next piece of its text."""
        ...

    def used(self, answer: Answer) -> None:
        """Takes what the answer has used so far, whenever its server says more of it."""
        ...


class Model(Protocol):
    """A provider's protocol, by its SDK."""

    def ask(self, request: Request, listener: Listener) -> Answer:
        """The answer, which the listener hears as it comes. Raises ModelError."""
        ...


@dataclass(frozen=True)
class Server:
    """Where the model is."""

    base_url: str
    """Empty: the provider's own."""
    key: str = field(repr=False)
    """Empty: none is asked for."""
    silence: float = 60.0
    """Seconds it may say nothing."""
    hooks: Mapping[str, list[Callable[..., Any]]] = field(default_factory=dict)
    """What the SDK's HTTP client calls with each request and each response."""


def reason(word: object, words: Mapping[str, str]) -> str:
    """A provider's word for why the answer ended, as the field says it."""
    text = str(getattr(word, "value", word) or "")
    return words.get(text, text.lower())
