"""What the servicer's parts share: what they work with, and who the caller is to a run."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import grpc.aio

from chassis import jsonvalue
from chassis.context import current
from chassis.database import Database, Transaction
from chassis.errors import ServiceError
from engine import machine
from engine.artifacts import ArtifactStore
from engine.catalogue import Prepared
from engine.deciding import Decider
from engine.dispatch.dispatcher import Dispatcher
from engine.dispatch.unit import Unit
from engine.domain import RunStatus
from engine.feed import Feed
from engine.firing import Firing
from engine.outline import Entry, outline
from engine.owners import Owners
from engine.plan import Plan
from engine.reach import Reach
from engine.receiving import Receiving
from engine.records import NOTHING, Given, RunRecord
from engine.standing import Standing
from engine.starting import Starter
from engine.store import runs as store
from engine.store.runs import Reader
from engine.watch import Watcher
from engine.wire import runs as run_wire

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Automation:
    """What starts runs that nobody asks for just now."""

    owners: Owners
    firing: Firing
    receiving: Receiving


def _reader(given: Given) -> Reader:
    """The caller, as a reader with whom this is shared."""
    call = current()
    caller = call.caller.effective
    only = str(caller.claims.get("run_id", ""))
    return Reader(None, only=only) if call.may_others() else Reader(caller.id, given, only)


class Watchers(NamedTuple):
    """Who serves streams of events and of runs."""

    of_one: Watcher
    of_many: Feed


class Base:
    """What every part of the servicer works with."""

    def __init__(
        self,
        db: Database,
        starter: Starter,
        dispatcher: Dispatcher,
        watchers: Watchers,
        files: ArtifactStore,
        *,
        automation: Automation,
        reach: Reach,
    ) -> None:
        self.db = db
        self.reach = reach
        self.starter = starter
        self.dispatcher = dispatcher
        self.watcher = watchers.of_one
        self.feed = watchers.of_many
        self.files = files
        self.owners = automation.owners
        self.firing = automation.firing
        self.receiving = automation.receiving

    async def reader(self) -> Reader:
        """The caller, as a reader. Asked before a transaction begins.

        While the registry does not answer, what is shared with them is not there.
        """
        try:
            return await self.known_reader()
        except ServiceError as error:
            log.warning("what is shared with a caller is not known", extra={"error": error.reason})
            return _reader(NOTHING)

    async def known_reader(self) -> Reader:
        """The caller, as a reader. Raises Unavailable when the registry does not say what is shared with them."""
        call = current()
        caller = call.caller.effective
        asks = bool(caller.id) and not call.may_others()
        return _reader(await self.reach.of(caller) if asks else NOTHING)

    async def plan(self, tx: Transaction, run: RunRecord) -> Plan:
        """What the run runs."""
        plans = self.dispatcher.plans
        return plans.known(run.plan) or plans.compiled(await store.plan_body(tx, run.plan), run.plan)

    async def entries(self, tx: Transaction, run: RunRecord, known: Collection[str]) -> list[Entry]:
        """The run's steps in order, given the paths of those on record; none when they are not kept any more."""
        if not known and run.steps_ended and RunStatus(run.status).ended:
            return []
        return outline(await self.plan(tx, run), known)

    async def repeated(self) -> None:
        """Answers a repeated request as before, whatever has changed since; else does nothing."""
        if current().request_id:
            async with self.db.begin():
                pass

    async def workflow(self, workflow: str, version: int) -> Prepared:
        """The workflow as the caller may know it. Raises NotFound WORKFLOW_NOT_FOUND."""
        try:
            return await self.starter.described(workflow, version)
        except ServiceError:
            await self.repeated()
            raise

    async def destination(self, workflow: str, version: int) -> dict[str, Any]:
        """The columns that name what a trigger starts. Raises like `workflow`."""
        return _columns(await self.workflow(workflow, version))

    async def target(self, workflow: str, version: int, inputs: bytes) -> dict[str, Any]:
        """The columns that name what a schedule starts, its inputs checked. Raises also Invalid RUN_INPUT_INVALID."""
        try:
            prepared, _ = await self.starter.checked(workflow, version, jsonvalue.parse_object(inputs))
        except ServiceError:
            await self.repeated()
            raise
        return _columns(prepared)


def _columns(prepared: Prepared) -> dict[str, Any]:
    return {
        "workflow_id": prepared.workflow_id,
        "workflow_name": prepared.name,
        "is_public": prepared.is_public,
        "workflow_owner_id": prepared.owner_id,
    }


def mine() -> dict[str, Any]:
    """The columns that say on whose behalf something acts: the caller's."""
    call = current()
    return {"owner_id": call.caller.effective.id, "owner_is_admin": call.may_others()}


def may_change(one: Standing, kind: str, etag: str) -> None:
    """Raises Denied NOT_THE_OWNER, and Conflict ETAG_MISMATCH when somebody changed it since the caller read it."""
    call = current()
    one.check_owner(call.caller.effective.id, kind, privileged=call.may_others())
    one.check_etag(etag, kind)


def decider() -> Decider:
    """The caller, as somebody who might decide about steps."""
    call = current()
    return Decider.of(call.caller, is_privileged=call.may_others())


def live(runs: list[RunRecord]) -> list[RunRecord]:
    """Those that have not ended."""
    return [one for one in runs if not RunStatus(one.status).ended]


def waits(unit: Unit) -> str:
    """What the unit's run waits for."""
    return machine.waiting_for(unit.state, unit.now)


def record(unit: Unit) -> RunRecord:
    """The record of a unit's run."""
    return run_wire.record_of(unit.info, unit.state, unit.last_seq, unit.now)
