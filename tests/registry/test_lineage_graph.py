"""What a version comes from and goes into, as a graph."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chassis import filtering
from chassis.config import Address, ServiceConfig
from chassis.context import current
from chassis.errors import Denied
from chassis.server import Server
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2
from mcpanel.registry.v1 import graph_pb2
from tests.registry.conftest import Start, World
from tests.registry.drawings import labels, node, sentences
from tests.registry.test_dependency_graph import around, leaf, saved
from tests.support.callers import EDITOR, OTHER_EDITOR, VIEWER, TestAuthenticator


@dataclass
class Engine(engine_pb2_grpc.EngineServiceServicer):
    """An engine with these runs; it keeps who asked, and what for."""

    runs: list[run_pb2.Run] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def ListRuns(  # the contract's name
        self, request: engine_pb2.ListRunsRequest, _: Any
    ) -> engine_pb2.ListRunsResponse:
        if current().caller.effective.id == VIEWER.id:
            raise Denied("PERMISSION_MISSING", "you lack the permission runs.read")
        filtering.parse(request.filter)
        self.asked.append((current().caller.effective.id, request.filter))
        found = [one for one in self.runs if one.workflow_id in request.filter]
        return engine_pb2.ListRunsResponse(
            runs=found[: request.page_size],
            next_page_token="more" if len(found) > request.page_size else "",
        )


@pytest.fixture(scope="module")
def engine() -> Engine:
    """What the engine knows."""
    return Engine()


@pytest.fixture(scope="module")
async def world(
    start: Start, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A registry that asks this engine; the tests share it and use names of their own."""
    folder: Path = tmp_path_factory.mktemp("lineage")
    address = f"unix:{folder}/engine"
    services = [(engine_pb2_grpc.add_EngineServiceServicer_to_server, engine)]
    peer = Server(ServiceConfig(listen=Address(address)), services, authenticator=TestAuthenticator())
    await peer.start()
    (folder / "key").write_text("registry-token")
    yield await start(MCPANEL_ENGINE_ADDRESS=address, MCPANEL_KEY_FILE=f"{folder}/key")
    await peer.stop(grace=0)


async def lineage(world: World, version_id: str, caller: Any = EDITOR, **fields: Any) -> Any:
    """The graph of a version."""
    request = graph_pb2.GetLineageGraphRequest(version_id=version_id, **fields)
    return await world.call("GetLineageGraph", request, caller)


def ran(number: int, workflow: Any, version: int = 1) -> run_pb2.Run:
    """A run of a workflow that succeeded."""
    return run_pb2.Run(
        id=f"0190a000-0000-7000-8000-{number:012d}",
        workflow_id=workflow.id,
        workflow_name=workflow.name,
        workflow_version=version,
        status="SUCCESS",
    )


async def test_each_version_supersedes_the_one_before_it(world: World) -> None:
    made = await world.definition()
    first = await world.version(made.id, "1.0.0")
    await world.version(made.id, "1.10.0")
    await world.version(made.id, "1.2.0")

    answer = await lineage(world, first.id)

    name = made.name
    assert answer.nodes[0].id == f"version:{first.id}"
    assert {f"{name}@1.10.0 supersedes {name}@1.2.0", f"{name}@1.2.0 supersedes {name}@1.0.0"} <= sentences(
        answer
    )
    assert labels(answer, "DEFINITION") == [name]
    assert not answer.truncated


async def test_every_version_of_a_workflow_that_runs_it_is_there_be_it_inside_another(world: World) -> None:
    made = await world.definition(visibility="PUBLIC")
    version = await world.version(made.id)
    inner = await world.workflow(leaf(world.name("inner"), made.name))
    outer = await world.workflow(around(world.name("outer"), inner.name))
    await saved(world, inner.name, leaf(inner.name, await world.component()))

    answer = await lineage(world, version.id)

    assert sentences(answer) == {
        f"{made.name}@1.0.0 is of {made.name}",
        f"{inner.name} runs {made.name}@1.0.0",
        f"{outer.name} runs {inner.name}",
    }
    assert node(answer, inner.name).id == f"workflow:{inner.id}@1"


