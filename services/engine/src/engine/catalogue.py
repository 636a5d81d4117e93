"""What the registry knows of a workflow, made ready to run. Versions never change, so they are asked for once."""

import asyncio
import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from chassis.client import ServiceChannel
from chassis.context import ANONYMOUS, current, use
from chassis.errors import FieldViolation, Invalid, Precondition
from chassis.expressions import MAX_EXPRESSIONS, ExpressionError
from chassis.jsonschema import Schema
from chassis.sharing import Shared
from engine.components import Components
from engine.concurrency import Concurrency
from engine.dispatch.plans import PlanCache
from engine.inputs import Declared
from engine.plan import Plan
from engine.wire import plans as wire
from mcpanel.registry.v1 import component_pb2, registry_pb2, registry_pb2_grpc, workflow_pb2

_MOST: Final = 2000
_PACKAGE: Final = component_pb2.Definition.MCP
"""The type of components of which some are packages."""

_Component = tuple[component_pb2.Version, workflow_pb2.Workflow | None]
"""A version and, of a package of components, what it runs as."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A version of a workflow, ready to run."""

    workflow_id: str
    name: str
    version: int
    owner_id: str
    is_public: bool
    plan: Plan
    body: bytes
    declared: Mapping[str, Declared]
    versions: tuple[component_pb2.Version, ...]
    priority: int = 0
    concurrency: Concurrency | None = None
    kind: str = "workflow"
    """What whoever gives inputs takes it for: `workflow` or `component`."""
    takes: Schema | None = None
    """What its inputs have to be beside what is declared of each; None: nothing."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What never changes of a version."""

    plan: Plan
    body: bytes
    declared: Mapping[str, Declared]
    version_ids: tuple[str, ...]
    priority: int
    concurrency: Concurrency | None


