"""What the servicer's parts share: what they work with, and who the caller is to a run."""

from typing import Any, Final, NamedTuple

import grpc.aio

from chassis.context import Caller, current
from chassis.database import Database, Transaction
from engine import machine
from engine.artifacts import ArtifactStore
from engine.dispatch.dispatcher import Dispatcher
from engine.dispatch.unit import Unit
from engine.domain import RunStatus
from engine.feed import Feed
from engine.plan import Plan
from engine.records import RunRecord
from engine.starting import Starter
from engine.store import runs as store
from engine.store.runs import Reader
from engine.watch import Watcher
from engine.wire import runs as run_wire

Context = grpc.aio.ServicerContext[Any, Any]
_ADMIN: Final = "Admin"


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
    ) -> None:
        self.db = db
        self.starter = starter
        self.dispatcher = dispatcher
        self.watcher = watchers.of_one
        self.feed = watchers.of_many
        self.files = files

    async def plan(self, tx: Transaction, run: RunRecord) -> Plan:
        """What the run runs."""
        plans = self.dispatcher.plans
        return plans.known(run.plan) or plans.compiled(await store.plan_body(tx, run.plan), run.plan)


def is_privileged(caller: Caller) -> bool:
    """Administrators and the suite's own services see every run and may decide everything."""
    return caller.kind == "service" or _ADMIN in caller.roles


def reader() -> Reader:
    """The caller, as a reader of runs."""
    caller = current().caller.effective
    return Reader(None if is_privileged(caller) else caller.id)


def live(runs: list[RunRecord]) -> list[RunRecord]:
    """Those that have not ended."""
    return [one for one in runs if not RunStatus(one.status).ended]


def waits(unit: Unit) -> str:
    """What the unit's run waits for."""
    return machine.waiting_for(unit.state, unit.now)


def record(unit: Unit) -> RunRecord:
    """The record of a unit's run."""
    return run_wire.record_of(unit.info, unit.state, unit.last_seq, unit.now)
