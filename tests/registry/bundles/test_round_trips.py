"""From one registry into another and out again, the same to the byte."""

from typing import Any

from google.protobuf import json_format

from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.bundles.conftest import OTHER_KEY, STOCK, actions, exported, imported, refused
from tests.registry.conftest import Start, World
from tests.support.callers import OTHER_EDITOR

CODE = '''"""Adds."""

def main(a: int, b: float = 1e3, word: str = "no") -> dict[str, float]:
\treturn {"sum": a + b}  # a tab, and «quotes»
'''
EVERYTHING = """\
name: {name}
display_name: "Everything: at once"
description: |
  Two lines,
  both kept.
tags: [b, a, "1.0"]
visibility: PUBLIC
inputs:
  zeta: {{type: number, default: 1e22, description: "large"}}
  alpha: {{type: array, default: [1, 2.5, "no", null]}}
  bare: {{}}
timeout: 1h30m
priority: 7
concurrency: {{key: "${{{{ string(inputs.zeta) }}}}", limit: 2, policy: drop_new}}
steps:
  - id: first
    component: {component}@1
    with: {{a: 1, b: 0.25}}
    retry: {{max_attempts: 3, backoff: 250ms, factor: 2, max_backoff: 1m, jitter: 0.5, on: [TIMED_OUT]}}
    cache: {{key: "k", ttl: 7d}}
    resources: {{cpu: 0.5, memory: 512Mi}}
    labels: [gpu]
    pool: main
    effect: pure
  - id: each
    component: {component}
    for_each: [1, 2]
    max_parallel: 2
    with: {{a: "${{{{ item }}}}"}}
    needs: [first]
    if: "${{{{ size(inputs.alpha) > 0 }}}}"
    on_failure: continue
    timeout: 90s
    waiting_timeout: 1h
    heartbeat_timeout: 30s
  - id: decide
    approval: {{message: "go on?", timeout: 1d}}
    needs: [each]
    join: ended
  - id: inner
    workflow: {inner}
    needs: [decide]
outputs:
  sums: "${{{{ steps.each.output }}}}"
  all: {{b: 1, a: [true, null]}}
"""


async def made(world: World) -> tuple[str, str]:
    """A workflow with all its fields that runs a component, and another that it runs; both names."""
    script = component_pb2.PythonScriptConfig(code_content=CODE)
    definition = await world.definition(
        name=world.name("adds"),
        visibility="PUBLIC",
        display_name="Adds: numbers",
        tags=["math", "yes"],
        compliance=["PCI DSS"],
        cost_tier="LOW",
        icon="data:image/svg+xml;base64,AA==",
    )
    await world.version(
        definition.id,
        python_script=script,
        data_source_ids=["stock", "sales"],
        secret_ids=["other-key", "api-key"],
        changelog="first\n\nand more",
        tags=["1.0", "old"],
        effect="pure",
    )
    inner = world.name("inner")
    await world.workflow(
        f"name: {inner}\nvisibility: PUBLIC\nsteps: [{{id: a, component: {definition.name}, with: {{a: 1}}}}]\n"
    )
    name = world.name("everything")
    await world.workflow(EVERYTHING.format(name=name, component=definition.name, inner=inner))
    return name, definition.name


async def test_everything_arrives_and_is_exported_again_as_the_same_bytes(
    full: World, start: Start, settings: dict[str, str]
) -> None:
    name, component = await made(full)
    there = await start(**settings)

    first = await exported(full, workflows=[name])
    taken = await imported(there, first.source)
    second = await exported(there, workflows=[name])

    assert second.source == first.source
    assert set(actions(taken).values()) == {"CREATE"}
    assert 'main(a: int, b: float = 1e3, word: str = "no")' in first.source
    for method, request in (
        ("GetWorkflow", pb.GetWorkflowRequest(workflow_id=name)),
        ("GetDefinition", pb.GetDefinitionRequest(definition_id=component)),
    ):
        before, after = await full.call(method, request), await there.call(method, request)
        assert without_ids(before) == without_ids(after)


