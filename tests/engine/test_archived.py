"""Workflows that were put away."""

from mcpanel.engine.v1 import engine_pb2
from mcpanel.registry.v1 import workflow_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.automation import create, eventually, get, quick, runs
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.test_schedules import missed
from tests.support.callers import EDITOR, as_caller

ARCHIVED, PUBLISHED = workflow_pb2.Workflow.ARCHIVED, workflow_pb2.Workflow.PUBLISHED


async def test_an_archived_workflow_starts_no_run_until_it_is_restored(engine: Engine, peers: Peers) -> None:
    flow = quick(peers)
    flow.status = ARCHIVED
    request = engine_pb2.StartRunRequest(workflow="flow")

    refusal = await refused(engine.stub.StartRun(request, metadata=as_caller(EDITOR)))
    flow.status = PUBLISHED
    started = await engine.stub.StartRun(request, metadata=as_caller(EDITOR))

    assert refusal.reason == "WORKFLOW_ARCHIVED"
    assert "set its status to PUBLISHED" in refusal.message
    assert [one.id for one in await runs(engine)] == [started.run.id]


async def test_a_schedule_of_an_archived_workflow_says_why_nothing_starts(
    engine: Engine, engines: Engines, peers: Peers
) -> None:
    flow = quick(peers)
    await create(engine)
    flow.status = ARCHIVED
    await missed(engines, "5 seconds")

    async def failed() -> str:
        return (await get(engine)).last_fire.error

    assert "is archived" in await eventually(failed)
    assert await runs(engine) == []
