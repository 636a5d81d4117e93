"""The workers connected to this process, and who has a free slot."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from engine.domain import Ref
from engine.lanes import parse
from engine.plan import ANYWHERE, Place
from engine.records import WorkerRecord
from engine.wire.work import EngineMessage

_MOST_WAITING: Final = 5000
_TOGETHER_BYTES: Final = 64 * 1024


def serves(worker: WorkerRecord, lane: str) -> bool:
    """Whether the worker, with nothing to do, could run a step of the lane."""
    kind, place = parse(lane)
    return (
        kind in worker.kinds
        and place.pool == worker.pool
        and worker.labels.issuperset(place.labels)
        and place.cpus <= worker.cpus
        and place.memory_bytes <= worker.memory_bytes
    )


class Session:
    """One worker's stream. `held` are the attempts that take a slot there, each with what else it takes."""

    def __init__(self, worker: WorkerRecord, held: Iterable[Ref] = ()) -> None:
        self.worker = worker
        self.held: dict[Ref, Place] = dict.fromkeys(held, ANYWHERE)
        self.draining = False
        self.drained = worker.drained
        """Whether somebody has it take nothing new."""
        self.heard_at = time.monotonic()
        """When anything came from the worker, by the monotonic clock; recorded or not."""
        self.renewed_at = self.heard_at
        """When its leases were renewed, or are about to be, by the monotonic clock."""
        self.closed = False
        """Whether the stream is to end: it broke, or the worker came back on another one."""
        self.components: set[str] = set()
        """The component versions this stream has carried."""
        self._waiting: set[Ref] = set()
        """Those of the attempts held which wait for what they call, and take no slot meanwhile."""
        self._arrived = set(self.held)
        """Those of the attempts held which are known to have reached the worker."""
        self._under_way: deque[Ref] = deque()
        self._assignments = 0
        self._outgoing: deque[EngineMessage] = deque()
        self._bell = asyncio.Event()

    @property
    def id(self) -> str:
        """The worker's id."""
        return self.worker.id

    @property
    def free(self) -> int:
        """How many attempts it would take now."""
        if self.draining or self.drained or self.closed:
            return 0
        return max(0, self.worker.slots - len(self.held) + sum(ref in self.held for ref in self._waiting))

    def holding(self) -> list[Ref]:
        """The attempts that it holds, in an order."""
        return sorted(self.held, key=lambda one: (one.run_id, one.step_id))

    def serves(self, lane: str) -> bool:
        """Whether it would ever take an attempt of a lane."""
        return not self.draining and serves(self.worker, lane)

    def room(self, lane: str) -> int:
        """How many attempts of a lane it would take now."""
        if not self.serves(lane):
            return 0
        place, worker, room = parse(lane).place, self.worker, self.free
        if place.cpus:
            spare = worker.cpus - sum(one.cpus for ref, one in self.held.items() if ref not in self._waiting)
            room = min(room, int(spare / place.cpus + 1e-9))
        if place.memory_bytes:
            spare = worker.memory_bytes - sum(one.memory_bytes for one in self.held.values())
            room = min(room, int(spare // place.memory_bytes))
        return max(0, room)

    def waits(self, refs: Iterable[Ref], *, waits: bool = True) -> None:
        """Notes that attempts wait for what they call, or do no longer. Their memory they keep."""
        if waits:
            self._waiting.update(refs)
        else:
            self._waiting.difference_update(refs)
        self._waiting &= self.held.keys()

    def assign(self, ref: Ref, message: EngineMessage) -> None:
        """Sends an assignment."""
        self._under_way.append(ref)
        self.send(message)

    def heard(self, holding: Iterable[Ref], assignments: int) -> None:
        """The worker says what it held when `assignments` had reached it. What it had lost by then takes no slot."""
        while self._under_way and self._assignments < assignments:
            self._arrived.add(self._under_way.popleft())
            self._assignments += 1
        self._arrived &= self.held.keys()
        for one in self._arrived - set(holding):
            del self.held[one]

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
        """What to send next, when there is something: all that is worth sending together. None at the stream's end."""
        while not self.closed:
            if self._outgoing:
                message = self._outgoing.popleft()
                size = message.ByteSize()
                while self._outgoing and (size := size + self._outgoing[0].ByteSize()) <= _TOGETHER_BYTES:
                    message.also.append(self._outgoing.popleft())
                return message
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

    def kinds(self) -> set[str]:
        """The component types that the workers connected here offer, in whatever pool."""
        offered = (session.worker.kinds for session in self._by_worker.values() if not session.draining)
        return set().union(*offered)

    def ids(self) -> list[str]:
        """The workers connected here."""
        return list(self._by_worker)

    def free(self, lane: str) -> int:
        """How many attempts of a lane would be taken now."""
        return sum(one.room(lane) for one in self._by_worker.values())

    def pick(self, lane: str) -> Session | None:
        """Whoever has most room for a lane."""
        best, most = None, 0
        for one in self._by_worker.values():
            if (room := one.room(lane)) > most:
                best, most = one, room
        return best