def without_ids(message: Any) -> Any:
    """A message without what only the server writes."""
    own = {"id", "etag", "createdAt", "updatedAt", "componentVersionId", "workflowId", "definitionId"}

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items() if key not in own}
        return [clean(item) for item in value] if isinstance(value, list) else value

    return clean(json_format.MessageToDict(message))


async def test_a_second_import_changes_nothing(full: World, start: Start, settings: dict[str, str]) -> None:
    name, _ = await made(full)
    source = (await exported(full, workflows=[name])).source
    there = await start(**settings)
    await imported(there, source)

    again, here = await imported(there, source), await imported(full, source)

    assert set(actions(again).values()) == {"UNCHANGED"}
    assert actions(here) == actions(again)


async def test_each_step_runs_the_version_it_ran_though_a_newer_one_is_in_the_bundle(
    full: World, start: Start, settings: dict[str, str]
) -> None:
    component = await full.component("pinned")
    flow = full.name("flow")
    await full.workflow(f"name: {flow}\nsteps: [{{id: a, component: {component}@1, with: {{city: x}}}}]\n")
    await full.version(component, "1.1.0")
    there = await start(**settings)

    first = await exported(full, components=[f"{component}@*"], workflows=[flow])
    await imported(there, first.source)
    workflow = (await there.call("GetWorkflow", pb.GetWorkflowRequest(workflow_id=flow))).workflow
    second = await exported(there, components=[f"{component}@*"], workflows=[flow])

    assert (workflow.steps[0].component, workflow.steps[0].component_version) == (f"{component}@1", "1.0.0")
    assert second.source == first.source


async def test_a_deprecated_version_stays_deprecated_and_what_ran_it_runs_it(
    full: World, start: Start, settings: dict[str, str]
) -> None:
    component = await full.definition(visibility="PUBLIC")
    version = await full.version(component.id)
    flow = full.name("flow")
    await full.workflow(f"name: {flow}\nsteps: [{{id: a, component: {component.name}, with: {{city: x}}}}]\n")
    await full.call("DeprecateVersion", pb.DeprecateVersionRequest(version_id=version.id, message="too old"))
    there = await start(**settings)

    first = await exported(full, workflows=[flow])
    await imported(there, first.source)
    definition = await there.call("GetDefinition", pb.GetDefinitionRequest(definition_id=component.name))
    listed = await there.call("ListVersions", pb.ListVersionsRequest(definition_id=component.name))

    assert (await exported(there, workflows=[flow])).source == first.source
    assert definition.definition.latest_version == ""
    assert [one.deprecation_message for one in listed.versions] == ["too old"]


async def test_under_other_names_it_arrives_beside_what_is_there(full: World) -> None:
    component = await full.component("original", data_source_ids=["sales"], secret_ids=["api-key"])
    flow = full.name("flow")
    await full.workflow(f"name: {flow}\nsteps: [{{id: a, component: {component}, with: {{city: x}}}}]\n")
    source = (await exported(full, workflows=[flow])).source

    taken = await imported(
        full,
        source,
        OTHER_EDITOR,
        rename={component: f"{component}-copy", flow: f"{flow}-copy"},
        data_sources={"sales": "stock"},
        secrets={"api-key": "other-key"},
    )
    workflow = await full.call("GetWorkflow", pb.GetWorkflowRequest(workflow_id=f"{flow}-copy"), OTHER_EDITOR)
    version = await full.call(
        "GetVersion",
        pb.GetVersionRequest(version_id=workflow.workflow.steps[0].component_version_id),
        OTHER_EDITOR,
    )

    assert set(actions(taken).values()) == {"CREATE"}
    assert workflow.workflow.steps[0].component == f"{component}-copy"
    assert workflow.workflow.owner_id == OTHER_EDITOR.id
    assert [one.name for one in version.version.data_sources] == ["sales"]
    assert version.version.data_source_ids == [STOCK]
    assert [(one.id, one.name) for one in version.version.secrets] == [(OTHER_KEY, "api-key")]


