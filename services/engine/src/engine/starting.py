"""New runs: what they are to be, whether they may be, and the transaction that makes them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from chassis import contracts, outbox
from chassis.context import Call, current, use
from chassis.database import Transaction
from chassis.errors import AlreadyExists, Denied, Exhausted, Precondition
from chassis.ids import uuid7
from chassis.jsonvalue import Json
from engine import inputs, machine
from engine.catalogue import Catalogue, Prepared
from engine.dispatch.dispatcher import Dispatcher
from engine.dispatch.unit import Unit
from engine.domain import Budget, Payload
from engine.lending import Lending
from engine.quotas import Quota
from engine.records import RunInfo, RunRecord
from engine.state import CancelRequested, Copy
from engine.store import hot, limits
from engine.store import runs as store
from engine.store.runs import Reader
from engine.words import counted

_SHOWN_INPUTS: Final = 4096
_LONGEST_AGENT: Final = 256
NOBODY: Final = Reader("")
_CANCEL: Final = "mcpanel.engine.v1.EngineService/CancelRun"
"""Whose rule says who may cancel the run that has the key, and what the action log calls it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A run that somebody wants."""

    prepared: Prepared
    inputs: Payload
    start_at: datetime | None = None
    priority: int | None = None
    run_key: str = ""
    on_conflict: str = "refuse"
    on_reuse: str = "allow"
    reader: Reader = NOBODY
    """With a `run_key`: who wants the run, as somebody who may see and steer the one that has the key."""
    rerun_of: str | None = None
    rerun_from: tuple[str, ...] = ()
    triggered_by: str = ""
    counts: bool = True
    """Whether it counts against what the user may have."""
    budget: Budget | None = None
    """What each attempt may use of language models, at most."""
    copies: Mapping[str, Copy] = field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether no other run has a say in whether it starts."""
        return not self.run_key and self.prepared.concurrency is None


@dataclass(frozen=True, slots=True)
class Started:
    """What became of a wish: a new run, with the runs that make way for it; or one that exists."""

    units: tuple[Unit, ...] = ()
    """The new run first."""
    existing: RunRecord | None = None


