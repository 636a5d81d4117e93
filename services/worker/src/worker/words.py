"""Text that user code made, in the form in which it may leave the worker."""

import json
from typing import Any

from chassis.logs import masker
from chassis.masking import Masker

_REPLACED = "\ufffd"
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

    def learn(self, secret: str) -> None:
        """Masks this secret from now on, in every usual encoding."""
        lines = (line for line in secret.splitlines() if len(line) >= _SHORTEST_LINE)
        self._masker = self._masker or Masker()
        self._masker.add(secret, secret.strip(), *lines)

    def plain(self, text: str) -> str:
        """The text as it may leave the worker."""
        return plain(text if self._masker is None else self._masker.mask(text))

    def value(self, value_json: bytes) -> bytes:
        """The JSON value with what is masked in its texts, its keys and its numbers; as it was where nothing is."""
        if self._masker is None:
            return value_json
        value = json.loads(value_json)
        masked = self._masked(value, self._masker)
        if masked == value:
            return value_json
        text = json.dumps(masked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode()

    def _masked(self, value: Any, known: Masker) -> Any:
        match value:
            case str():
                return known.mask(value)
            case dict():
                return {known.mask(key): self._masked(item, known) for key, item in value.items()}
            case list():
                return [self._masked(item, known) for item in value]
            case None | bool():
                return value
        text = json.dumps(value)
        masked = known.mask(text)
        return value if masked == text else masked
