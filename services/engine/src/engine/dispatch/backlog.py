"""Steps known here to be READY, in the order they are to be tried. A hint only: PostgreSQL decides who gets them."""

from collections import deque
from typing import Final

_MOST: Final = 5000

Entry = tuple[str, str]
"""A run and one of its steps."""


class _Queue:
    """The entries of one lane, the highest priority first."""

    def __init__(self) -> None:
        self._by_priority: dict[int, deque[Entry]] = {}
        self.size = 0

    def add(self, priority: int, entry: Entry, *, first: bool) -> None:
        entries = self._by_priority.setdefault(priority, deque())
        if first:
            entries.appendleft(entry)
        else:
            entries.append(entry)
        self.size += 1

    def take(self) -> Entry:
        highest = max(self._by_priority)
        entries = self._by_priority[highest]
        entry = entries.popleft()
        if not entries:
            del self._by_priority[highest]
        self.size -= 1
        return entry


class Backlog:
    """READY steps by lane. What does not fit is found again by a scan of the table."""

    def __init__(self) -> None:
        self._by_lane: dict[str, _Queue] = {}
        self.to_scan: set[str] = set()
        """Lanes in which more may be READY than is known here."""

    def add(self, lane: str, entry: Entry, *, priority: int = 0, first: bool = False) -> None:
        """Adds a step; `first` for those of runs that are under way, which are to end before others begin."""
        queue = self._by_lane.setdefault(lane, _Queue())
        if queue.size >= _MOST:
            self.to_scan.add(lane)
        else:
            queue.add(priority, entry, first=first)

    def take(self, lane: str, count: int) -> list[Entry]:
        """Removes and returns the first entries of a lane, at most `count`."""
        queue = self._by_lane.get(lane)
        if queue is None:
            return []
        return [queue.take() for _ in range(min(count, queue.size))]

    def size(self, lane: str) -> int:
        """How many steps of a lane are known to wait."""
        queue = self._by_lane.get(lane)
        return 0 if queue is None else queue.size

    def lanes(self) -> list[str]:
        """The lanes in which steps are known to wait."""
        return [lane for lane, queue in self._by_lane.items() if queue.size]

    def total(self) -> int:
        """How many steps are known to wait."""
        return sum(queue.size for queue in self._by_lane.values())
