"""Who gets what: places READY steps on free slots, and does what a committed transition asks for."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine import telemetry
from engine.dispatch.assigner import Assigner
from engine.dispatch.backlog import Backlog
from engine.dispatch.cache import Cache
from engine.dispatch.sessions import Sessions
from engine.dispatch.unit import Unit
from engine.domain import Ref
from engine.events import Publisher
from engine.state import AttemptClosed, AttemptOpened, Claim, StopAttempt
from engine.tokens import Tokens
from engine.wire import events as wire
from engine.wire import work

log = logging.getLogger(__name__)


class Candidate(NamedTuple):
    """A step that may be claimed, if its run can be locked."""

    kind: str
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
    ) -> None:
        """`wake` has the committer look for work, `audit` tells the relay that there is something to relay."""
        self.sessions = sessions
        self.cache = cache
        self.backlog = Backlog()
        self._publisher = publisher
        self._assigner = assigner
        self._tokens = tokens
        self._wake = wake
        self._audit = audit

    # Before the commit.

    def candidates(self, spoken_for: int) -> list[Candidate]:
        """Steps to try to claim: as many as there are free slots beyond those `spoken_for` by successors."""
        found: list[Candidate] = []
        for kind in self.sessions.kinds():
            if self.backlog.size(kind):
                free = self.sessions.free(kind) - spoken_for
                found += [Candidate(kind, *entry) for entry in self.backlog.take(kind, max(0, free))]
        return found

    def scans(self) -> list[tuple[str, int]]:
        """The kinds to look for in the table, each with how many would be taken."""
        return [
            (kind, free)
            for kind in self.sessions.kinds()
            if kind in self.backlog.to_scan
            and not self.backlog.size(kind)
            and (free := self.sessions.free(kind))
        ]

    def place(self, unit: Unit, *, only: set[str] | None = None, queue_first: bool = False) -> None:
        """Claims the unit's READY steps (`only` these) for free slots. `queue_first`: not before those who wait."""
        for number in unit.ready():
            step = unit.state.plan.steps[number]
            if only is not None and step.id not in only:
                continue
            if queue_first and self.backlog.size(step.kind):
                continue
            session = self.sessions.pick(step.kind)
            if session is None:
                continue
            if unit.apply(Claim(step.id, session.id, session.worker.isolation)) is None:
                one = unit.state.steps[number]
                session.held.add(Ref(unit.info.id, step.id, one.attempt, one.epoch))

    def put_back(self, candidates: Sequence[Candidate], units: dict[str, Unit]) -> None:
        """Returns the candidates that are READY still; those of runs that others hold are scanned for later."""
        for one in reversed(candidates):
            unit = units.get(one.run_id)
            if unit is None:
                self.backlog.to_scan.add(one.kind)
            elif unit.state.plan.index[one.step_id] in unit.ready():
                self.backlog.add(one.kind, (one.run_id, one.step_id), first=True)

    def abandoned(self, units: Sequence[Unit]) -> None:
        """The transaction did not commit: frees the slots it had taken."""
        for unit in units:
            for effect in unit.effects:
                if isinstance(effect, AttemptOpened) and effect.worker_id:
                    self._release(unit, effect.step, effect.attempt, effect.epoch, effect.worker_id)
            for number in unit.ready():
                self.backlog.to_scan.add(unit.state.plan.steps[number].kind)

    # After the commit.

    def committed(self, units: Sequence[Unit]) -> None:
        """Publishes, sends and queues what the committed units ask for."""
        has_status = False
        for unit in units:
            self.cache.put(unit)
            self._act(unit)
            self._queue(unit)
            for run_id, seq, kind, body in unit.events:
                has_status = has_status or kind in wire.STATUS_KINDS
                self._publisher.event(run_id, seq, wire.whole(run_id, seq, unit.now, body))
        if has_status:
            self._audit()

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
                step_id = unit.state.plan.steps[effect.step].id
                one = Ref(unit.info.id, step_id, effect.attempt, effect.epoch)
                self.stop(effect.worker_id, one, effect.reason, tell_others=True)
        if unit.state.status.ended and not unit.old.status.ended:
            telemetry.RUNS_ENDED.labels(unit.state.status.value).inc()
            self._tokens.forget(unit.info.id)

    def stop(self, worker_id: str, one: Ref, reason: str, *, tell_others: bool = False) -> None:
        """Tells the worker to stop an attempt; if it is connected elsewhere, tells the other replicas."""
        session = self.sessions.get(worker_id)
        if session is not None:
            session.send(work.cancel(one, reason))
        elif tell_others:
            self._publisher.stop(worker_id, one, reason)

    def _release(self, unit: Unit, step: int, attempt: int, epoch: int, worker_id: str) -> None:
        session = self.sessions.get(worker_id)
        if session is not None:
            session.held.discard(Ref(unit.info.id, unit.state.plan.steps[step].id, attempt, epoch))

    def _queue(self, unit: Unit) -> None:
        """Remembers the steps that came to be READY and found no free slot, and those that will be due later."""
        kinds = self.sessions.kinds()
        for number in unit.ready():
            if unit.state.steps[number] is unit.old.steps[number]:
                continue
            step = unit.state.plan.steps[number]
            if step.kind in kinds:
                self.backlog.add(step.kind, (unit.info.id, step.id), first=unit.old.started_at is not None)
            else:
                self.backlog.to_scan.add(step.kind)
            if self.sessions.free(step.kind) == 0:
                self._publisher.ready(step.kind)
        for number, due in unit.backing_off():
            kind, entry = unit.state.plan.steps[number].kind, (unit.info.id, unit.state.plan.steps[number].id)
            delay = (due - unit.now).total_seconds()
            asyncio.get_running_loop().call_later(delay, self._due, kind, entry)

    def _due(self, kind: str, entry: tuple[str, str]) -> None:
        self.backlog.add(kind, entry, first=True)
        self._wake()
