"""Steps known here to be READY, in the order they are to be tried. A hint only: PostgreSQL decides who gets them.

Within a priority, what goes on comes before what begins, so that runs end soon instead of all at once; what begins a
run, or an item of a `for_each`, takes turns run by run, so that no run holds up the others however many items it has.
A run whose step has ended may keep the slot for its next one. One slot in four is given without either preference.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Final

_MOST: Final = 5000
_IN_A_ROW: Final = 3
"""So many slots are given by preference before one is not."""
_MOST_CREDIT: Final = 12

Entry = tuple[str, str]
"""A run and one of its steps."""


class _Level:
    """The entries of one lane and priority."""

    def __init__(self) -> None:
        self.going_on: OrderedDict[Entry, None] = OrderedDict()
        self.beginning: OrderedDict[str, OrderedDict[Entry, None]] = OrderedDict()
        """By run; the first run's first entry is the next."""
        self.of_run: Counter[str] = Counter()

    def add(self, entry: Entry, *, begins: bool, first: bool) -> None:
        run_id = entry[0]
        self.of_run[run_id] += 1
        entries = self.beginning.setdefault(run_id, OrderedDict()) if begins else self.going_on
        entries[entry] = None
        if first:
            entries.move_to_end(entry, last=False)
            if begins:
                self.beginning.move_to_end(run_id, last=False)

    def take(self, *, turn: bool) -> Entry:
        """The next entry; if it is the turn of what begins, that."""
        if self.going_on and not (turn and self.beginning):
            entry, _ = self.going_on.popitem(last=False)
        else:
            run_id, entries = self.beginning.popitem(last=False)
            entry, _ = entries.popitem(last=False)
            if entries:
                self.beginning[run_id] = entries
        self._count(entry[0])
        return entry

    def remove(self, entry: Entry) -> None:
        run_id = entry[0]
        if entry in self.going_on:
            del self.going_on[entry]
        else:
            entries = self.beginning[run_id]
            del entries[entry]
            if not entries:
                del self.beginning[run_id]
        self._count(run_id)

    def has_others(self, run_id: str) -> bool:
        return len(self.of_run) > (run_id in self.of_run)

    def _count(self, run_id: str) -> None:
        self.of_run[run_id] -= 1
        if not self.of_run[run_id]:
            del self.of_run[run_id]


class Backlog:
    """READY steps by lane. What does not fit is found again by a scan of the table."""

    def __init__(self) -> None:
        self._by_lane: OrderedDict[str, dict[int, _Level]] = OrderedDict()
        """The lane that was served longest ago comes first."""
        self._places: dict[Entry, tuple[str, int]] = {}
        self._sizes: Counter[str] = Counter()
        self._kept = 0
        """How many slots runs have kept while others waited, less what those had for it."""
        self._went_on = 0
        """How often in a row a step that goes on came before one that was to begin."""
        self.to_scan: set[str] = set()
        """Lanes in which more may be READY than is known here."""

    def add(self, lane: str, entry: Entry, *, priority: int = 0, begins: bool, first: bool = False) -> None:
        """Adds a step that is not known yet; `begins`: it begins a run or an item; `first`: before all its equals."""
        if entry in self._places:
            return
        if self._sizes[lane] >= _MOST:
            self.to_scan.add(lane)
            return
        levels = self._by_lane.setdefault(lane, {})
        levels.setdefault(priority, _Level()).add(entry, begins=begins, first=first)
        self._places[entry] = lane, priority
        self._sizes[lane] += 1

    def remove(self, entry: Entry) -> None:
        """Forgets a step, which is READY no more."""
        if entry in self._places:
            lane, priority = self._places[entry]
            self._by_lane[lane][priority].remove(entry)
            self._forget(entry)

    def take(self, lane: str, count: int) -> list[Entry]:
        """Removes and returns the first entries of a lane, at most `count`; the other lanes then come before it."""
        taken: list[Entry] = []
        while len(taken) < count and (levels := self._by_lane.get(lane)):
            level = levels[max(levels)]
            turn = self._went_on >= _IN_A_ROW
            preferred = bool(level.going_on and level.beginning) and not turn
            self._went_on = self._went_on + 1 if preferred else 0
            self._kept = max(self._kept - _IN_A_ROW, -_MOST_CREDIT)
            entry = level.take(turn=turn)
            self._forget(entry)
            taken.append(entry)
        if taken and lane in self._by_lane:
            self._by_lane.move_to_end(lane)
        return taken

    def due(self, coming: int) -> int:
        """How many slots those who wait should have when runs are about to keep so many of theirs."""
        return max(0, self._kept + coming) // (_IN_A_ROW + 1)

    def gives_way(self, lanes: Iterable[str], run_id: str, priority: int, *, begins: bool) -> bool:
        """Whether a READY step is to leave a free slot to other runs' steps that wait for it in one of the lanes."""
        waiting = [
            level
            for lane in lanes
            for level, entries in self._by_lane.get(lane, {}).items()
            if level >= priority and entries.has_others(run_id)
        ]
        if not waiting:
            return False
        if begins or max(waiting) > priority or self._kept >= _IN_A_ROW:
            return True
        self._kept += 1
        return False

    def size(self, lane: str) -> int:
        """How many steps of a lane are known to wait."""
        return self._sizes[lane]

    def lanes(self) -> list[str]:
        """The lanes in which steps are known to wait: the highest priority first, then who waited longest."""
        return sorted(self._by_lane, key=lambda lane: -max(self._by_lane[lane]))

    def total(self) -> int:
        """How many steps are known to wait."""
        return len(self._places)

    def _forget(self, entry: Entry) -> None:
        lane, priority = self._places.pop(entry)
        self._sizes[lane] -= 1
        levels = self._by_lane[lane]
        if not levels[priority].of_run:
            del levels[priority]
            if not levels:
                del self._by_lane[lane], self._sizes[lane]