class Starter:
    """Starts runs, for whoever asks: callers, schedules, webhooks, other runs."""

    def __init__(self, catalogue: Catalogue, lending: Lending, dispatcher: Dispatcher, quota: Quota) -> None:
        self._catalogue = catalogue
        self._lending = lending
        self._dispatcher = dispatcher
        self._quota = quota

    def is_plain(self, wish: Wish) -> bool:
        """Whether no other run has a say in whether it starts."""
        return wish.is_plain and not self._quota.is_set

    async def prepare(
        self, workflow: str, version: int, given: Mapping[str, Json]
    ) -> tuple[Prepared, Payload]:
        """The workflow, ready to run, and the run's inputs; asks the registry where that is not known yet.

        A type that no worker offers is a mistake more often than a matter of time. Pools, labels and resources are
        waited for, and so is the worker of a step that says how long.

        Raises NotFound WORKFLOW_NOT_FOUND, Invalid RUN_INPUT_INVALID, Precondition NO_WORKER_FOR_TYPE and
        PARTS_NOT_SHARED.
        """
        return await self.runnable(await self.described(workflow, version), given)

    async def prepare_test(
        self, version_id: str, given: Mapping[str, Json], limit: timedelta | None = None
    ) -> tuple[Prepared, Payload]:
        """A component's version alone, ready to run up to a `limit`, and the run's inputs.

        Raises NotFound VERSION_NOT_FOUND, Invalid RUN_INPUT_INVALID, Precondition NO_WORKER_FOR_TYPE and
        PARTS_NOT_SHARED.
        """
        return await self.runnable(await self._catalogue.prepare_version(version_id, given, limit), given)

    async def prepare_call(self, version_id: str, given: Mapping[str, Json]) -> tuple[Prepared, Payload]:
        """Like `prepare_test`, for a version that a run calls: whoever may run that may run all it is made of."""
        return await self.runnable(await self._catalogue.prepare_part(version_id, given), given)

    async def runnable(self, prepared: Prepared, given: Mapping[str, Json]) -> tuple[Prepared, Payload]:
        """What was `described`, and a run's inputs. Raises like `prepare`."""
        payload = inputs.resolve(prepared.declared, given, prepared.kind, prepared.takes)
        await self._lending.check(prepared)
        kinds = {
            step.kind
            for step in prepared.plan.leaves
            if not step.in_engine and step.version_id and step.waiting_timeout is None
        }
        if missing := await self._dispatcher.missing_kinds(kinds):
            names = ", ".join(sorted(missing))
            raise Precondition(
                "NO_WORKER_FOR_TYPE",
                f"no connected worker runs components of type {names}; connect one that does (GET /api/v1/workers "
                "lists those there are), or say in the step's waiting_timeout how long to wait for one",
                metadata={"types": names},
                resource=("workflow", prepared.name),
            )
        return prepared, payload

    async def checked(
        self, workflow: str, version: int, given: Mapping[str, Json]
    ) -> tuple[Prepared, Payload]:
        """Like `prepare`, for a run that is to start later: no worker need be there yet."""
        prepared = await self.described(workflow, version)
        payload = inputs.resolve(prepared.declared, given, prepared.kind, prepared.takes)
        await self._lending.check(prepared)
        return prepared, payload

    async def described(self, workflow: str, version: int) -> Prepared:
        """The workflow, as the registry tells the current caller. Raises NotFound WORKFLOW_NOT_FOUND."""
        return await self._catalogue.prepare(workflow, version)

    async def add(self, tx: Transaction, wish: Wish) -> Started:
        """Writes the run, unless there is one already that is as good. Call `committed` or `abandoned` after it.

        Raises AlreadyExists RUN_EXISTS, naming the run that has the key to who may see it, Denied PERMISSION_MISSING
        and NOT_GRANTED when it would have to be cancelled by who may not, Exhausted CONCURRENCY_LIMIT, naming a run
        that is in the way, and Exhausted RUN_QUOTA_EXCEEDED.
        """
        user_id = current().caller.effective.id
        if self._quota.is_set and wish.counts:  # first: whoever decides for the user decides alone
            await limits.lock(tx, f"quota:{user_id}")
        existing, in_the_way = await self._by_key(tx, wish)
        if existing is not None:
            return Started(existing=existing)
        if wish.counts:
            await self._within_quota(tx, user_id)
        limit_key, admitted, oldest = await self._under_limit(tx, wish)
        unit = self._new(tx.now, wish, limit_key, admitted=admitted)
        reason = f"run '{unit.info.id}' takes its place"
        replaced = [
            await self._cancelled(tx, run_id, reason) for run_id in dict.fromkeys([*in_the_way, *oldest])
        ]
        records = [_replaced_sql(tx.now, one, unit.info.id, reason) for one in replaced if one.is_changed]
        started = Started((unit, *replaced))
        try:
            self._dispatcher.place(unit)
            commands = [
                *self._ingredients(wish.prepared),
                *self._dispatcher.commands(*started.units),
                _audit_sql(tx.now, unit),
                *records,
            ]
            await hot.run(await tx.raw(), commands)
            tx.outboxed += 1 + len(records)
            outbox.covered(tx)
        except BaseException:
            self.abandoned(started)
            raise
        return started

    async def together(self, wish: Wish) -> Started:
        """Writes the run in one transaction with whatever else happens just then. Only for one that `is_plain`.

        Raises Unavailable when PostgreSQL is away.
        """
        call = current()

        def make(now: datetime) -> tuple[Unit, Sequence[hot.Command]]:
            with use(call):
                unit = self._new(now, wish, "", admitted=True)
                return unit, [*self._ingredients(wish.prepared), _audit_sql(now, unit)]

        unit = await self._dispatcher.bear(make)
        call.audited = True
        self._dispatcher.plans.stored(unit.state.plan.digest)
        return Started((unit,))

    def committed(self, started: Started) -> None:
        """The transaction was committed."""
        for unit in started.units:
            self._dispatcher.committed(unit)
        if started.units:
            self._dispatcher.plans.stored(started.units[0].state.plan.digest)

    def abandoned(self, started: Started) -> None:
        """The transaction was not."""
        for unit in started.units:
            self._dispatcher.abandoned(unit)

    async def _by_key(self, tx: Transaction, wish: Wish) -> tuple[RunRecord | None, list[str]]:
        """The run to answer with, if one has the caller's key already, and those that have to make way."""
        if not wish.run_key:
            return None, []
        await limits.lock(tx, f"run:{wish.prepared.workflow_id}:{wish.run_key}")
        live, ended = await limits.with_key(tx, wish.prepared.workflow_id, wish.run_key, wish.reader)
        if live is not None:
            if live.is_seen and wish.on_conflict == "use_existing":
                return await store.get(tx, live.id, wish.reader), []
            if live.is_seen and wish.on_conflict == "cancel_existing":
                _require_cancel(live)
                await store.require_steered(tx, live.id, wish.reader)
                return None, [live.id]
            raise _exists(wish, live, "on_conflict: use_existing or cancel_existing would accept that")
        refused = wish.on_reuse == "refuse" or (
            wish.on_reuse == "allow_failed" and ended is not None and ended.status == "SUCCESS"
        )
        if ended is not None and refused:
            raise _exists(wish, ended, "use another key")
        return None, []

    async def _within_quota(self, tx: Transaction, user_id: str) -> None:
        quota = self._quota
        if quota.active > 0:
            quota.check_active(user_id, await limits.active_of(tx, user_id))
        if quota.hourly > 0:
            first = await limits.newest_of(tx, user_id, quota.hourly - 1)
            quota.check_hourly(user_id, first, tx.now)

    async def _under_limit(self, tx: Transaction, wish: Wish) -> tuple[str, bool, list[str]]:
        """The run's concurrency key, whether it has a place under the limit, and who has to make way for it."""
        limit = wish.prepared.concurrency
        if limit is None:
            return "", True, []
        key = limit.key_for(wish.prepared.name, wish.inputs)
        await limits.lock(tx, f"limit:{key}")
        admitted = await limits.admitted(tx, key)
        if len(admitted) < limit.limit:
            return key, True, []
        if limit.policy == "drop_new":
            raise Exhausted(
                "CONCURRENCY_LIMIT",
                f"{counted(len(admitted), 'run')} of '{key}' {'is' if len(admitted) == 1 else 'are'} running, "
                "as many as may at once",
                metadata={"concurrency_key": key, "run_id": admitted[0]},
                resource=("workflow", wish.prepared.name),
            )
        return key, False, admitted[:1] if limit.policy == "cancel_running" else []

    async def _cancelled(self, tx: Transaction, run_id: str, reason: str) -> Unit:
        unit = await self._dispatcher.locked(tx, run_id)
        unit.apply(CancelRequested(reason))
        return unit

    def _new(self, now: datetime, wish: Wish, limit_key: str, *, admitted: bool) -> Unit:
        caller, call, prepared = current().caller.effective, current(), wish.prepared
        limit = prepared.concurrency
        info = RunInfo(
            id=uuid7(now),
            workflow_id=prepared.workflow_id,
            workflow_name=prepared.name,
            workflow_version=prepared.version,
            is_public=prepared.is_public,
            owner_id=prepared.owner_id,
            started_by=caller.id,
            started_by_kind=caller.kind,
            started_by_name=caller.name,
            started_through=_through(call),
            trace_id=call.trace_id,
            priority=prepared.priority if wish.priority is None else wish.priority,
            limit_count=0 if limit is None else limit.limit,
            rerun_of=wish.rerun_of,
            rerun_from=wish.rerun_from,
            triggered_by=wish.triggered_by,
            run_key=wish.run_key,
            budget=None if wish.budget is None else asdict(wish.budget),
        )
        state = machine.create(
            info.id,
            prepared.plan,
            wish.inputs,
            now,
            owner_id=info.owner_id,
            start_at=wish.start_at if wish.start_at is not None and wish.start_at > now else None,
            limit_key=limit_key,
            admitted=admitted,
            copies=wish.copies,
        )
        return Unit.create(info, state, now)

    def _ingredients(self, prepared: Prepared) -> list[hot.Command]:
        """What the run is made of, where the database does not have it yet."""
        if self._dispatcher.plans.is_stored(prepared.plan.digest):
            return []
        versions = [hot.version_sql(one.id, one.SerializeToString()) for one in prepared.versions]
        return [hot.plan_sql(prepared.plan.digest, prepared.body), *versions]


