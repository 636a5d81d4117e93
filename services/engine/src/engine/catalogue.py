"""What the registry knows of a workflow, made ready to run. Versions never change, so they are asked for once."""

import asyncio
import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chassis.client import ServiceChannel
from chassis.context import ANONYMOUS, current, use
from chassis.errors import Precondition
from chassis.expressions import ExpressionError
from engine.components import Components
from engine.dispatch.plans import PlanCache
from engine.inputs import Declared
from engine.plan import Plan
from engine.wire import plans as wire
from mcpanel.registry.v1 import component_pb2, registry_pb2, registry_pb2_grpc, workflow_pb2

_MOST: Final = 2000


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


class Catalogue:
    """Asks the registry, on behalf of the caller."""

    def __init__(self, channel: ServiceChannel, components: Components, plans: PlanCache) -> None:
        self._stub = registry_pb2_grpc.RegistryServiceStub(channel)
        self._components = components
        self._plans = plans
        self._known: dict[tuple[str, int], tuple[Plan, bytes, Mapping[str, Declared], tuple[str, ...]]] = {}

    async def prepare(self, workflow: str, version: int) -> Prepared:
        """The workflow (id or name) at a version, 0 for the newest.

        Raises NotFound WORKFLOW_NOT_FOUND, Unavailable naming the registry, and whatever else the registry says.
        """
        found = await self._workflow(workflow, version)
        key = (found.id, found.version)
        known = self._known.get(key)
        if known is None or any(self._components.known(one) is None for one in known[3]):
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[key] = await self._compile(found)
        plan, body, declared, version_ids = known
        versions = tuple(one for id_ in version_ids if (one := self._components.known(id_)) is not None)
        is_public = found.visibility == component_pb2.Definition.PUBLIC
        return Prepared(
            found.id, found.name, found.version, found.owner_id, is_public, plan, body, declared, versions
        )

    async def _workflow(self, workflow: str, version: int) -> workflow_pb2.Workflow:
        found: workflow_pb2.Workflow = (
            await self._stub.GetWorkflow(registry_pb2.GetWorkflowRequest(workflow_id=workflow))
        ).workflow
        if version in (0, found.version):
            return found
        request = registry_pb2.GetWorkflowVersionRequest(workflow_id=found.id, version=version)
        old: workflow_pb2.Workflow = (await self._stub.GetWorkflowVersion(request)).workflow
        # What is of the workflow and not of one version is as it is now.
        old.id, old.name, old.version = found.id, found.name, version
        old.owner_id, old.visibility = found.owner_id, found.visibility
        return old

    async def _compile(
        self, workflow: workflow_pb2.Workflow
    ) -> tuple[Plan, bytes, Mapping[str, Declared], tuple[str, ...]]:
        ids = tuple(dict.fromkeys(step.component_version_id for step in workflow.steps))
        versions = dict(zip(ids, await asyncio.gather(*(self._version(one) for one in ids)), strict=True))
        try:
            body = wire.document(workflow, versions)
            plan = self._plans.compiled(body, hashlib.sha256(body).digest())
        except ExpressionError as error:
            raise Precondition(
                "WORKFLOW_INVALID",
                f"workflow '{workflow.name}' cannot run: {error}; save it again",
                resource=("workflow", workflow.name),
            ) from None
        return plan, body, wire.declared(workflow), ids

    async def _version(self, version_id: str) -> component_pb2.Version:
        """The version. A workflow that may be run may run all it is made of, so the engine asks for itself."""
        known = self._components.known(version_id)
        if known is not None:
            return known
        request = registry_pb2.GetVersionRequest(version_id=version_id)
        with use(dataclasses.replace(current(), caller=ANONYMOUS)):
            version: component_pb2.Version = (await self._stub.GetVersion(request)).version
        self._components.put(version)
        return version
