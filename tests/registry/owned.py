"""What an editor owns, what may be done with it, and handing that out."""

from dataclasses import dataclass
from typing import Any, Final

from chassis.context import Caller
from mcpanel.registry.v1 import component_pb2, workflow_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import World
from tests.support.callers import EDITOR, KEEPER

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


async def owned(world: World, visibility: str) -> Owned:
    """What an editor just made."""
    definition = await world.definition(visibility=visibility)
    version = await world.version(definition.name)
    step = f"{{id: a, component: {await world.component()}, with: {{city: x}}}}"
    source = f"name: {world.name('flow')}\nvisibility: {visibility}\nsteps: [{step}]\n"
    return Owned(definition.id, version.id, (await world.workflow(source)).id)


async def share(
    world: World, template: str, permission: str, caller: Caller = EDITOR, **subject: Any
) -> pb.TemplateShare:
    """Shares a template with somebody; with the keeper, unless told otherwise."""
    to: Any = subject or {"user_id": KEEPER.id}
    sent = pb.TemplateShare(permission=permission, **to)
    request = pb.ShareTemplateRequest(template_id=template, share=sent)
    answer: pb.ShareTemplateResponse = await world.call("ShareTemplate", request, caller)
    return answer.share
