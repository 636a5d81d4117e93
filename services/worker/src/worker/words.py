"""Text that user code made, in the form in which it may leave the worker."""

import json
from collections.abc import Callable

from chassis.jsonvalue import Json
from chassis.logs import masker
from chassis.masking import Masker

_REPLACED = "\ufffd"
_LONG = 1000
"""Characters from which on texts are cut."""
_SHORTEST_LINE = 8
"""Of a secret of several lines, such as a private key, each that is as long is masked by itself."""


def plain(text: str) -> str:
    """The text with secrets masked, and what no message can carry (NUL, lone surrogates) as U+FFFD."""
    masked = masker.mask(text)
    if "\0" in masked:
        masked = masked.replace("\0", _REPLACED)
    if not masked.isascii():
        masked = masked.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return masked


class Words:
    """What one attempt says. The secrets that it was told are masked from then on, in it and in no other's words:
    what others say must not show, by being masked, what a secret is.
    """

    def __init__(self) -> None:
        self._masker: Masker | None = None
        self._held: dict[str, str] = {}
        """What a stream's line ended with that may be the beginning of a secret, as long as the line goes on."""

    def learn(self, secret: str) -> None:
        """Masks this secret from now on, in every usual encoding."""
        lines = (line for line in secret.splitlines() if len(line) >= _SHORTEST_LINE)
        self._masker = self._masker or Masker()
        self._masker.add(secret, secret.strip(), *lines)

    def line(self, stream: str, text: str, *, more: bool = False) -> str:
        """A line, or a piece of one that has `more` to come, as it may leave the worker: secrets lie across pieces."""
        text = self._held.pop(stream, "") + text
        if more and self._masker is not None:
            cut = self._masker.settled(text)
            text, self._held[stream] = text[:cut], text[cut:]
        return self.plain(text)

    def plain(self, text: str) -> str:
        """The text as it may leave the worker."""
        return plain(text if self._masker is None else self._masker.mask(text))

    def cut(self, text: str) -> str:
        """The same of a text that may have been cut off where it was long, and a secret at its end with it."""
        if self._masker is not None and len(text) >= _LONG:
            text = text[: self._masker.settled(text)]
        return self.plain(text)

    def value(self, value_json: bytes) -> bytes:
        """The JSON value with what is masked in its texts, its keys and its numbers; as it was where nothing is."""
        if self._masker is None:
            return value_json
        value = json.loads(value_json)
        masked = _each(value, self._masker.mask)
        if masked == value:
            return value_json
        text = json.dumps(masked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode()

    def plain_value(self, value: Json) -> Json:
        """The JSON value with its texts, its keys and its numbers as they may leave the worker."""
        return _each(value, self.plain)


def _each(value: Json, say: Callable[[str], str]) -> Json:
    """The value with `say` done to its texts, its keys and its numbers."""
    match value:
        case str():
            return say(value)
        case dict():
            return {say(key): _each(item, say) for key, item in value.items()}
        case list():
            return [_each(item, say) for item in value]
        case None | bool():
            return value
    text = json.dumps(value)
    said = say(text)
    return value if said == text else said
