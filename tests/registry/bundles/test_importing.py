"""What becomes of a bundle: planned and refused, all of it or nothing."""

import asyncio
from typing import Any

import pytest

from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.bundles.conftest import actions, imported, missing, refused
from tests.registry.conftest import World
from tests.support.callers import EDITOR, OTHER_EDITOR, VIEWER


def bundle(component: str = "", flow: str = "", **version: Any) -> str:
    """A bundle of a component and a workflow that runs it."""
    code = version.pop("code", "def main(city: str): pass")
    lines = ["bundle: 1"]
    if component:
        lines += [
            "components:",
            f"  - name: {component}",
            "    type: PYTHON_SCRIPT",
            "    visibility: PUBLIC",
        ]
        lines += [
            "    versions:",
            "      - version: 1.0.0",
            f'        python_script: {{code_content: "{code}"}}',
        ]
        lines += [f"        {name}: {value}" for name, value in version.items()]
    if flow:
        lines += [
            "workflows:",
            f"  - name: {flow}",
            f"    steps: [{{id: a, component: {component or 'nothing'}, with: {{city: x}}}}]",
        ]
    return "\n".join(lines) + "\n"


async def exists(world: World, name: str) -> bool:
    """Whether the editor has a definition of this name."""
    answer = await world.call("ListDefinitions", pb.ListDefinitionsRequest(filter=f'name = "{name}"'))
    return bool(answer.definitions)


async def test_a_plan_says_all_that_would_be_done_and_does_nothing(full: World) -> None:
    name, flow = full.name("plan"), full.name("flow")

    plan = await imported(full, bundle(name, flow), validate_only=True)
    there = await exists(full, name)
    done = await imported(full, bundle(name, flow))

    expected = {
        f"COMPONENT {name}": "CREATE",
        f"VERSION {name}@1.0.0": "CREATE",
        f"WORKFLOW {flow}@1": "CREATE",
    }
    assert (actions(plan), there) == (expected, False)
    assert actions(done) == expected
    assert await exists(full, name)


async def test_what_is_created_belongs_to_whoever_imports_it_and_is_on_record_one_by_one(full: World) -> None:
    name, flow = full.name("owned"), full.name("flow")

    await imported(full, bundle(name, flow), OTHER_EDITOR)
    found = await full.call("GetDefinition", pb.GetDefinitionRequest(definition_id=name), OTHER_EDITOR)

    assert found.definition.owner_id == OTHER_EDITOR.id
    assert found.definition.latest_version == "1.0.0"


async def test_a_changed_workflow_gets_its_next_version_and_changed_labels_are_an_update(full: World) -> None:
    name, flow = full.name("next"), full.name("flow")
    await imported(full, bundle(name, flow))

    changed = (
        bundle(name, flow)
        .replace("city: x", "city: y")
        .replace("PYTHON_SCRIPT", "PYTHON_SCRIPT\n    description: new")
    )
    taken = await imported(full, changed)
    labels = await imported(full, f"{changed}    description: labels\n")

    assert actions(taken) == {
        f"COMPONENT {name}": "UPDATE",
        f"VERSION {name}@1.0.0": "UNCHANGED",
        f"WORKFLOW {flow}@2": "NEW_VERSION",
    }
    assert actions(labels)[f"WORKFLOW {flow}@2"] == "UPDATE"


async def test_who_may_see_what_is_here_is_not_changed_by_a_bundle(full: World) -> None:
    name = full.name("mine")
    await full.definition(name=name, visibility="PRIVATE")

    await imported(full, bundle(name))
    found = await full.call("GetDefinition", pb.GetDefinitionRequest(definition_id=name))

    assert found.definition.visibility == component_pb2.Definition.PRIVATE


async def test_a_version_that_is_another_here_is_a_conflict_and_nothing_is_imported(full: World) -> None:
    name, other = full.name("same"), full.name("other")
    await imported(full, bundle(name))
    both = bundle(other).replace(
        "components:\n", "components:\n" + bundle(name, code="def main(): pass").split("components:\n")[1]
    )

    error = await refused(full, both)
    plan = await imported(full, both, validate_only=True)

    assert error.reason == "BUNDLE_CONFLICT"
    assert f"version {name}@1.0.0: it is here already with another config_digest" in error.message
    assert (actions(plan)[f"VERSION {name}@1.0.0"], actions(plan)[f"COMPONENT {other}"]) == (
        "CONFLICT",
        "CREATE",
    )
    assert not await exists(full, other)


