"""The services the engine calls, as small real gRPC servers: a registry of what a test puts in, identity and audit."""

import hashlib
from typing import Any

import grpc
import grpc.aio

from chassis import jsonvalue
from chassis.client import ON_BEHALF_OF, ServiceChannel, channel
from chassis.ids import uuid7
from mcpanel.audit.v1 import audit_pb2, audit_pb2_grpc
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from mcpanel.registry.v1 import component_pb2, registry_pb2, registry_pb2_grpc, workflow_pb2
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, VIEWER, WORKER

Step = workflow_pb2.Step
Type = component_pb2.Definition
Missing = registry_pb2.CheckPartsResponse.Missing


class Registry(registry_pb2_grpc.RegistryServiceServicer):
    """Answers from memory."""

    def __init__(self) -> None:
        self.workflows: dict[str, workflow_pb2.Workflow] = {}
        self.versions: dict[str, component_pb2.Version] = {}
        self.private: set[str] = set()
        """Versions that are there for services only: to people they are not found."""
        self.calls = 0
        self.older: list[workflow_pb2.Workflow] = []
        self.owner_id = ""
        """Whose the components are; when somebody's, they are private."""
        self.shares: dict[str, dict[str, Any]] = {}
        """What is shared with whom, by their id or role: the permission by the workflow's id."""
        self.tells_shares = True
        self.missing: dict[str, list[Missing]] = {}
        """What may not be used any more, by the id of the workflow or the component's version that is made of it."""
        self.checks = 0
        self.packages: dict[str, workflow_pb2.Workflow] = {}
        """What versions run as that are packages of components, by their ids."""

    async def CheckParts(
        self, request: registry_pb2.CheckPartsRequest, context: Any
    ) -> registry_pb2.CheckPartsResponse:
        self.checks += 1
        found = self.missing.get(request.workflow.workflow_id or request.version_id)
        return registry_pb2.CheckPartsResponse(missing=found)

    async def GetSharedWorkflows(
        self, request: registry_pb2.GetSharedWorkflowsRequest, context: Any
    ) -> registry_pb2.GetSharedWorkflowsResponse:
        if not self.tells_shares:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone for the moment")
        found: dict[str, Any] = {}
        for name in (request.subject_id, *request.role_names):
            found |= self.shares.get(name, {})
        shared = registry_pb2.GetSharedWorkflowsResponse.Shared
        workflows = [shared(workflow_id=id_, permission=one) for id_, one in found.items()]
        return registry_pb2.GetSharedWorkflowsResponse(workflows=workflows)

    async def GetWorkflow(
        self, request: registry_pb2.GetWorkflowRequest, context: Any
    ) -> registry_pb2.GetWorkflowResponse:
        self.calls += 1
        found = self.workflows.get(request.workflow_id)
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such workflow")
        return registry_pb2.GetWorkflowResponse(workflow=found)

    async def GetWorkflowVersion(
        self, request: registry_pb2.GetWorkflowVersionRequest, context: Any
    ) -> registry_pb2.GetWorkflowVersionResponse:
        self.calls += 1
        found = next(
            (
                one
                for one in (*self.older, *self.workflows.values())
                if (one.id, one.version) == (request.workflow_id, request.version)
            ),
            None,
        )
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such version")
        return registry_pb2.GetWorkflowVersionResponse(workflow=found)

    async def GetVersion(self, request: registry_pb2.GetVersionRequest, context: Any) -> Any:
        self.calls += 1
        for_somebody = any(name == ON_BEHALF_OF for name, _ in context.invocation_metadata())
        if for_somebody and request.version_id in self.private:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such version")
        version = self.versions[request.version_id]
        return registry_pb2.GetVersionResponse(version=version, package=self.packages.get(version.id))

    async def GetDefinition(
        self, request: registry_pb2.GetDefinitionRequest, context: Any
    ) -> registry_pb2.GetDefinitionResponse:
        self.calls += 1
        definition = component_pb2.Definition(id=request.definition_id, owner_id=self.owner_id)
        definition.visibility = Type.PRIVATE if self.owner_id else Type.PUBLIC
        return registry_pb2.GetDefinitionResponse(definition=definition)

    def component(
        self, name: str = "", kind: Any = Type.PYTHON_SCRIPT, **config: Any
    ) -> component_pb2.Version:
        """A new component's version."""
        version = component_pb2.Version(
            id=uuid7(), definition_name=name or "code", type=kind, version="1.0.0", **config
        )
        if kind == Type.PYTHON_SCRIPT and not config.get("python_script"):
            version.python_script.code_content = "def main(): ..."
        version.config_digest = hashlib.sha256(version.id.encode()).hexdigest()
        self.versions[version.id] = version
        return version

    def package(self, name: str, *steps: dict[str, Any], **fields: Any) -> component_pb2.Version:
        """A new package of components: a version that runs as a workflow of these steps."""
        version = self.component(name, component_pb2.Definition.MCP)
        version.mcp.mcp_configuration = "components: []"
        content = self.workflow(*steps, name=f"inside-{name}", **fields)
        content.ClearField("id")
        content.ClearField("name")
        content.ClearField("version")
        self.packages[version.id] = content
        return version

    def workflow(
        self,
        *steps: dict[str, Any],
        name: str = "flow",
        inputs: dict[str, Any] | None = None,
        outputs: dict[str, Any] | None = None,
        visibility: Any = Type.PUBLIC,
        owner_id: str = "",
        **more: Any,
    ) -> workflow_pb2.Workflow:
        """A new workflow; a step is a dict of its fields, its component a Version (default: a Python script).

        `workflow` makes it another workflow, `alone` an approval.
        """
        flow = workflow_pb2.Workflow(
            id=uuid7(),
            name=name,
            version=1,
            visibility=visibility,
            owner_id=owner_id,
            inputs=inputs or {},
            **more,
        )
        for fields in steps:
            sub = fields.pop("workflow", None)
            alone = sub is not None or fields.pop("alone", False)
            version = fields.pop("component", None) or (None if alone else self.component(fields["id"]))
            given = fields.pop("with_", {})
            condition = fields.pop("if_", "")
            items = fields.pop("for_each", None)
            step = Step(**fields)
            if items is not None:
                step.for_each.CopyFrom(jsonvalue.to_value(items))
            if sub is not None:
                step.workflow, step.workflow_id, step.workflow_version = sub.name, sub.id, sub.version
            for key, value in given.items():
                getattr(step, "with")[key].CopyFrom(jsonvalue.to_value(value))
            setattr(step, "if", condition)
            if version is not None:
                step.component = f"{version.definition_name}@1"
                step.component_version_id, step.component_version = version.id, version.version
                step.component_type = version.type
            flow.steps.append(step)
        for key, value in (outputs or {}).items():
            flow.outputs[key].CopyFrom(jsonvalue.to_value(value))
        self.workflows[flow.id] = self.workflows[flow.name] = flow
        return flow