class Catalogue:
    """Asks the registry, on behalf of the caller."""

    def __init__(self, channel: ServiceChannel, components: Components, plans: PlanCache) -> None:
        self._stub = registry_pb2_grpc.RegistryServiceStub(channel)
        self._components = components
        self._plans = plans
        self._known: dict[tuple[str, int], _Compiled] = {}
        self._packages: dict[str, workflow_pb2.Workflow | None] = {}
        """What those versions run as that are packages of components; None for those that might be and are none."""
        self._shared: Shared[tuple[str, str], workflow_pb2.Workflow] = Shared()

    async def prepare(self, workflow: str, version: int) -> Prepared:
        """The workflow (id or name) at a version, 0 for the newest.

        Raises NotFound WORKFLOW_NOT_FOUND, Precondition WORKFLOW_ARCHIVED, Unavailable naming the registry, and
        whatever else the registry says.
        """
        found = await self._current(workflow)
        if found.status == workflow_pb2.Workflow.ARCHIVED:
            raise Precondition(
                "WORKFLOW_ARCHIVED",
                f"workflow '{found.name}' is archived and starts no runs; set its status to PUBLISHED to restore it",
                resource=("workflow", found.name),
            )
        key = (found.id, version or found.version)
        known = self._known.get(key)
        if known is None or any(self._components.known(one) is None for one in known.version_ids):
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[key] = await self._compile(await self._content(found, key[1]))
        return Prepared(
            found.id,
            found.name,
            key[1],
            found.owner_id,
            found.visibility == component_pb2.Definition.PUBLIC,
            known.plan,
            known.body,
            known.declared,
            tuple(one for id_ in known.version_ids if (one := self._components.known(id_)) is not None),
            known.priority,
            known.concurrency,
        )

    async def prepare_version(
        self, version_id: str, given: Collection[str], limit: timedelta | None
    ) -> Prepared:
        """One version of a component as a workflow of one step, that passes the `given` inputs on and may run up to
        a `limit`.

        Raises NotFound VERSION_NOT_FOUND for whoever may not see it, Invalid RUN_INPUT_INVALID when there are too many
        of them, Unavailable naming the registry.
        """
        request = registry_pb2.GetVersionRequest(version_id=version_id)
        version, _ = self._taken(await self._stub.GetVersion(request))
        wanted = registry_pb2.GetDefinitionRequest(definition_id=version.definition_id)
        definition: component_pb2.Definition = (await self._stub.GetDefinition(wanted)).definition
        alone = await self._alone(version, given, limit)
        is_public = definition.visibility == component_pb2.Definition.PUBLIC
        return dataclasses.replace(alone, owner_id=definition.owner_id, is_public=is_public)

    async def prepare_part(self, version_id: str, given: Collection[str]) -> Prepared:
        """Like `prepare_version`, of a version that something is made of which the caller may run. It is nobody's.

        Raises NotFound VERSION_NOT_FOUND, Unavailable naming the registry.
        """
        version, _ = await self._version(version_id)
        return await self._alone(version, given, None)

    async def _alone(
        self, version: component_pb2.Version, given: Collection[str], limit: timedelta | None
    ) -> Prepared:
        """A version as a workflow of one step, nobody's and private."""
        declared = wire.declared_by(version, given)
        passed = [name for name, one in declared.items() if name in given or not one.optional]
        if len(passed) > MAX_EXPRESSIONS:
            text = (
                f"{len(passed):,} names; at most {MAX_EXPRESSIONS:,}. Give many values as one object or list"
            )
            raise Invalid("RUN_INPUT_INVALID", f"inputs: {text}", fields=[FieldViolation("inputs", text)])
        workflow = wire.workflow_of_one(version, passed, limit)
        parts = await self._parts([workflow], {})
        body = wire.document(workflow, parts)
        plan = self._plans.compiled(body, hashlib.sha256(body).digest())
        versions = tuple(parts.versions.values())
        return Prepared(
            "",
            version.definition_name,
            0,
            "",
            False,
            plan,
            body,
            declared,
            versions,
            kind="component",
            takes=wire.taken_by(version),
        )

    async def _current(self, workflow: str) -> workflow_pb2.Workflow:
        """The workflow as it is now, without its content. Calls of one caller share what they ask at one time."""
        request = registry_pb2.GetWorkflowRequest(workflow_id=workflow, view=registry_pb2.BASIC)

        async def ask() -> workflow_pb2.Workflow:
            answer: registry_pb2.GetWorkflowResponse = await self._stub.GetWorkflow(request)
            return answer.workflow

        return await self._shared.get((current().caller.effective.credential, workflow), ask)

    async def _content(self, found: workflow_pb2.Workflow, version: int) -> workflow_pb2.Workflow:
        request = registry_pb2.GetWorkflowVersionRequest(workflow_id=found.id, version=version)
        content: workflow_pb2.Workflow = (await self._stub.GetWorkflowVersion(request)).workflow
        # What is of the workflow and not of one version is as it is now.
        content.id, content.name = found.id, found.name
        content.owner_id, content.visibility = found.owner_id, found.visibility
        return content

    async def _compile(self, workflow: workflow_pb2.Workflow) -> _Compiled:
        workflows = await self._inner(workflow)
        parts = await self._parts([workflow, *workflows.values()], workflows)
        try:
            body = wire.document(workflow, parts)
            plan = self._plans.compiled(body, hashlib.sha256(body).digest())
            concurrency = wire.concurrency(workflow)
        except ExpressionError as error:
            raise Precondition(
                "WORKFLOW_INVALID",
                f"workflow '{workflow.name}' cannot run: {error}; save it again",
                resource=("workflow", workflow.name),
            ) from None
        return _Compiled(
            plan, body, wire.declared(workflow), tuple(parts.versions), workflow.priority, concurrency
        )

    async def _parts(
        self,
        contents: Sequence[workflow_pb2.Workflow],
        workflows: Mapping[tuple[str, int], workflow_pb2.Workflow],
    ) -> wire.Parts:
        """The versions that the steps of these run, the packages among them, and what is inside those."""
        versions: dict[str, component_pb2.Version] = {}
        packages: dict[str, workflow_pb2.Workflow] = {}
        ahead = list(contents)
        while ahead:
            steps = (step for one in ahead for step in one.steps if step.component_version_id)
            ids = [
                one
                for one in dict.fromkeys(step.component_version_id for step in steps)
                if one not in versions
            ]
            found = dict(zip(ids, await asyncio.gather(*map(self._version, ids)), strict=True))
            versions |= {id_: version for id_, (version, _) in found.items()}
            inside = {id_: package for id_, (_, package) in found.items() if package is not None}
            packages |= inside
            ahead = list(inside.values())
        return wire.Parts(versions, workflows, packages)

    async def _inner(self, workflow: workflow_pb2.Workflow) -> dict[tuple[str, int], workflow_pb2.Workflow]:
        """The workflows that run as its steps, and as theirs."""
        found: dict[tuple[str, int], workflow_pb2.Workflow] = {}
        wanted = _steps_that_are_workflows(workflow)
        while wanted:
            request = registry_pb2.GetWorkflowVersionRequest(workflow_id=wanted[0][0], version=wanted[0][1])
            with use(dataclasses.replace(current(), caller=ANONYMOUS)):
                one = found[wanted[0]] = (await self._stub.GetWorkflowVersion(request)).workflow
            wanted = [key for key in (*wanted[1:], *_steps_that_are_workflows(one)) if key not in found]
        return found

    async def _version(self, version_id: str) -> _Component:
        """The version. A workflow that may be run may run all it is made of, so the engine asks for itself."""
        known = self._components.known(version_id)
        if known is not None and (known.type != _PACKAGE or version_id in self._packages):
            return known, self._packages.get(version_id)
        request = registry_pb2.GetVersionRequest(version_id=version_id)
        with use(dataclasses.replace(current(), caller=ANONYMOUS)):
            return self._taken(await self._stub.GetVersion(request))

    def _taken(self, answer: registry_pb2.GetVersionResponse) -> _Component:
        """The version of an answer, kept in memory."""
        version, package = answer.version, answer.package if answer.HasField("package") else None
        if version.type == _PACKAGE:
            if len(self._packages) >= _MOST:
                self._packages.clear()
            self._packages[version.id] = package
        self._components.put(version)
        return version, package


def _steps_that_are_workflows(workflow: workflow_pb2.Workflow) -> list[tuple[str, int]]:
    return [(step.workflow_id, step.workflow_version) for step in workflow.steps if step.workflow_id]