def _through(call: Call) -> dict[str, str]:
    """By what means the caller came, as audit's Actor and Record name them; what is not known is left out."""
    who = call.caller.effective
    found = {
        "api_key_id": who.credential_id if who.kind == "api_key" else "",
        "session_id": who.session_id,
        "client_address": call.client_address,
        "user_agent": call.user_agent.replace("\x00", "")[:_LONGEST_AGENT],
        "request_id": call.request_id,
    }
    return {name: value for name, value in found.items() if value}


def _require_cancel(run: limits.Keyed) -> None:
    """Returns when the caller may cancel runs. Raises Denied PERMISSION_MISSING, as CancelRun does."""
    permission = contracts.rules()[_CANCEL].permission
    if not current().caller.may(permission):
        raise Denied(
            "PERMISSION_MISSING",
            f"to cancel run '{run.id}', which has the key, needs the permission {permission}; use another key, or "
            "on_conflict: use_existing",
            metadata={"permission": permission},
            resource=("run", run.id),
        )


def _exists(wish: Wish, run: limits.Keyed, fix: str) -> AlreadyExists:
    if not run.is_seen:
        return AlreadyExists(
            "RUN_EXISTS",
            f"a run that you may not see has the key '{wish.run_key}' of '{wish.prepared.name}'; use another key",
            resource=("workflow", wish.prepared.name),
        )
    return AlreadyExists(
        "RUN_EXISTS",
        f"run '{run.id}' of '{wish.prepared.name}' has the key '{wish.run_key}' and is {run.status}; {fix}",
        metadata={"run_id": run.id, "status": run.status},
        resource=("run", run.id),
    )


