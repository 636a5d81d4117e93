"""Runs that start on somebody's behalf, without their credential: what they may do is asked when it happens."""

import asyncio
import secrets
import time
from collections.abc import Coroutine, Iterable, Mapping
from typing import Final

from chassis import contracts
from chassis.client import ServiceChannel
from chassis.context import Call, Caller, Kind, current_or_none, use
from chassis.errors import NotFound
from chassis.jsonvalue import Json
from engine import standing
from engine.catalogue import Prepared
from engine.domain import Payload
from engine.reach import Reach
from engine.standing import Owner
from engine.starting import Starter
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc

_START: Final = "mcpanel.engine.v1.EngineService/StartRun"
"""Whose rule governs these runs too."""
_SECONDS: Final = 5.0
_SECONDS_TO_START: Final = 20.0
_AT_ONCE: Final = 4
_KINDS: Final[dict[int, Kind]] = {
    identity_pb2.Principal.USER: "user",
    identity_pb2.Principal.API_KEY: "api_key",
    identity_pb2.Principal.SERVICE: "service",
}


class Owners:
    """Finds out whether a run may start on an owner's behalf, and makes it ready."""

    def __init__(self, identity: ServiceChannel, starter: Starter, reach: Reach) -> None:
        self._stub = identity_pb2_grpc.IdentityServiceStub(identity)
        self._starter = starter
        self._reach = reach

    async def call(self, owner: Owner) -> Call:
        """A call by the owner, to start a run in. Raises Precondition OWNER_MAY_NOT_START, Unavailable."""
        outer = current_or_none()
        rule = contracts.rules()[_START]
        request = identity_pb2.GetPrincipalRequest(principal_id=owner.id)
        try:
            with use(None):
                found = (await self._stub.GetPrincipal(request, timeout=_SECONDS)).principal
        except NotFound:
            raise standing.may_not_start(
                owner.id, "there is no such user any more, or it is inactive"
            ) from None
        caller = Caller(
            id=found.id,
            kind=_KINDS.get(found.kind, "user"),
            name=found.name,
            roles=frozenset(found.roles),
            permissions=frozenset(found.permissions) - (frozenset() if owner.is_admin else {rule.others}),
        )
        if not caller.may(rule.permission):
            why = f"it does not hold the permission {rule.permission} any more"
            raise standing.may_not_start(owner.id, why)
        return Call(
            method=outer.method if outer is not None else "",
            trace_id=outer.trace_id if outer is not None else secrets.token_hex(16),
            client_address=outer.client_address if outer is not None else "",
            rule=rule,
            caller=caller,
            deadline=time.monotonic() + _SECONDS_TO_START,
        )

    async def prepare(
        self, call: Call, workflow_id: str, version: int, given: Mapping[str, Json]
    ) -> tuple[Prepared, Payload]:
        """The workflow and the inputs, ready for a run of the owner's. Raises like Starter.prepare, and Precondition
        OWNER_MAY_NOT_START when the owner may not know of the workflow any more.
        """
        with use(call):
            prepared = await self._starter.described(workflow_id, version)
        knows = prepared.is_public or call.may_others() or prepared.owner_id == call.caller.id
        if not (knows or await self.is_given(call.caller, prepared.workflow_id)):
            raise standing.may_not_start(
                call.caller.id, f"workflow '{prepared.name}' is private to somebody else"
            )
        with use(call):
            return await self._starter.runnable(prepared, given)

    async def is_given(self, owner: Caller, workflow_id: str) -> bool:
        """Whether the workflow is shared with the owner. Raises Unavailable naming the registry."""
        return workflow_id in (await self._reach.of(owner)).seen


async def in_parallel(works: Iterable[Coroutine[None, None, None]]) -> None:
    """Does some at a time, so that one which waits for a service holds up few others."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(work: Coroutine[None, None, None]) -> None:
        async with places:
            await work

    await asyncio.gather(*(one(work) for work in works))