async def test_workflows_that_the_caller_may_not_see_are_counted_and_no_more(world: World) -> None:
    made = await world.definition(visibility="PUBLIC")
    version = await world.version(made.id)
    inner = await world.workflow(leaf(world.name("inner"), made.name).replace("PUBLIC", "PRIVATE"))
    outer = await world.workflow(around(world.name("outer"), inner.name))

    answer = await lineage(world, version.id, OTHER_EDITOR)

    assert answer.hidden_workflow_versions == 1
    assert labels(answer, "WORKFLOW") == [outer.name]
    assert f"{outer.name} runs inside {made.name}@1.0.0" in sentences(answer)
    assert inner.name not in str(answer)


async def test_the_newest_runs_are_those_that_the_caller_is_told_of_by_the_engine(
    world: World, engine: Engine
) -> None:
    made = await world.definition(visibility="PUBLIC")
    version = await world.version(made.id)
    flow = await world.workflow(leaf(world.name("flow"), made.name))
    engine.runs = [ran(number, flow) for number in (3, 2, 1)]

    answer = await lineage(world, version.id, OTHER_EDITOR, max_runs=2)

    runs = [one for one in answer.nodes if one.type == graph_pb2.GraphNode.RUN]
    assert [(one.data.resource_id[-1], one.data.status) for one in runs] == [
        ("3", "SUCCESS"),
        ("2", "SUCCESS"),
    ]
    assert f"{flow.name} ran {flow.name}" in sentences(answer)
    assert answer.truncated
    assert engine.asked[-1] == (
        OTHER_EDITOR.id,
        f'(workflow_id = "{flow.id}" AND workflow_version = 1)',
    )


async def test_no_filter_is_longer_than_the_engine_takes(world: World, engine: Engine) -> None:
    made = await world.definition(visibility="PUBLIC")
    version = await world.version(made.id)
    name = world.name("flow")
    await world.workflow(leaf(name, made.name))
    for number in range(15):
        await saved(world, name, leaf(name, made.name) + f"priority: {number + 1}\n")
    engine.asked.clear()

    await lineage(world, version.id)

    filters = [asked for _, asked in engine.asked]
    assert len(filters) == 2
    assert all(len(one) <= 1024 for one in filters)
    assert all(f"workflow_version = {number})" in "".join(filters) for number in range(1, 17))


async def test_without_the_engine_the_graph_says_so_and_has_all_else(world: World, start: Start) -> None:
    made = await world.definition(visibility="PUBLIC")
    version = await world.version(made.id)
    flow = await world.workflow(leaf(world.name("flow"), made.name))
    alone = await start(database_url=world.database_url)

    away, denied = await lineage(alone, version.id), await lineage(world, version.id, VIEWER)

    assert away.runs_unavailable == "the engine does not answer; ask again for the runs"
    assert "runs.read" in denied.runs_unavailable
    assert labels(away, "WORKFLOW") == labels(denied, "WORKFLOW") == [flow.name]


async def test_a_version_that_the_caller_may_not_see_has_no_lineage(world: World) -> None:
    made = await world.definition()
    version = await world.version(made.id)

    hidden = await world.refused(
        "GetLineageGraph", graph_pb2.GetLineageGraphRequest(version_id=version.id), OTHER_EDITOR
    )
    wrong = await world.refused(
        "GetLineageGraph", graph_pb2.GetLineageGraphRequest(version_id=version.id, max_runs=101)
    )

    assert (hidden.reason, wrong.reason) == ("VERSION_NOT_FOUND", "INVALID_FIELD")


async def test_nothing_runs_what_no_workflow_names(world: World, engine: Engine) -> None:
    made = await world.definition()
    version = await world.version(made.id)
    engine.asked.clear()

    answer = await lineage(world, version.id)

    assert labels(answer, "WORKFLOW") == []
    assert not engine.asked