def _audit_sql(now: datetime, unit: Unit) -> hot.Command:
    """The audit record of a new run; in the same round trip as the run."""
    details: dict[str, Json] = {"new": outbox.masked(_facts(unit))}
    entity = ("run", unit.info.id)
    return hot.outbox_sql(outbox.record(current().action, now, current(), entity=entity, details=details))


def _replaced_sql(now: datetime, unit: Unit, replaced_by: str, reason: str) -> hot.Command:
    """The audit record of a run that makes way for a new one: whoever wants that one has cancelled it."""
    details: dict[str, Json] = {
        "old": {"status": unit.old.status.value},
        "new": {"status": unit.state.status.value},
        "reason": reason,
        "replaced_by": replaced_by,
    }
    action, entity = str(contracts.rules()[_CANCEL].audit), ("run", unit.info.id)
    return hot.outbox_sql(outbox.record(action, now, current(), entity=entity, details=details))


def _facts(unit: Unit) -> dict[str, Any]:
    """What the action log says of a new run."""
    given = unit.state.inputs
    shown = given.value if len(given.raw) <= _SHOWN_INPUTS else f"{len(given.raw)} bytes"
    facts = {
        "workflow_id": unit.info.workflow_id,
        "workflow": unit.info.workflow_name,
        "workflow_version": unit.info.workflow_version,
        "inputs": shown,
        "rerun_of": unit.info.rerun_of,
        "triggered_by": unit.info.triggered_by,
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}