class Identity(identity_pb2_grpc.IdentityServiceServicer):
    """Issues run tokens that say what they were asked for, and knows the keys `mcp_<name>` of the test's callers."""

    def __init__(self) -> None:
        self.asked: list[identity_pb2.IssueRunTokenRequest] = []
        self.people = {one.id: one for one in (ADMIN, EDITOR, OTHER_EDITOR, VIEWER)}
        self.answers = True
        """Whether it says who somebody is."""
        self.ended: set[str] = set()
        """The sessions that are over."""

    async def IssueRunToken(
        self, request: identity_pb2.IssueRunTokenRequest, context: Any
    ) -> identity_pb2.IssueRunTokenResponse:
        self.asked.append(request)
        answer = identity_pb2.IssueRunTokenResponse(token=f"token-for-{request.run_id}")
        answer.expires_at.GetCurrentTime()
        answer.expires_at.seconds += 3600
        return answer

    async def GetPrincipal(
        self, request: identity_pb2.GetPrincipalRequest, context: Any
    ) -> identity_pb2.GetPrincipalResponse:
        if not self.answers:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone for the moment")
        caller = self.people.get(request.principal_id)
        if caller is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "nobody")
            raise AssertionError
        principal = identity_pb2.Principal(
            id=caller.id,
            kind="USER",
            name=caller.name,
            roles=sorted(caller.roles),
            permissions=sorted(caller.permissions),
        )
        return identity_pb2.GetPrincipalResponse(principal=principal)

    async def GetRevocations(
        self, request: identity_pb2.GetRevocationsRequest, context: Any
    ) -> identity_pb2.GetRevocationsResponse:
        return identity_pb2.GetRevocationsResponse(session_ids=sorted(self.ended))

    async def Authenticate(
        self, request: identity_pb2.AuthenticateRequest, context: Any
    ) -> identity_pb2.AuthenticateResponse:
        caller = {"mcp_editor": EDITOR, "mcp_worker": WORKER}[request.credential]
        principal = identity_pb2.Principal(
            id=caller.id,
            kind="WORKER" if caller is WORKER else "USER",
            name=caller.name,
            roles=sorted(caller.roles),
            permissions=sorted(caller.permissions),
        )
        return identity_pb2.AuthenticateResponse(principal=principal)


class Audit(audit_pb2_grpc.AuditServiceServicer):
    """Keeps every record it is given, once."""

    def __init__(self) -> None:
        self.records: dict[str, audit_pb2.Record] = {}
        self.deliveries = 0

    async def AppendRecords(
        self, request: audit_pb2.AppendRecordsRequest, context: Any
    ) -> audit_pb2.AppendRecordsResponse:
        self.deliveries += len(request.records)
        new = [one for one in request.records if one.record_id not in self.records]
        self.records.update({one.record_id: one for one in new})
        return audit_pb2.AppendRecordsResponse(appended=len(new))


class Peers:
    """The three on one server."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.registry = Registry()
        self.identity = Identity()
        self.audit = Audit()
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self._server = grpc.aio.server()
        registry_pb2_grpc.add_RegistryServiceServicer_to_server(self.registry, self._server)
        identity_pb2_grpc.add_IdentityServiceServicer_to_server(self.identity, self._server)
        audit_pb2_grpc.add_AuditServiceServicer_to_server(self.audit, self._server)
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)

    def channel(self, name: str) -> ServiceChannel:
        return channel(self.address, peer=name, key="mcp_test")
