"""What a workflow is made of, as a graph."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chassis.config import Address, ServiceConfig
from chassis.server import Server
from mcpanel.registry.v1 import graph_pb2, workflow_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import Sources, Start, World
from tests.registry.drawings import labels, node, sentences, states
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, TestAuthenticator

SALES, LOST = "0190a000-0000-7000-8000-00000000000a", "0190a000-0000-7000-8000-00000000000b"
KEY = "0190a000-0000-7000-8000-00000000000c"


@pytest.fixture(scope="module")
def sources() -> Sources:
    """What the data sources' service knows."""
    return Sources({"sales": SALES, "lost": LOST}, {"key": KEY})


@pytest.fixture(scope="module")
async def world(
    start: Start, sources: Sources, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A registry that asks these sources; the tests share it and use names of their own."""
    folder: Path = tmp_path_factory.mktemp("graphs")
    address = f"unix:{folder}/ds"
    peer = Server(ServiceConfig(listen=Address(address)), sources.services, authenticator=TestAuthenticator())
    await peer.start()
    (folder / "key").write_text("registry-token")
    yield await start(MCPANEL_DATASOURCES_ADDRESS=address, MCPANEL_KEY_FILE=f"{folder}/key")
    await peer.stop(grace=0)


async def graph(world: World, workflow: str, caller: Any = EDITOR, version: int = 0) -> Any:
    """The graph of a workflow."""
    request = graph_pb2.GetWorkflowDependencyGraphRequest(workflow_id=workflow, version=version)
    return await world.call("GetWorkflowDependencyGraph", request, caller)


def around(name: str, *inner: str) -> str:
    """A public workflow that runs others."""
    steps = "".join(f"  - {{id: s{number}, workflow: {one}}}\n" for number, one in enumerate(inner))
    return f"name: {name}\nvisibility: PUBLIC\nsteps:\n{steps}"


def leaf(name: str, *components: str) -> str:
    """A public workflow of components, none of which needs another."""
    steps = "".join(
        f"  - {{id: c{number}, component: {one}, with: {{city: x}}}}\n"
        for number, one in enumerate(components)
    )
    return f"name: {name}\nvisibility: PUBLIC\nsteps:\n{steps}"


async def saved(world: World, name: str, source: str) -> workflow_pb2.Workflow:
    """The workflow after an update."""
    answer = await world.call("UpdateWorkflow", pb.UpdateWorkflowRequest(workflow_id=name, source=source))
    found: workflow_pb2.Workflow = answer.workflow
    return found


async def test_it_says_what_runs_what_and_what_flows_where(world: World) -> None:
    reader = await world.component("reader", data_source_ids=["sales"], secret_ids=["key"])
    plain = await world.component("plain")
    name = world.name("flow")
    steps = (
        f"  - {{id: read, component: {reader}@1, with: {{city: x}}}}\n"
        f'  - {{id: sum, component: {plain}, with: {{city: "${{{{ string(steps.read.output) }}}}"}}}}\n'
        f"  - {{id: last, component: {plain}, needs: [sum], with: {{city: x}}}}\n"
    )
    made = await world.workflow(f"name: {name}\nsteps:\n{steps}")

    answer = await graph(world, name)

    assert (answer.nodes[0].id, answer.nodes[0].data.resource_id) == (f"workflow:{made.id}@1", made.id)
    assert labels(answer, "STEP") == ["last", "read", "sum"]
    assert set(states(answer).values()) == {"PRESENT"}
    assert sentences(answer) == {
        *(f"{name} has {step}" for step in ("read", "sum", "last")),
        "read feeds sum",
        "sum before last",
        f"read runs {reader}@1.0.0",
        f"sum runs {plain}@1.0.0",
        f"last runs {plain}@1.0.0",
        f"{reader}@1.0.0 is of {reader}",
        f"{plain}@1.0.0 is of {plain}",
        f"{reader}@1.0.0 reads sales",
        f"{reader}@1.0.0 uses key",
    }
    assert not answer.cycles


async def test_every_edge_leads_to_the_right_and_no_two_nodes_lie_on_each_other(world: World) -> None:
    inner = await world.workflow(leaf(world.name("inner"), await world.component(), await world.component()))
    outer = await world.workflow(around(world.name("outer"), inner.name, inner.name))

    answer = await graph(world, outer.name)

    places = {one.id: (one.position.x, one.position.y) for one in answer.nodes}
    assert len(set(places.values())) == len(places)
    assert all(places[one.source][0] < places[one.target][0] for one in answer.edges)
    assert len({one.id for one in answer.edges}) == len(answer.edges)


async def test_the_ids_are_the_same_in_every_answer(world: World) -> None:
    made = await world.workflow(leaf(world.name("flow"), await world.component()))

    first, second = await graph(world, made.id), await graph(world, made.name)

    assert first == second


async def test_what_lies_inside_is_shown_too_and_an_older_version_when_it_is_asked_for(world: World) -> None:
    component = await world.component()
    inner = await world.workflow(leaf(world.name("inner"), component))
    outer = await world.workflow(around(world.name("outer"), inner.name))
    await saved(world, outer.name, leaf(outer.name, component))

    newest, older = await graph(world, outer.name), await graph(world, outer.name, version=1)
    refused = await world.refused(
        "GetWorkflowDependencyGraph",
        graph_pb2.GetWorkflowDependencyGraphRequest(workflow_id=outer.id, version=3),
    )

    assert labels(newest, "WORKFLOW") == [outer.name]
    assert {f"s0 runs {inner.name}", f"{inner.name} has c0", f"c0 runs {component}@1.0.0"} <= sentences(older)
    assert refused.reason == "WORKFLOW_NOT_FOUND"


async def test_what_was_deleted_is_named_as_missing_and_nothing_else_is_known_of_it(world: World) -> None:
    lost, kept = await world.component("lost"), await world.component("kept")
    inner = await world.workflow(leaf(world.name("inner"), kept))
    flow = await world.workflow(leaf(world.name("flow"), lost) + f"  - {{id: s, workflow: {inner.name}}}\n")
    await saved(world, flow.name, leaf(flow.name, kept))
    await world.call("DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=lost), ADMIN)
    await world.call("DeleteWorkflow", pb.DeleteWorkflowRequest(workflow_id=inner.id), ADMIN)

    answer = await graph(world, flow.name, version=1)

    assert states(answer) == {
        f"WORKFLOW {flow.name}": "PRESENT",
        f"VERSION {lost}@1.0.0": "MISSING",
        f"DEFINITION {lost}": "MISSING",
        f"WORKFLOW {inner.name}@1": "MISSING",
    }
    assert not node(answer, lost).data.resource_id


async def test_what_the_caller_may_not_see_is_named_as_hidden_and_not_looked_into(world: World) -> None:
    secret = (await world.definition(name=world.name("secret"))).name
    await world.version(secret, data_source_ids=["sales"])
    inner = await world.workflow(leaf(world.name("inner"), secret).replace("PUBLIC", "PRIVATE"))
    flow = await world.workflow(leaf(world.name("flow"), secret) + f"  - {{id: s, workflow: {inner.name}}}\n")

    theirs, own = await graph(world, flow.name, OTHER_EDITOR), await graph(world, flow.name)

    assert states(theirs) == {
        f"WORKFLOW {flow.name}": "PRESENT",
        f"VERSION {secret}@1.0.0": "HIDDEN",
        f"DEFINITION {secret}": "HIDDEN",
        f"WORKFLOW {inner.name}@1": "HIDDEN",
    }
    assert "PYTHON_SCRIPT" not in str(theirs)
    assert "sales" not in str(theirs)
    assert set(states(own).values()) == {"PRESENT"}


async def test_a_private_workflow_has_no_graph_for_others(world: World) -> None:
    made = await world.workflow(
        leaf(world.name("flow"), await world.component()).replace("PUBLIC", "PRIVATE")
    )

    refused = await world.refused(
        "GetWorkflowDependencyGraph",
        graph_pb2.GetWorkflowDependencyGraphRequest(workflow_id=made.id),
        OTHER_EDITOR,
    )

    assert refused.reason == "WORKFLOW_NOT_FOUND"


async def test_a_data_source_that_is_gone_is_missing_and_unknown_when_nobody_can_say(
    world: World, start: Start, sources: Sources
) -> None:
    reader = await world.component("reader", data_source_ids=["lost", "sales"], secret_ids=["key"])
    made = await world.workflow(leaf(world.name("flow"), reader))
    alone = await start(database_url=world.database_url)

    del sources.ids["lost"]
    gone, silent = await graph(world, made.id), await graph(alone, made.id)
    sources.ids["lost"] = LOST

    assert (states(gone)["DATA_SOURCE lost"], states(gone)["DATA_SOURCE sales"]) == ("MISSING", "PRESENT")
    assert {states(silent)["DATA_SOURCE lost"], states(silent)["DATA_SOURCE sales"]} == {"UNKNOWN"}
    assert (states(gone)["SECRET key"], states(silent)["SECRET key"]) == ("PRESENT", "UNKNOWN")


async def test_workflows_that_run_each_other_are_named_as_a_circle(world: World) -> None:
    one = await world.workflow(leaf(world.name("one"), await world.component()))
    two = await world.workflow(around(world.name("two"), one.name))
    await saved(world, one.name, around(one.name, two.name))

    answer = await graph(world, one.name)

    (circle,) = answer.cycles
    assert circle.workflows[0] == circle.workflows[-1]
    assert set(circle.workflows) == {one.name, two.name}
    assert set(circle.node_ids) == {f"workflow:{one.id}@2", f"workflow:{two.id}@1", f"workflow:{one.id}@1"}


async def test_a_package_is_shown_with_what_it_holds(world: World) -> None:
    component, made = await world.component("part"), await world.definition(type="MCP", visibility="PUBLIC")
    document = f"components: [{{id: a, name: {component}, with: {{city: x}}}}]"
    version = await world.version(made.name, mcp={"mcp_configuration": document})
    name = world.name("flow")
    flow = await world.workflow(f"name: {name}\nsteps: [{{id: p, component: {made.name}}}]\n")
    request = graph_pb2.GetLineageGraphRequest(version_id=version.id)

    answer, lineage = await graph(world, flow.id), await world.call("GetLineageGraph", request)
    (part,) = [one for one in answer.nodes if one.data.label == f"{component}@1.0.0"]
    request = graph_pb2.GetLineageGraphRequest(version_id=part.data.resource_id)
    inside = await world.call("GetLineageGraph", request)

    assert f"{made.name}@1.0.0 holds {component}@1.0.0" in sentences(answer)
    assert f"{name} runs {made.name}@1.0.0" in sentences(lineage)
    assert {f"{made.name}@1.0.0 holds {component}@1.0.0", f"{name} runs {made.name}@1.0.0"} <= sentences(
        inside
    )


async def test_an_assistant_is_shown_with_the_components_that_it_may_call(world: World) -> None:
    component, inner = await world.component("tool"), await world.definition(type="AI_ASSISTANT")
    made, name = await world.definition(type="AI_ASSISTANT"), world.name("flow")
    first = {"model": "small", "tools": [{"component": component}]}
    await world.version(inner.name, ai_assistant=first)
    outer = {"model": "small", "tools": [{"component": inner.name}]}
    await world.version(made.name, ai_assistant=outer)
    flow = await world.workflow(f"name: {name}\nsteps: [{{id: a, component: {made.name}}}]\n")

    answer = await graph(world, flow.id)
    (tool,) = [one for one in answer.nodes if one.data.label == f"{component}@1.0.0"]
    request = graph_pb2.GetLineageGraphRequest(version_id=tool.data.resource_id)
    inside = await world.call("GetLineageGraph", request)

    held = {
        f"{made.name}@1.0.0 holds {inner.name}@1.0.0",
        f"{inner.name}@1.0.0 holds {component}@1.0.0",
    }
    assert held <= sentences(answer)
    assert held | {f"{name} runs {made.name}@1.0.0"} <= sentences(inside)


async def test_a_draft_is_hidden_from_those_who_may_not_change_its_component(world: World) -> None:
    made = await world.definition(visibility="PUBLIC")
    await world.version(made.id, draft=True)
    flow = await world.workflow(leaf(world.name("flow"), f"{made.name}@1.0.0"))

    own, theirs = await graph(world, flow.id), await graph(world, flow.id, OTHER_EDITOR)

    assert states(own)[f"VERSION {made.name}@1.0.0"] == "PRESENT"
    assert states(theirs)[f"VERSION {made.name}@1.0.0"] == "HIDDEN"
