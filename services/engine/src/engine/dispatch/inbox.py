"""What waits to be applied, run by run: in order within a run, and fair between runs."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

FULL: Final = 5000
"""With so much waiting, in lines, whoever brings more waits."""


class OfRun(Protocol):
    """Something that happens to a run."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        ...

    @property
    def weight(self) -> int:
        """How much there is to do for it, in lines."""
        ...


T = TypeVar("T", bound=OfRun)


class Inbox(Generic[T]):
    """A queue for each run; a run that floods its own holds up no other."""

    def __init__(self) -> None:
        self._by_run: OrderedDict[str, deque[T]] = OrderedDict()
        self._held: set[str] = set()
        self._size = 0
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return self._size

    def put(self, item: T) -> None:
        """Adds an item behind its run's others."""
        self._by_run.setdefault(item.run_id, deque()).append(item)
        self._count(item.weight)

    def put_back(self, items: Sequence[T]) -> None:
        """Returns items that were taken, before their runs' others."""
        for item in reversed(items):
            self._by_run.setdefault(item.run_id, deque()).appendleft(item)
        self._count(sum(item.weight for item in items))

    def take(self, most: int, of_each: int) -> list[T]:
        """Removes and returns items for `most` lines about, `of_each` run so many at most; held ones wait.

        Each run gets an equal part first, so that those with little to say need not wait for those with much.
        """
        taken: list[T] = []
        runs = dict.fromkeys([one for one in self._by_run if one not in self._held], 0)
        for share in (min(of_each, max(1, most // max(1, len(runs)))), of_each):
            for run_id in runs:
                while most > 0 and runs[run_id] < share and (waiting := self._by_run.get(run_id)):
                    item = waiting.popleft()
                    taken.append(item)
                    runs[run_id] += item.weight
                    most -= item.weight
                    if not waiting:
                        del self._by_run[run_id]
        for run_id, had in runs.items():
            if had and run_id in self._by_run:
                self._by_run.move_to_end(run_id)
        self._count(-sum(runs.values()))
        return taken

    def hold(self, run_id: str) -> None:
        """Keeps a run's items back until `release`."""
        self._held.add(run_id)

    def release(self, run_id: str) -> None:
        """Lets a run's items go again."""
        self._held.discard(run_id)

    async def room(self) -> None:
        """Returns when the inbox is not full."""
        await self._room.wait()

    def _count(self, change: int) -> None:
        self._size += change
        if self._size < FULL:
            self._room.set()
        else:
            self._room.clear()