async def test_another_type_a_hidden_name_and_what_one_may_not_change_are_conflicts(full: World) -> None:
    typed = await full.definition(type="DATA")
    hidden = await full.definition()
    public = await full.component()
    steps = f"[{{id: a, component: {public}, with: {{city: x}}}}]"
    flow = (await full.workflow(f"name: {full.name('flow')}\nvisibility: PUBLIC\nsteps: {steps}\n")).name

    of_type = await refused(full, bundle(typed.name))
    taken = await refused(full, bundle(hidden.name), OTHER_EDITOR)
    version = await refused(full, bundle(public).replace("1.0.0", "2.0.0"), OTHER_EDITOR)
    workflow = await refused(
        full,
        f"bundle: 1\nworkflows:\n  - name: {flow}\n    steps: [{{id: b, component: {public}, with: {{city: x}}}}]\n",
        OTHER_EDITOR,
    )

    assert "of type DATA and not PYTHON_SCRIPT" in of_type.message
    assert "taken by a component that you may not see" in taken.message
    assert "you may not change it" in version.message
    assert "you may not change it" in workflow.message
    assert {one.reason for one in (of_type, taken, version, workflow)} == {"BUNDLE_CONFLICT"}


async def test_missing_data_sources_secrets_and_components_are_named_with_what_to_do(full: World) -> None:
    name, flow = full.name("needs"), full.name("flow")
    source = (
        bundle(name, data_sources="[lost]", secrets="[key]")
        + f"workflows:\n  - name: {flow}\n    steps: [{{id: a, component: nothing@1}}]\n"
    )

    error = await refused(full, source)
    plan = await imported(full, source, validate_only=True)
    mapped = await imported(
        full, source, validate_only=True, data_sources={"lost": "sales"}, secrets={"key": "api-key"}
    )

    assert error.reason == "BUNDLE_INCOMPLETE"
    assert f"component '{name}@1.0.0' needs the data source 'lost'" in error.message
    assert missing(plan.missing) == [
        ("DATA_SOURCE", "lost"),
        ("SECRET", "key"),
        ("COMPONENT", "nothing"),
    ]
    assert actions(plan)[f"WORKFLOW {flow}"] == "MISSING"
    assert missing(mapped.missing) == [("COMPONENT", "nothing")]
    assert not await exists(full, name)


@pytest.mark.parametrize("field", ["data_sources", "secrets", "rename"])
async def test_a_mapping_of_what_is_not_in_the_bundle_is_refused(full: World, field: str) -> None:
    error = await refused(full, bundle("some-name"), **{field: {"wrong": "sales"}})

    assert error.reason == "INVALID_FIELD"
    assert "'wrong'" in error.message


async def test_workflows_are_taken_after_those_they_run_in_whatever_order_they_stand(full: World) -> None:
    name, outer, inner = full.name("leaf"), full.name("outer"), full.name("inner")
    source = bundle(name, outer).replace(f"component: {name}, with: {{city: x}}", f"workflow: {inner}")
    source += f"  - name: {inner}\n    steps: [{{id: a, component: {name}, with: {{city: x}}}}]\n"

    taken = await imported(full, source)
    circle = await refused(
        full, source.replace(f"component: {name}, with: {{city: x}}", f"workflow: {outer}")
    )

    assert list(actions(taken))[-2:] == [f"WORKFLOW {inner}@1", f"WORKFLOW {outer}@1"]
    assert circle.reason == "WORKFLOW_INVALID"
    assert "in a circle" in circle.message


async def test_a_wrong_workflow_or_config_is_named_with_line_and_column(full: World) -> None:
    name = full.name("wrong")

    workflow = await refused(full, bundle(name, full.name("flow")).replace("city: x", "town: x"))
    config = await refused(full, bundle(name, code="def main(:"))

    assert workflow.reason == "WORKFLOW_INVALID"
    assert "line 11, column 55" in workflow.message
    assert "there is no input 'town'" in workflow.message
    assert config.reason == "INVALID_FIELD"
    assert config.fields[0].field == "source.components[0].versions[0].python_script.code_content"
    assert "line 8, column 39" in config.message
    assert not await exists(full, name)


async def test_a_repeated_request_is_answered_as_before(full: World) -> None:
    source = bundle(full.name("again"))

    first = await imported(full, source, request_id="import-1")
    second = await imported(full, source, request_id="import-1")

    assert second == first


async def test_of_two_imports_of_one_bundle_at_once_both_end_well(full: World) -> None:
    name, flow = full.name("race"), full.name("flow")

    answers = await asyncio.gather(*(imported(full, bundle(name, flow)) for _ in range(2)))

    assert sorted(actions(one)[f"COMPONENT {name}"] for one in answers) == ["CREATE", "UNCHANGED"]


async def test_viewers_import_nothing(full: World) -> None:
    error = await refused(full, bundle(full.name("viewed")), VIEWER)

    assert (error.reason, error.metadata["permission"]) == ("PERMISSION_MISSING", "bundles.import")
    assert EDITOR.may("bundles.import")
