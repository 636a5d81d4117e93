"""The workers connected to this process, and who has a free slot."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from engine.domain import Ref
from engine.records import WorkerRecord
from engine.wire.work import EngineMessage

_MOST_WAITING: Final = 5000


class Session:
    """One worker's stream. `held` are the attempts that take a slot there."""

    def __init__(self, worker: WorkerRecord, held: Iterable[Ref] = ()) -> None:
        self.worker = worker
        self.held: set[Ref] = set(held)
        self.draining = False
        self.closed = False
        """Whether the stream is to end: it broke, or the worker came back on another one."""
        self.components: set[str] = set()
        """The component versions this stream has carried."""
        self._unheard: set[Ref] = set()
        self._outgoing: deque[EngineMessage] = deque()
        self._bell = asyncio.Event()

    @property
    def id(self) -> str:
        """The worker's id."""
        return self.worker.id

    @property
    def free(self) -> int:
        """How many attempts it would take now."""
        if self.draining or self.closed:
            return 0
        return max(0, self.worker.slots - len(self.held))

    def heard(self, holding: Iterable[Ref]) -> None:
        """The worker says what it holds. What it left out twice never arrived there, and takes no slot."""
        unheard = self.held - set(holding)
        self.held -= unheard & self._unheard
        self._unheard = unheard

    def send(self, message: EngineMessage) -> None:
        """Queues a message; the stream's writer sends it. A worker that reads nothing for long is let go."""
        self._outgoing.append(message)
        self._bell.set()
        if len(self._outgoing) > _MOST_WAITING:
            self.close()

    def close(self) -> None:
        """Ends the stream."""
        self.closed = True
        self._bell.set()

    async def outgoing(self) -> EngineMessage | None:
        """The next message to send, when there is one; None when the stream is to end."""
        while not self.closed:
            if self._outgoing:
                return self._outgoing.popleft()
            self._bell.clear()
            await self._bell.wait()
        return None


class Sessions:
    """Every session of this process, by worker."""

    def __init__(self) -> None:
        self._by_worker: dict[str, Session] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_worker.values()))

    def __len__(self) -> int:
        return len(self._by_worker)

    def add(self, session: Session) -> None:
        """Adds a session; an older one of the same worker is closed, for its stream is dead."""
        older = self._by_worker.get(session.id)
        if older is not None:
            older.close()
        self._by_worker[session.id] = session

    def remove(self, session: Session) -> None:
        """Takes a session out, unless the worker is on a newer one by now."""
        session.close()
        if self._by_worker.get(session.id) is session:
            del self._by_worker[session.id]

    def get(self, worker_id: str) -> Session | None:
        """The worker's session here."""
        return self._by_worker.get(worker_id)

    def ids(self) -> list[str]:
        """The workers connected here."""
        return list(self._by_worker)

    def kinds(self) -> set[str]:
        """The component types that somebody here can run."""
        return {kind for one in self._by_worker.values() if not one.draining for kind in one.worker.kinds}

    def free(self, kind: str) -> int:
        """How many attempts of a kind would be taken now."""
        return sum(one.free for one in self._by_worker.values() if kind in one.worker.kinds)

    def pick(self, kind: str) -> Session | None:
        """Whoever has most free slots for a kind."""
        best: Session | None = None
        for one in self._by_worker.values():
            if kind in one.worker.kinds and one.free > (0 if best is None else best.free):
                best = one
        return best
