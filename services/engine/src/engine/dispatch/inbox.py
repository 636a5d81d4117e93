"""What waits to be applied, run by run: in order within a run, and fair between runs."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

FULL: Final = 5000
"""With so many items waiting, whoever brings more waits."""


class OfRun(Protocol):
    """Something that happens to a run."""

    @property
    def run_id(self) -> str:
        """The run's id."""
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
        self._count(1)

    def put_back(self, items: Sequence[T]) -> None:
        """Returns items that were taken, before their runs' others."""
        for item in reversed(items):
            self._by_run.setdefault(item.run_id, deque()).appendleft(item)
        self._count(len(items))

    def take(self, most: int, of_each: int) -> list[T]:
        """Removes and returns at most `most` items, `of_each` run at most; runs take turns, held ones wait."""
        taken: list[T] = []
        for run_id in [one for one in self._by_run if one not in self._held]:
            waiting = self._by_run[run_id]
            count = min(of_each, len(waiting), most - len(taken))
            taken += [waiting.popleft() for _ in range(count)]
            if waiting:
                self._by_run.move_to_end(run_id)
            else:
                del self._by_run[run_id]
            if len(taken) >= most:
                break
        self._count(-len(taken))
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
