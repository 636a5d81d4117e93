"""Who gets what: places READY steps on free slots, and does what a committed transition asks for."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, NamedTuple, Protocol

from chassis.signals import Signal
from engine import failpoints, telemetry
from engine.dispatch.assigner import Assigner
from engine.dispatch.backlog import Backlog, Entry
from engine.dispatch.cache import Cache
from engine.dispatch.sessions import Session, Sessions
from engine.dispatch.unit import Unit
from engine.domain import Ref
from engine.effects import AttemptClosed, AttemptOpened, Cached, Gated, GivenBack, StopAttempt, Taken
from engine.events import Publisher
from engine.state import CACHE, Claim
from engine.tokens import Tokens
from engine.wire import events as wire
from engine.wire import work

log = logging.getLogger(__name__)


_AT_ONCE: Final = timedelta(0)
_LATE: Final = timedelta(seconds=0.05)
_SOON: Final = 3600.0
"""Timers that are due later, in seconds, are left to the recovery loop."""


class Waits(Protocol):
    """Who opens gates."""

    def waits(self, gate: str, after: timedelta = _AT_ONCE) -> None:
        """Somebody waits at a gate, or it may have opened, or may `after` some time."""
        ...


def _is_late(taken: Taken) -> bool:
    """Whether an attempt begins so late that its rate limit may have had others wait for it."""
    return taken.used_at is not None and taken.used_at - taken.at > _LATE


class Candidate(NamedTuple):
    """A step that may be claimed, if its run can be locked."""

    lane: str
    run_id: str
    step_id: str


class Desk:
    """The link between transitions and workers. Everything here is memory, and may be lost."""

    def __init__(
        self,
        sessions: Sessions,
        cache: Cache,
        publisher: Publisher,
        assigner: Assigner,
        tokens: Tokens,
        *,
        wake: Callable[[], None],
        audit: Callable[[], None],
        tick: Callable[[str], None],
        gates: Waits,
    ) -> None:
        """`wake` has the committer look for work, `audit` tells the relay that there is something to relay, `tick`
        tells a run that its time has come.
        """
        self.sessions = sessions
        self.cache = cache
        self.backlog = Backlog()
        self._publisher = publisher
        self._assigner = assigner
        self._tokens = tokens
        self._wake = wake
        self._audit = audit
        self._tick = tick
        self._gates = gates
        self.run_ended = Signal()
        """Set after each commit that ended a run."""

    # Before the commit.

    def candidates(self, spoken_for: int) -> list[Candidate]:
        """Steps to try to claim: as many as there are free slots beyond those `spoken_for` by successors.

        More when the runs that have them kept theirs often enough.
        """
        found: list[Candidate] = []
        for lane in self.backlog.lanes():
            free = self.sessions.free(lane)
            count = min(free, max(free - spoken_for, self.backlog.due(spoken_for)))
            found += [Candidate(lane, *entry) for entry in self.backlog.take(lane, count)]
        return found

    def scans(self) -> list[tuple[str, int]]:
        """The lanes to look for in the table, each with how many would be taken."""
        return [
            (lane, free)
            for lane in self.backlog.to_scan
            if not self.backlog.size(lane) and (free := self.sessions.free(lane))
        ]

    def place(self, unit: Unit, *, only: str = "") -> None:
        """Claims the unit's READY steps for free slots, after those who go first; or `only` one, whose turn it is."""
        full: set[str] = set()
        for path in unit.ready() if not only else [only] * unit.is_ready(only):
            lane = unit.lane(path)
            session = None if lane in full else self.sessions.pick(lane)
            if session is None:
                full.add(lane)
                continue
            if not only and self._gives_way(unit, path, session):
                continue
            if unit.apply(Claim(path, session.id, session.worker.isolation)) is None:
                opened = unit.opened(path)
                ref = Ref(unit.info.id, path, opened.attempt, opened.epoch)
                session.held[ref] = opened.planned.place

    def _gives_way(self, unit: Unit, path: str, session: Session) -> bool:
        rivals = (lane for lane in self.backlog.lanes() if session.serves(lane))
        return self.backlog.gives_way(rivals, unit.info.id, unit.info.priority, begins=unit.begins(path))

    def put_back(self, candidates: Sequence[Candidate], units: dict[str, Unit]) -> None:
        """Returns the candidates that are READY still; those of runs that others hold are scanned for later."""
        for one in reversed(candidates):
            unit = units.get(one.run_id)
            if unit is None:
                self.backlog.to_scan.add(one.lane)
            elif unit.is_ready(one.step_id):
                self._wait(unit, one.step_id, first=True)

    def abandoned(self, units: Sequence[Unit]) -> None:
        """The transaction did not commit: frees the slots it had taken."""
        for unit in units:
            for effect in unit.effects:
                if isinstance(effect, AttemptOpened) and effect.worker_id:
                    session = self.sessions.get(effect.worker_id)
                    if session is not None:
                        ref = Ref(unit.info.id, effect.step_id, effect.attempt, effect.epoch)
                        session.held.pop(ref, None)
            self.backlog.to_scan.update(unit.lane(path) for path in unit.ready())

    # After the commit.

    def committed(self, units: Sequence[Unit]) -> None:
        """Publishes, sends and queues what the committed units ask for."""
        has_status = False
        for unit in units:
            self.cache.put(unit)
            self._act(unit)
            self._queue(unit)
            self._set_timer(unit)
            kinds = {event[2] for event in unit.events}
            has_status = has_status or not kinds.isdisjoint(wire.STATUS_KINDS)
            self._publisher.events(unit.info.id, unit.now, [event[1:4] for event in unit.events])
            if not kinds.isdisjoint(wire.SHOWN_KINDS):
                self._publisher.changed(unit.info.id)
        if has_status:
            self._audit()
        if any(unit.has_ended for unit in units):
            self.run_ended.set()

    def _act(self, unit: Unit) -> None:
        for effect in unit.effects:
            if isinstance(effect, AttemptOpened) and effect.worker_id:
                session = self.sessions.get(effect.worker_id)
                if session is not None:
                    self._assigner.assign(session, unit, effect)
            elif isinstance(effect, AttemptClosed):
                kind = "" if effect.failure is None else effect.failure.kind.value
                telemetry.ATTEMPTS_ENDED.labels(effect.status.value, kind).inc()
            elif isinstance(effect, StopAttempt) and effect.worker_id:
                one = Ref(unit.info.id, effect.step_id, effect.attempt, effect.epoch)
                self.stop(effect.worker_id, one, effect.reason, tell_others=True)
            elif isinstance(effect, Gated):
                self._gates.waits(effect.gate, effect.not_before - unit.now)
            elif isinstance(effect, GivenBack) or (isinstance(effect, Taken) and _is_late(effect)):
                self._gates.waits(effect.gate)
            elif isinstance(effect, Cached):
                self._gates.waits(CACHE + effect.digest)
        if unit.has_ended:
            if unit.state.limit_key:
                self._gates.waits(f"limit:{unit.state.limit_key}")
            telemetry.RUNS_ENDED.labels(unit.state.status.value).inc()
            self._tokens.forget(unit.info.id)

    def _set_timer(self, unit: Unit) -> None:
        """Has the run told when its time comes. (The recovery loop does, should this process not live to.)"""
        wake_at = unit.state.wake_at
        if wake_at is not None and wake_at != unit.old.wake_at and not unit.state.status.ended:
            delay = (wake_at - unit.now).total_seconds()
            if delay < _SOON:
                asyncio.get_running_loop().call_later(max(0.0, delay) + 0.005, self._tick, unit.info.id)

    def stop(self, worker_id: str, one: Ref, reason: str, *, tell_others: bool = False) -> None:
        """Tells the worker to stop an attempt; if it is connected elsewhere, tells the other replicas."""
        failpoints.reach("stop.before")
        session = self.sessions.get(worker_id)
        if session is not None:
            session.send(work.cancel(one, reason))
        elif tell_others:
            self._publisher.stop(worker_id, one, reason)
        failpoints.reach("stop.after")

    def drain(self, worker_id: str, *, drained: bool) -> None:
        """Has a worker that is connected here take nothing new, or take steps again."""
        session = self.sessions.get(worker_id)
        if session is None or session.drained == drained:
            return
        session.drained = drained
        log.info(
            "a worker is drained" if drained else "a worker is drained no more",
            extra={"worker_id": worker_id},
        )
        if not drained:
            self.backlog.to_scan.update(session.worker.kinds)
            self._wake()

    def _queue(self, unit: Unit) -> None:
        """Remembers the steps that came to be READY and found no free slot, and those that will be due later."""
        for path in unit.written:
            if not unit.is_ready(path):
                self.backlog.remove((unit.info.id, path))
        for path in unit.became_ready():
            self._wait(unit, path)
            lane = unit.lane(path)
            if self.sessions.free(lane) == 0:
                self._publisher.ready(lane)
        for path, due in unit.backing_off():
            delay = (due - unit.now).total_seconds()
            entry = (unit.info.id, path)
            asyncio.get_running_loop().call_later(
                delay, self._due, unit.lane(path), entry, unit.info.priority
            )

    def _wait(self, unit: Unit, path: str, *, first: bool = False) -> None:
        self.backlog.add(
            unit.lane(path),
            (unit.info.id, path),
            priority=unit.info.priority,
            begins=unit.begins(path),
            first=first,
        )

    def _due(self, lane: str, entry: Entry, priority: int) -> None:
        self.backlog.add(lane, entry, priority=priority, begins=False)
        self._wake()
