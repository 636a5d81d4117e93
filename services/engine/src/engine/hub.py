"""Live events inside one process: who watches which run, and a bounded queue for each."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

MAX_WAITING: Final = 1000
"""How many events a slow watcher may be behind before its stream is closed."""


class Live(NamedTuple):
    """An event that was committed: its number, and what the watchers make of it (shared by all of them)."""

    seq: int
    event: Any


class Subscription:
    """The live events of one run, for one watcher."""

    def __init__(self, run_id: str, limit: int) -> None:
        self.run_id = run_id
        self.seen = 0
        """The last event the watcher has sent."""
        self.known = 0
        """The newest event that is known to be recorded."""
        self.overflowed = False
        """Whether events were dropped for want of room; the watcher reads them from the record."""
        self._limit = limit
        self._waiting: deque[Live] = deque()
        self._bell = asyncio.Event()

    def put(self, live: Live) -> None:
        """Adds an event, or notes that there is no room."""
        if len(self._waiting) >= self._limit:
            self.overflowed = True
            self.known = max(self.known, live.seq)
        else:
            self._waiting.append(live)
        self._bell.set()

    def reached(self, seq: int) -> None:
        """Says that events up to `seq` are recorded."""
        if seq > self.known:
            self.known = seq
            self._bell.set()

    def is_behind(self) -> bool:
        """Whether there are recorded events that the watcher has neither sent nor waiting."""
        return self.known > self.seen and not self._waiting

    def take(self) -> list[Live]:
        """What has come, oldest first."""
        taken = list(self._waiting)
        self._waiting.clear()
        self._bell.clear()
        return taken

    async def wait(self, seconds: float) -> None:
        """Returns when something came, or after so long."""
        if self._bell.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return


class Hub:
    """All subscriptions of this process."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        self._by_run: dict[str, set[Subscription]] = {}
        self._listeners: list[Callable[[str], None]] = []

    def subscribe(self, run_id: str) -> Subscription:
        """A subscription from now on; end it with `unsubscribe`."""
        subscription = Subscription(run_id, self._limit)
        self._by_run.setdefault(run_id, set()).add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ends it."""
        found = self._by_run.get(subscription.run_id)
        if found is not None:
            found.discard(subscription)
            if not found:
                del self._by_run[subscription.run_id]

    def is_watched(self, run_id: str) -> bool:
        """Whether anybody here watches the run."""
        return run_id in self._by_run

    def put(self, run_id: str, live: Live) -> None:
        """Hands an event to whoever watches the run. Events may come twice and out of order: watchers mind `seq`."""
        for subscription in self._by_run.get(run_id, ()):
            subscription.put(live)

    def reached(self, seqs: Mapping[str, int]) -> None:
        """Says how far runs are recorded."""
        for run_id, seq in seqs.items():
            for subscription in self._by_run.get(run_id, ()):
                if seq > subscription.seen:
                    subscription.reached(seq)

    def listen(self, callback: Callable[[str], None]) -> None:
        """Has `callback(run_id)` called whenever a run changes that lists show, here or elsewhere."""
        self._listeners.append(callback)

    def ignore(self, callback: Callable[[str], None]) -> None:
        """Ends that."""
        self._listeners.remove(callback)

    @property
    def is_listened(self) -> bool:
        """Whether anybody here wants to know of every change."""
        return bool(self._listeners)

    def changed(self, run_id: str) -> None:
        """Says that a run changed in what lists show of it."""
        for callback in self._listeners:
            callback(run_id)

    def watched(self) -> list[str]:
        """The runs that are watched here."""
        return list(self._by_run)
