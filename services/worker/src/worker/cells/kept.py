"""How much of a step's output is kept, and what is said of the rest."""

from typing import Final

_LINES: Final = 20_000
"""How many lines are kept: each is an event, however short, and the engine has other runs to look after."""


class Kept:
    """Counts the output of one attempt."""

    def __init__(self, limit: int) -> None:
        """`limit`: how many bytes are kept."""
        self._limit = limit
        self._bytes = 0
        self._lines = 0
        self._dropped = 0
        self._dropped_lines = 0

    def take(self, size: int) -> int:
        """How many of `size` further bytes may be kept."""
        allowed = 0 if self._lines >= _LINES else max(0, min(size, self._limit - self._bytes))
        self._bytes += allowed
        self._dropped += size - allowed
        return allowed

    def line(self, text: str) -> bool:
        """Whether a line of a part that was taken is kept."""
        self._lines += 1
        if self._lines <= _LINES:
            return True
        self._dropped += len(text) + 1
        self._dropped_lines += 1
        return False

    def drop(self, lines: int) -> None:
        """So many lines end in what was not taken."""
        self._dropped_lines += lines

    def shortfall(self) -> str:
        """What was dropped since this was last asked, as a line that says so; empty when nothing was."""
        if not self._dropped:
            return ""
        said = (
            f"{self._dropped:,} bytes of output were dropped, {self._dropped_lines:,} lines: "
            f"a step keeps {_LINES:,} lines and {self._limit:,} bytes"
        )
        self._dropped = self._dropped_lines = 0
        return said
