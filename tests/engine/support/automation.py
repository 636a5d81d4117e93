"""Workflows that the engine computes by itself, and calls about schedules and triggers."""

import asyncio
from typing import Any

from chassis.ids import uuid7
from mcpanel.engine.v1 import engine_pb2, run_pb2, schedule_pb2, trigger_pb2
from mcpanel.registry.v1 import component_pb2, workflow_pb2
from tests.engine.conftest import Engine
from tests.engine.support.peers import Missing, Peers
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, as_caller

PUBLIC, PRIVATE = component_pb2.Definition.PUBLIC, component_pb2.Definition.PRIVATE


def quick(peers: Peers, name: str = "flow", **more: Any) -> workflow_pb2.Workflow:
    """A workflow that ends at once, without a worker: its output `got` is its input `n`."""
    passed = peers.registry.component("pass", kind=component_pb2.Definition.DATA)
    fields: dict[str, Any] = {"inputs": {"n": {"default": {"number_value": 0}}}, **more}
    step = {"id": "a", "component": passed, "with_": {"n": "${{ inputs.n }}"}}
    return peers.registry.workflow(step, name=name, outputs={"got": "${{ inputs.n }}"}, **fields)


def lacking(peers: Peers, id_: str, **fields: Any) -> None:
    """Lets a workflow or a component's version be made of something that its owner shares no more."""
    one = Missing(kind="DEFINITION", id=uuid7(), name="secret-step", lender_ids=[OTHER_EDITOR.id], **fields)
    peers.registry.missing[id_] = [one]


async def create(engine: Engine, caller: Any = EDITOR, **fields: Any) -> schedule_pb2.Schedule:
    """A schedule that fires daily unless told otherwise."""
    times: dict[str, Any] = {} if "interval" in fields else {"cron": {"expression": "@daily"}}
    schedule = schedule_pb2.Schedule(**{"name": "nightly", "workflow": "flow", **times, **fields})
    request = schedule_pb2.CreateScheduleRequest(schedule=schedule)
    return (await engine.stub.CreateSchedule(request, metadata=as_caller(caller))).schedule


async def get(engine: Engine, key: str = "nightly", caller: Any = ADMIN) -> schedule_pb2.Schedule:
    request = schedule_pb2.GetScheduleRequest(schedule_id=key)
    return (await engine.stub.GetSchedule(request, metadata=as_caller(caller))).schedule


async def get_trigger(engine: Engine, key: str, caller: Any = ADMIN) -> trigger_pb2.Trigger:
    request = trigger_pb2.GetTriggerRequest(trigger_id=key)
    return (await engine.stub.GetTrigger(request, metadata=as_caller(caller))).trigger


async def create_trigger(engine: Engine, caller: Any = EDITOR, **fields: Any) -> Any:
    """A trigger and its secret."""
    trigger = trigger_pb2.Trigger(**{"name": "hook", "workflow": "flow", **fields})
    request = trigger_pb2.CreateTriggerRequest(trigger=trigger)
    return await engine.stub.CreateTrigger(request, metadata=as_caller(caller))


async def runs(engine: Engine, filter_: str = "") -> list[run_pb2.Run]:
    """The runs that there are, the oldest first."""
    request = engine_pb2.ListRunsRequest(filter=filter_, page_size=1000)
    return list(reversed((await engine.stub.ListRuns(request, metadata=as_caller(ADMIN))).runs))


async def eventually(condition: Any, seconds: float = 10) -> Any:
    """What the awaited condition says once it is true."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found
