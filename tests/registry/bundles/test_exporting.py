"""What is in a bundle, and what is only named in it."""

from mcpanel.registry.v1 import bundle_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.bundles.conftest import exported, missing
from tests.registry.conftest import World
from tests.support.callers import ADMIN, OTHER_EDITOR

Export = bundle_pb2.ExportBundleRequest


def leaf(name: str, component: str) -> str:
    """A public workflow of one component."""
    return (
        f"name: {name}\nvisibility: PUBLIC\nsteps: [{{id: a, component: {component}, with: {{city: x}}}}]\n"
    )


async def test_a_component_comes_with_its_newest_version_the_one_asked_for_or_all(full: World) -> None:
    made = await full.definition()
    for version in ("1.0.0", "1.10.0", "1.2.0"):
        await full.version(made.id, version)

    newest, one, every = [
        (await exported(full, components=[f"{made.name}{wanted}"])).source for wanted in ("", "@1.2.0", "@*")
    ]

    assert ("version: 1.10.0" in newest, "version: 1.0.0" in newest) == (True, False)
    assert [line.split()[-1] for line in one.splitlines() if "- version:" in line] == ["1.2.0"]
    assert [line.split()[-1] for line in every.splitlines() if "- version:" in line] == [
        "1.0.0",
        "1.2.0",
        "1.10.0",
    ]


async def test_data_sources_and_secrets_are_in_it_by_name_only(full: World) -> None:
    component = await full.component(data_source_ids=["sales"], secret_ids=["api-key"])

    answer = await exported(full, components=[component])

    assert missing(answer.references) == [("DATA_SOURCE", "sales"), ("SECRET", "api-key")]
    assert answer.references[0].used_by == f"component '{component}@1.0.0'"
    assert "0190a000" not in answer.source


async def test_what_a_workflow_runs_is_left_out_when_only_what_is_named_is_wanted(full: World) -> None:
    component = await full.component()
    flow = (await full.workflow(leaf(full.name("flow"), component))).name

    answer = await exported(full, workflows=[flow], only_named=True)

    assert "components:" not in answer.source
    assert missing(answer.references) == [("COMPONENT", f"{component}@1.0.0")]


async def test_what_the_caller_may_not_see_is_not_in_it(full: World) -> None:
    secret = (await full.definition()).name
    await full.version(secret)
    flow = (await full.workflow(leaf(full.name("flow"), secret))).name

    answer = await exported(full, workflows=[flow], caller=OTHER_EDITOR)
    direct = await full.refused("ExportBundle", Export(components=[secret]), OTHER_EDITOR)
    version = await full.refused("ExportBundle", Export(components=[f"{secret}@9.9.9"]))
    workflow = await full.refused("ExportBundle", Export(workflows=[f"{flow}@7"]))
    number = await full.refused("ExportBundle", Export(workflows=[f"{flow}@x"]))

    assert "def main" not in answer.source
    assert missing(answer.references) == [("COMPONENT", f"{secret}@1.0.0")]
    assert (direct.reason, version.reason) == ("DEFINITION_NOT_FOUND", "VERSION_NOT_FOUND")
    assert (workflow.reason, number.reason) == ("WORKFLOW_NOT_FOUND", "WORKFLOW_NOT_FOUND")


async def test_what_was_deleted_is_named(full: World) -> None:
    lost = await full.component("lost")
    flow = (await full.workflow(leaf(full.name("flow"), lost))).name
    changed = leaf(flow, await full.component())
    await full.call("UpdateWorkflow", pb.UpdateWorkflowRequest(workflow_id=flow, source=changed))
    await full.call("DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=lost), ADMIN)

    answer = await exported(full, workflows=[f"{flow}@1"])

    assert missing(answer.references) == [("COMPONENT", f"{lost}@1.0.0")]


async def test_two_versions_of_one_workflow_are_too_many_for_a_bundle(full: World) -> None:
    inner = (await full.workflow(leaf(full.name("inner"), await full.component()))).name
    outer = full.name("outer")
    await full.workflow(f"name: {outer}\nsteps: [{{id: in, workflow: {inner}}}]\n")
    changed = leaf(inner, await full.component())
    await full.call("UpdateWorkflow", pb.UpdateWorkflowRequest(workflow_id=inner, source=changed))

    error = await full.refused("ExportBundle", Export(workflows=[outer, inner]))
    older = await exported(full, workflows=[outer])

    assert error.reason == "BUNDLE_AMBIGUOUS"
    assert error.metadata["versions"] == "2,1"
    assert f"ask for {inner}@1" in error.message
    assert f"workflow: {inner}\n" in older.source


async def test_a_bundle_that_could_not_be_imported_is_not_made(full: World) -> None:
    made = await full.definition()
    text = "x" * 1_000_000
    for number in range(4):
        await full.version(
            made.id, f"1.{number}.0", python_script={"code_content": f"def main(): pass\n# {text}"}
        )

    error = await full.refused("ExportBundle", Export(components=[f"{made.name}@*"]))

    assert error.reason == "MESSAGE_TOO_LARGE"
    assert error.metadata["limit_bytes"] == str(3 * 1024**2)
