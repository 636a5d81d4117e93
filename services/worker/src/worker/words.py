"""Text that user code made, in the form in which it may leave the worker."""

from chassis.logs import masker

_REPLACED = "\ufffd"


def plain(text: str) -> str:
    """The text with secrets masked, and what no message can carry (NUL, lone surrogates) as U+FFFD."""
    masked = masker.mask(text)
    if "\0" in masked:
        masked = masked.replace("\0", _REPLACED)
    if not masked.isascii():
        masked = masked.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return masked
