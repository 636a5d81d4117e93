"""Text from elsewhere, in the form in which a step can pass it on."""

from typing import Any

_REPLACED = "\ufffd"


def text(found: str) -> str:
    """The text with what no message can carry (NUL, lone surrogates) as U+FFFD; halves of a pair become one."""
    if "\0" in found:
        found = found.replace("\0", _REPLACED)
    if not found.isascii():
        found = found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return found


def value(found: Any) -> Any:
    """The JSON value with every text and key in it so."""
    if isinstance(found, str):
        return text(found)
    if isinstance(found, dict):
        return {text(key): value(one) for key, one in found.items()}
    if isinstance(found, list):
        return [value(one) for one in found]
    return found
