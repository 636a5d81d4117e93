"""Who may do what to somebody else's definitions and workflows."""

from dataclasses import dataclass
from typing import Any, Final

import pytest

from chassis.errors import ServiceError
from mcpanel.registry.v1 import component_pb2, workflow_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import World
from tests.support.callers import ADMIN, EDITOR, KEEPER, VIEWER

LEVELS: Final = {
    "GetDefinition": "VIEW",
    "ListVersions": "VIEW",
    "GetVersion": "VIEW",
    "GetWorkflow": "VIEW",
    "ListWorkflowVersions": "VIEW",
    "GetWorkflowVersion": "VIEW",
    "UpdateDefinition": "EDIT",
    "CreateVersion": "EDIT",
    "DeprecateVersion": "EDIT",
    "UpdateWorkflow": "EDIT",
    "DeleteDefinition": "DELETE",
    "DeleteWorkflow": "DELETE",
}
"""What each method that names somebody's definition, version or workflow takes."""


@dataclass
class Owned:
    """What an editor owns: a definition with a version, and a workflow that uses another."""

    definition: str
    version: str
    workflow: str

    def request(self, method: str) -> Any:
        """A request that asks for it, or changes it."""
        if "Version" in method and "Workflow" not in method:
            return self._of_versions(method)
        if "Workflow" in method:
            fields: dict[str, Any] = {"workflow_id": self.workflow}
            if method == "UpdateWorkflow":
                fields["workflow"] = workflow_pb2.Workflow(description="taken over")
            if method == "GetWorkflowVersion":
                fields["version"] = 1
            return getattr(pb, f"{method}Request")(**fields)
        fields = {"definition_id": self.definition}
        if method == "UpdateDefinition":
            fields["definition"] = component_pb2.Definition(description="taken over")
        return getattr(pb, f"{method}Request")(**fields)

    def _of_versions(self, method: str) -> Any:
        if method == "CreateVersion":
            script = component_pb2.PythonScriptConfig(code_content="def main(): pass")
            new = component_pb2.Version(version="2.0.0", python_script=script)
            return pb.CreateVersionRequest(definition_id=self.definition, version=new)
        if method == "ListVersions":
            return pb.ListVersionsRequest(definition_id=self.definition)
        return getattr(pb, f"{method}Request")(version_id=self.version)


NOTHING: Final = Owned(*(f"0190a000-0000-7000-8000-00000000000{number}" for number in (1, 2, 3)))


async def owned(world: World, visibility: str) -> Owned:
    """What an editor just made."""
    definition = await world.definition(visibility=visibility)
    version = await world.version(definition.name)
    step = f"{{id: a, component: {await world.component()}, with: {{city: x}}}}"
    source = f"name: {world.name('flow')}\nvisibility: {visibility}\nsteps: [{step}]\n"
    return Owned(definition.id, version.id, (await world.workflow(source)).id)


def told(error: ServiceError, asked: Owned) -> tuple[str, str, str]:
    """An answer without the ids that were asked for."""
    text = error.message
    for id_ in (asked.definition, asked.version, asked.workflow):
        text = text.replace(id_, "?")
    return error.code, error.reason, text


@pytest.mark.parametrize("method", LEVELS)
async def test_what_is_private_does_not_exist_for_others_whatever_they_may_do(
    world: World, method: str
) -> None:
    made = await owned(world, "PRIVATE")

    refused = await world.refused(method, made.request(method), KEEPER)
    missing = await world.refused(method, NOTHING.request(method), KEEPER)

    assert refused.code == "NOT_FOUND"
    assert told(refused, made) == told(missing, NOTHING)


@pytest.mark.parametrize("method", LEVELS)
async def test_what_is_public_may_be_seen_by_others_and_not_changed(world: World, method: str) -> None:
    made = await owned(world, "PUBLIC")

    if LEVELS[method] == "VIEW":
        await world.call(method, made.request(method), VIEWER)
    else:
        refused = await world.refused(method, made.request(method), KEEPER)

        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_GRANTED")
        assert refused.metadata["level"] == LEVELS[method]
    shown = await world.call("GetDefinition", made.request("GetDefinition"))
    assert (shown.definition.description, shown.definition.latest_version) == ("", "1.0.0")


@pytest.mark.parametrize("method", LEVELS)
async def test_who_reaches_everything_may_do_all_of_it(world: World, method: str) -> None:
    made = await owned(world, "PRIVATE")

    await world.call(method, made.request(method), ADMIN)


async def test_the_owner_may_change_what_is_theirs(world: World) -> None:
    made = await owned(world, "PRIVATE")

    for method in ("UpdateDefinition", "CreateVersion", "DeprecateVersion", "UpdateWorkflow"):
        await world.call(method, made.request(method), EDITOR)
