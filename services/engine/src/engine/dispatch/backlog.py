"""Steps known here to be READY, in the order they are to be tried. A hint only: PostgreSQL decides who gets them."""

from collections import deque
from typing import Final

_MOST: Final = 5000

Entry = tuple[str, str]
"""A run and one of its steps."""


class Backlog:
    """READY steps by component type. What does not fit is found again by a scan of the table."""

    def __init__(self) -> None:
        self._by_kind: dict[str, deque[Entry]] = {}
        self.to_scan: set[str] = set()
        """Component types of which more may be READY than is known here."""

    def add(self, kind: str, entry: Entry, *, first: bool = False) -> None:
        """Adds a step; `first` for those of runs that are under way, which are to end before others begin."""
        entries = self._by_kind.setdefault(kind, deque())
        if len(entries) >= _MOST:
            self.to_scan.add(kind)
        elif first:
            entries.appendleft(entry)
        else:
            entries.append(entry)

    def take(self, kind: str, count: int) -> list[Entry]:
        """Removes and returns the first entries of a kind, at most `count`."""
        entries = self._by_kind.get(kind)
        if not entries:
            return []
        return [entries.popleft() for _ in range(min(count, len(entries)))]

    def size(self, kind: str) -> int:
        """How many steps of a kind are known to wait."""
        return len(self._by_kind.get(kind, ()))

    def total(self) -> int:
        """How many steps are known to wait."""
        return sum(len(entries) for entries in self._by_kind.values())
