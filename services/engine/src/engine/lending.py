"""Whether what is to run may still be used by those who made it: the registry knows, and is asked before each start."""

from collections.abc import Sequence
from typing import Final

from chassis.client import ServiceChannel
from chassis.context import use
from chassis.errors import Precondition
from chassis.sharing import Remembered
from engine.catalogue import Prepared
from mcpanel.registry.v1 import registry_pb2, registry_pb2_grpc

Missing = registry_pb2.CheckPartsResponse.Missing

_GOOD_FOR: Final = 4.0
"""Seconds: what is taken back cannot be started five seconds later."""
_SECONDS: Final = 5.0
_SHOWN: Final = 3
_KINDS: Final = {
    Missing.DEFINITION: "component",
    Missing.WORKFLOW: "workflow",
    Missing.DATA_SOURCE: "data source",
    Missing.SECRET: "secret",
}


class Lending:
    """Asks the registry, on the engine's own behalf."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = registry_pb2_grpc.RegistryServiceStub(channel)
        # Whatever is missing may be shared again at any moment.
        self._missing: Remembered[tuple[str, int], Sequence[Missing]] = Remembered(
            _GOOD_FOR, keeps=lambda missing: not missing
        )

    async def check(self, prepared: Prepared) -> None:
        """Returns when all that this version is made of may be used.

        Raises Precondition PARTS_NOT_SHARED, and Unavailable naming the service that does not answer.
        """
        id_ = prepared.workflow_id or prepared.versions[0].id
        key = (id_, prepared.version)

        async def ask() -> Sequence[Missing]:
            request = registry_pb2.CheckPartsRequest(version_id=id_)
            if prepared.workflow_id:
                request.workflow.workflow_id, request.workflow.version = key
            with use(None):
                answer: registry_pb2.CheckPartsResponse = await self._stub.CheckParts(
                    request, timeout=_SECONDS
                )
            return answer.missing

        if missing := await self._missing.get(key, ask):
            raise _not_shared(prepared, missing)


def _not_shared(prepared: Prepared, missing: Sequence[Missing]) -> Precondition:
    kind = "workflow" if prepared.workflow_id else "component"
    shown = "; ".join(_sentence(one) for one in missing[:_SHOWN])
    more = f"; and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return Precondition(
        "PARTS_NOT_SHARED",
        f"{kind} '{prepared.name}' cannot run: {shown}{more}",
        metadata={
            "missing": ",".join(f"{Missing.Kind.Name(one.kind).lower()}:{one.id}" for one in missing[:100])
        },
        resource=(kind, prepared.name),
    )


def _sentence(one: Missing) -> str:
    what, fix = (
        f"{_KINDS.get(one.kind, 'part')} '{one.name}'",
        f"make a newer version of {one.used_by} without it",
    )
    if one.deleted:
        return f"{what}, which {one.used_by} uses, was deleted; {fix}"
    whom = " or ".join(f"'{id_}'" for id_ in one.lender_ids)
    return (
        f"{what} is private and not shared with {whom}, with whose rights {one.used_by} uses it; "
        f"its owner can share it again or make it public, or {fix}"
    )
