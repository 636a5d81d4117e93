"""The engine's dispatch, put together: sessions, the committer, recovery, and what the API needs of them."""

import asyncio
import contextlib
import dataclasses
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import metadata
from typing import Final

from sqlalchemy.exc import DBAPIError

from chassis.bus import Bus
from chassis.client import ServiceChannel
from chassis.database import Database, Transaction
from chassis.errors import ServiceError
from chassis.ids import is_uuid
from chassis.signals import Signal
from engine import failpoints
from engine.components import Components
from engine.dispatch import ingress
from engine.dispatch.assigner import Assigner
from engine.dispatch.cache import Cache
from engine.dispatch.committer import Committer
from engine.dispatch.desk import Desk
from engine.dispatch.gates import Gates
from engine.dispatch.items import Make, Transition, Utterance
from engine.dispatch.plans import PlanCache
from engine.dispatch.recovery import Recovery
from engine.dispatch.renewals import Renewal, Renewals
from engine.dispatch.sessions import Session, Sessions, serves
from engine.dispatch.unit import Unit, write
from engine.domain import ErrorKind, Failure, Payload, Ref, Reference, StepStatus
from engine.effects import Rejected
from engine.events import Listener, Publisher
from engine.explaining import Facts
from engine.hub import Hub
from engine.lanes import lane_of
from engine.link import Link
from engine.plan import Plan
from engine.reads import Reads
from engine.records import RunRecord, StepRecord, WorkerRecord
from engine.state import RATE, CancelRequested, Failed, Succeeded, Tick
from engine.store import artifacts as artifacts_store
from engine.store import hot, leases, limits, loading, rates
from engine.store import recovery as recovery_store
from engine.store import runs as runs_store
from engine.store import workers as workers_store
from engine.tokens import Tokens
from engine.wire import work
from mcpanel.engine.v1 import worker_pb2

log = logging.getLogger(__name__)

_AUDIT_DELAY: Final = 0.25
_LATE: Final = 1.5
"""Of so many heartbeats' time without a sign of life, a worker is taken to live by whatever else it says."""
_AGAIN: Final = 0.5
_MOST_QUEUES: Final = 10
_MOST_WAITING: Final = 10_000
_A_WHILE: Final = timedelta(seconds=1)
"""A moment under a rate limit that nobody was given for so long, somebody could not be given."""
VERSION: Final = metadata.version("mcpanel-engine")
"""The engine's own version."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things last."""

    lease: timedelta = timedelta(seconds=15)
    heartbeat: timedelta = timedelta(seconds=4)
    poll: timedelta = timedelta(seconds=1)