async def test_a_draft_stays_a_draft_and_a_workflow_keeps_its_status(
    full: World, start: Start, settings: dict[str, str]
) -> None:
    made = await full.definition(visibility="PUBLIC")
    await full.version(made.id, draft=True)
    flow = full.name("flow")
    steps = f"[{{id: a, component: {made.name}@1.0.0, with: {{city: x}}}}]"
    await full.workflow(f"name: {flow}\nstatus: ARCHIVED\nsteps: {steps}\n")
    there = await start(**settings)

    first = await exported(full, workflows=[flow])
    await imported(there, first.source)
    listed = await there.call("ListVersions", pb.ListVersionsRequest(definition_id=made.name))

    assert (await exported(there, workflows=[flow])).source == first.source
    assert "draft: true" in first.source
    assert "status: ARCHIVED" in first.source
    assert [one.status for one in listed.versions] == [component_pb2.Version.DRAFT]


async def test_a_package_comes_with_what_it_is_made_of(
    full: World, start: Start, settings: dict[str, str]
) -> None:
    part = await full.component("zz-part")
    made = await full.definition(name=full.name("aa-package"), type="MCP")
    document = f"components: [{{id: a, name: {part}, version: 1, with: {{city: x}}}}]"
    await full.version(made.name, mcp={"mcp_configuration": document})
    there = await start(**settings)

    first = await exported(full, components=[made.name])
    taken = await imported(there, first.source)
    fixed = await refused(full, first.source, rename={part: "other"})

    assert (await exported(there, components=[made.name])).source == first.source
    assert list(actions(taken)) == [
        f"COMPONENT {part}",
        f"VERSION {part}@1.0.0",
        f"COMPONENT {made.name}",
        f"VERSION {made.name}@1.0.0",
    ]
    assert "a package of the bundle names it" in fixed.message


async def test_an_assistant_comes_with_what_it_may_call(
    full: World, start: Start, settings: dict[str, str]
) -> None:
    tool = await full.component("zz-tool")
    made = await full.definition(name=full.name("aa-helper"), type="AI_ASSISTANT")
    tools = [{"component": f"{tool}@1"}, {"data_source": "sales"}]
    await full.version(made.name, ai_assistant={"model": "small", "tools": tools})
    there = await start(**settings)

    first = await exported(full, components=[made.name])
    taken = await imported(there, first.source)
    again = await imported(there, first.source)
    copies = {tool: f"{tool}-copy", made.name: f"{made.name}-copy"}
    await imported(there, first.source, rename=copies)
    copy = await exported(there, components=[f"{made.name}-copy"])

    assert (await exported(there, components=[made.name])).source == first.source
    assert list(actions(taken)) == [
        f"COMPONENT {tool}",
        f"VERSION {tool}@1.0.0",
        f"COMPONENT {made.name}",
        f"VERSION {made.name}@1.0.0",
    ]
    assert set(actions(again).values()) == {"UNCHANGED"}
    assert f"component: {tool}-copy@1" in copy.source
    assert f"name: {tool}-copy" in copy.source


async def test_an_assistant_calls_what_it_called_though_a_newer_version_is_in_the_bundle(
    full: World, start: Start, settings: dict[str, str]
) -> None:
    tool = await full.component("tool")
    made = await full.definition(name=full.name("helper"), type="AI_ASSISTANT")
    await full.version(made.name, ai_assistant={"model": "small", "tools": [{"component": tool}]})
    await full.version(tool, "1.1.0")
    there = await start(**settings)
    asked = [made.name, f"{tool}@*"]

    first = await exported(full, components=asked)
    taken = await imported(there, first.source)
    ids = {(one.name, one.version): one.id for one in taken.items}
    request = pb.GetVersionRequest(version_id=ids[made.name, "1.0.0"])

    assert [one.component for one in (await there.call("GetVersion", request)).version.tools] == [
        f"{tool}@1.0.0"
    ]
    assert (await exported(there, components=asked)).source == first.source
    other = await refused(there, first.source.replace(f"{tool}: 1.0.0", f"{tool}: 1.1.0"))
    assert "it is here already with another tools, and versions never change" in other.message