class Dispatcher:
    """Everything between the API and the workers."""

    def __init__(
        self,
        *,
        database_url: str,
        db: Database,
        reads: Reads,
        bus: Bus,
        hub: Hub,
        identity: ServiceChannel,
        timing: Timing | None = None,
        name: str = "engine",
    ) -> None:
        self.db = db
        self.timing = timing or Timing()
        self.components = Components(db)
        self.plans = PlanCache()
        self.sessions = Sessions()
        self._wake = Signal()
        self._link = Link(database_url, f"{name}-dispatch")
        self._renewals = Renewals(Link(database_url, f"{name}-leases"), self.timing.lease)
        self._publisher = Publisher(bus, hub)
        self._listener = Listener(bus, hub)
        self._gates = Gates(db, self, self._submit)
        tokens = Tokens(identity)
        assigner = Assigner(self.components, tokens, self.timing.lease, self._report)
        self.desk = Desk(
            self.sessions,
            Cache(),
            self._publisher,
            assigner,
            tokens,
            wake=self._wake.set,
            audit=self._audit_soon,
            tick=self._tick,
            gates=self._gates,
        )
        self._committer = Committer(self._link, self.desk, self.plans, self._wake, self.timing.lease)
        self._recovery = Recovery(
            db,
            reads,
            self._link,
            self.desk,
            self._committer,
            wake=self._wake,
            lease=self.timing.lease,
            poll=self.timing.poll,
            gates=self._gates,
        )
        self._audit_timer: asyncio.TimerHandle | None = None
        self._looking_up: set[asyncio.Task[None]] = set()

    def background(self) -> list[Callable[[], Awaitable[None]]]:
        """The endless tasks of the dispatch."""
        return [
            self._committer.run,
            self._renewals.run,
            self._recovery.run,
            self._gates.run,
            self._publisher.run,
            self._listen,
        ]

    async def close(self) -> None:
        """Ends the connection of its own."""
        if self._audit_timer is not None:
            self._audit_timer.cancel()
        for task in self._looking_up:
            task.cancel()
        await self._committer.close()
        await self._renewals.close()

    async def _listen(self) -> None:
        await self._listener.start(self._ready_elsewhere, self.desk.stop, self._drained)
        await asyncio.Event().wait()

    def _ready_elsewhere(self, lane: str) -> None:
        if self.sessions.free(lane) and not self.desk.backlog.size(lane):
            self.desk.backlog.to_scan.add(lane)
            self._wake.set()

    def _drained(self, worker_id: str, *, drained: bool) -> None:
        self.desk.drain(worker_id, drained=drained)

    def _submit(self, transition: Transition) -> None:
        self._committer.submit(transition)

    def _tick(self, run_id: str) -> None:
        self._committer.submit(Transition(run_id, Tick()))

    def _report(self, failed: Failed) -> None:
        self._committer.submit(Transition(failed.ref.run_id, failed))

    def _audit_soon(self) -> None:
        """Rings for the relay, at most four times a second: it works in batches."""
        if self._audit_timer is None:
            self._audit_timer = asyncio.get_running_loop().call_later(_AUDIT_DELAY, self._audit_now)

    def _audit_now(self) -> None:
        self._audit_timer = None
        self.db.outbox_signal.set()

    # For the API.

    def place(self, unit: Unit) -> None:
        """Claims what can run at once, unless others wait for the same slots."""
        self.desk.place(unit)

    async def locked(self, tx: Transaction, run_id: str) -> Unit:
        """The run, locked and as it is now. Raises NotFound RUN_NOT_FOUND."""
        connection = await tx.raw()
        rows = (await hot.run(connection, [loading.lock_one_sql(run_id)]))[0]
        if not rows:
            raise runs_store.not_found(run_id)
        _, version, last_seq, now = rows[0]
        known = self.desk.cache.get(run_id, version)
        if known is None:
            known = (await self.plans.load(functools.partial(hot.run, connection), [run_id]))[run_id]
        return Unit(*known, version, last_seq, now)

    def commands(self, *units: Unit) -> list[hot.Command]:
        """What the units have to write, in the API's own transaction."""
        return write([unit for unit in units if unit.is_changed], self.timing.lease)

    async def bear(self, make: Make) -> Unit:
        """Writes the run that `make` makes, together with whatever else happens just then; it, once committed.

        Raises Unavailable when PostgreSQL is away, and what `make` raises.
        """
        return await self._committer.bear(make)

    def committed(self, unit: Unit) -> None:
        """The API's transaction was committed."""
        if unit.is_changed:
            self.desk.committed([unit])
            self._wake.set()

    def abandoned(self, unit: Unit) -> None:
        """The API's transaction was not."""
        self.desk.abandoned([unit])

    def cancel(self, run_id: str, reason: str) -> None:
        """Has a run cancelled, if it has not ended; returns before it is."""
        self._committer.submit(Transition(run_id, CancelRequested(reason)))

    def drain(self, worker_id: str, *, drained: bool) -> None:
        """It was recorded that a worker is drained, or is not any more: whoever it is connected to is told."""
        self.desk.drain(worker_id, drained=drained)
        self._publisher.drain(worker_id, drained=drained)

    async def facts(
        self, tx: Transaction, run: RunRecord, plan: Plan, steps: Mapping[str, StepRecord]
    ) -> Facts:
        """What ExplainRun has to know beside the run."""
        ready = {
            path: lane_of(planned)
            for path, one in steps.items()
            if one.status == StepStatus.READY and (planned := plan.find(path)) is not None
        }
        lanes = set(ready.values())
        workers = await workers_store.recent(tx) if lanes else []
        busy = await workers_store.busy(tx) if lanes else {}
        free = {one.id: max(0, one.slots - busy.get(one.id, 0)) for one in workers if not one.drained}
        slots = {
            lane: (
                sum(serves(one, lane) for one in workers if one.id in free),
                sum(free[one.id] for one in workers if one.id in free and serves(one, lane)),
            )
            for lane in lanes
        }
        waiting = not run.admitted and run.limit_key
        return Facts(
            tx.now,
            slots,
            await recovery_store.ready_counts(tx, lanes) if lanes else {},
            tuple(await limits.admitted(tx, run.limit_key)) if waiting else (),
            ready,
            await self._turns(tx, run, plan, steps),
            {lane: tuple(one.id for one in workers if one.drained and serves(one, lane)) for lane in lanes},
        )

    async def _turns(
        self, tx: Transaction, run: RunRecord, plan: Plan, steps: Mapping[str, StepRecord]
    ) -> dict[str, datetime | None]:
        """When the steps in queues of rate limits will probably be let through; None: when those before it were."""
        found: dict[str, datetime | None] = {}
        waiting = {
            path: one for path, one in steps.items() if one.gate.startswith(RATE) and one.due_at is None
        }
        for key in sorted({one.gate.removeprefix(RATE) for one in waiting.values()})[:_MOST_QUEUES]:
            free = await rates.next_free(tx, key)
            for path, before in (await rates.places(tx, key, run.id, _MOST_WAITING)).items():
                planned = plan.find(path)
                if path not in waiting or planned is None or planned.rate is None:
                    continue
                first = max(free, waiting[path].not_before or free)
                turn = max(
                    first, tx.now + before * planned.rate.interval, free + before * planned.rate.interval
                )
                found[path] = turn if first >= tx.now - _A_WHILE else None
        return found

    async def missing_kinds(self, kinds: set[str]) -> set[str]:
        """Those of the component types that no worker offers, here or on another replica, in whatever pool."""
        missing = kinds - self.sessions.kinds()
        if not missing:
            return missing
        async with self.db.read() as tx:
            others = await workers_store.recent(tx)
        return missing.difference(*(other.kinds for other in others))

    # For the work stream.

    async def attach(self, hello: worker_pb2.WorkerMessage.Hello) -> tuple[Session, list[Ref]]:
        """A session for the worker, and the attempts it holds that are not its own any more."""
        worker: WorkerRecord = work.worker(hello)
        holding = work.refs(hello.holding)
        async with self.db.begin(idempotent=False, audited=False) as tx:
            drained = await workers_store.put(tx, worker, VERSION)
            commands = [
                leases.renew_sql(worker.id, holding, self.timing.lease),
                leases.gone_sql(worker.id, holding),
            ]
            answers = await hot.run(await tx.raw(), commands)
            failpoints.reach("attach.before")
        failpoints.reach("attach.after")
        lost = leases.to_refs(answers[1])
        session = Session(dataclasses.replace(worker, drained=drained), set(holding) - set(lost))
        session.waits(work.refs(hello.waiting))
        return session, lost

    def begin(self, session: Session) -> None:
        """Lets the session take work."""
        self.sessions.add(session)
        self.desk.backlog.to_scan.update(session.worker.kinds)
        self._recovery.look_for_lanes()
        self._wake.set()
        log.info("a worker is connected", extra={"worker_id": session.id, "slots": session.worker.slots})

    def detach(self, session: Session) -> None:
        """The stream has ended. What the worker holds stays its own until the leases end."""
        self.sessions.remove(session)
        log.info("a worker's stream ended", extra={"worker_id": session.id, "held": len(session.held)})

    async def room(self, session: Session) -> None:
        """Returns when there is room for what a worker sends: a flood waits in the network, not in memory.

        While its words are not read, the worker is known to live by its stream alone, and its leases are renewed.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.timing.heartbeat.total_seconds()):
                    return await self._committer.room()
            self._lives(session)

    def receive(self, session: Session, message: worker_pb2.WorkerMessage) -> None:
        """Takes one message of a worker."""
        self._lives(session)
        match message.WhichOneof("message"):
            case "result":
                self._result(session, message.result)
            case "logs":
                self._lines(session, ingress.logs(message.logs))
            case "heartbeat":
                holding = work.refs(message.heartbeat.holding)
                session.heard(holding, message.heartbeat.assignments)
                self._renew(session, holding)
            case "progress":
                self._say(ingress.progress(message.progress))
            case "preview":
                self._say(ingress.preview(message.preview))
            case "waiting":
                session.waits([work.ref(message.waiting.ref)], waits=message.waiting.waits)
                self._wake.set()
            case "draining":
                session.draining = True
                self._renew(session, session.holding())

    def _lines(self, session: Session, lines: list[Utterance]) -> None:
        """Queues lines; each attempt's last of them is answered, which answers those before it as well."""
        for one in {line.ref: line for line in lines}.values():
            one.done = functools.partial(session.send, work.lines_ack(one.ref, one.said[-1].number))
        self._say(*lines)

    def _say(self, *said: Utterance) -> None:
        for one in said:
            if is_uuid(one.run_id):
                self._committer.submit(one)

    def _result(self, session: Session, message: worker_pb2.WorkerMessage.Result) -> None:
        ref = work.ref(message.ref)
        if not is_uuid(ref.run_id):
            session.send(work.ack(ref, accepted=False, reason="the run does not exist"))
        elif message.WhichOneof("outcome") == "output_artifact_id":
            task = asyncio.create_task(self._large_result(session, ref, message))
            self._looking_up.add(task)
            task.add_done_callback(self._looking_up.discard)
        else:
            self._ended(session, ref, ingress.result(message))

    async def _large_result(
        self, session: Session, ref: Ref, message: worker_pb2.WorkerMessage.Result
    ) -> None:
        """Makes a reference of what is recorded about an output, not of what a worker says."""
        while True:
            try:
                async with self.db.read() as tx:
                    record = await artifacts_store.output(tx, message.output_artifact_id, ref)
            except (DBAPIError, ServiceError, OSError) as error:
                log.warning("an output could not be looked up", extra={"error": type(error).__name__})
                await asyncio.sleep(_AGAIN)
            else:
                break
        if record is None:
            failure = Failure(ErrorKind.INTERNAL, "its output was not stored")
            self._ended(session, ref, Failed(ref, failure, limits=work.limits(message)))
            return
        reference = Reference(
            record.sha256,
            record.size_bytes,
            items=record.items or {},
            preview=record.preview,
            kinds=record.kinds or {},
        )
        event = Succeeded(ref, Payload.of(reference), work.limits(message), work.usage(message))
        self._ended(session, ref, event)

    def _ended(self, session: Session, ref: Ref, event: Succeeded | Failed) -> None:
        session.held.pop(ref, None)

        def done(rejected: Rejected | None) -> None:
            accepted = rejected is None or rejected.duplicate
            failpoints.reach("ack.before")
            session.send(work.ack(ref, accepted, "" if rejected is None else rejected.reason))
            failpoints.reach("ack.after")

        self._committer.submit(Transition(ref.run_id, event, done))

    def _lives(self, session: Session) -> None:
        """Whatever comes from a worker says that it lives, also while its own signs of it wait behind what it says."""
        session.heard_at = time.monotonic()
        if session.heard_at - session.renewed_at > _LATE * self.timing.heartbeat.total_seconds():
            self._renew(session, session.holding())

    def _renew(self, session: Session, holding: list[Ref]) -> None:
        session.renewed_at = time.monotonic()

        def gone(refs: list[Ref]) -> None:
            for one in refs:
                if one in session.held:  # not just reported on this very stream
                    session.held.pop(one, None)
                    session.send(work.cancel(one, "another attempt owns the step"))

        self._renewals.renew(Renewal(session.id, holding, session.draining, gone))
