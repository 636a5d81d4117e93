"""Who visits apps: what they may see by now, asked again as long as they visit."""

from typing import Final

from chassis import contracts
from chassis.authentication.remote import revoked
from chassis.authentication.revocations import Revocations
from chassis.client import ServiceChannel
from chassis.context import Caller, use
from chassis.errors import NotFound, ServiceError
from chassis.sharing import Remembered
from engine.reach import Reach
from engine.records import NOTHING
from engine.store.runs import Reader
from engine.visits import Visit, invalid
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc

_OPEN: Final = "mcpanel.engine.v1.AppService/OpenApp"
"""Whose rule governs a visit as long as it lasts."""
_GOOD_FOR: Final = 4.0
"""Seconds: what is taken away from somebody is gone within five."""
_SECONDS: Final = 5.0


class Visitors:
    """Asks identity and the registry, on the engine's own behalf."""

    def __init__(self, identity: ServiceChannel, reach: Reach) -> None:
        self._stub = identity_pb2_grpc.IdentityServiceStub(identity)
        self._revocations = Revocations(lambda: revoked(self._stub))
        self._reach = reach
        self._known: Remembered[str, Caller | None] = Remembered(_GOOD_FOR)

    async def reader(self, visit: Visit) -> Reader:
        """Who visits, as a reader. Raises Unauthenticated APP_TICKET_INVALID when they may read no runs any more or
        their session is over, Unavailable naming identity.
        """
        rule = contracts.rules()[_OPEN]
        caller = await self._known.get(visit.user_id, lambda: self._ask(visit.user_id))
        if caller is None or not caller.may(rule.permission):
            raise invalid()
        in_session = Caller(id=caller.id, kind=caller.kind, name=caller.name, session_id=visit.session_id)
        if visit.session_id and await self._revocations.why(in_session):
            raise invalid()
        if caller.may(rule.others):
            return Reader(None, only=visit.run_id)
        try:
            given = await self._reach.of(caller)
        except ServiceError:
            given = NOTHING
        return Reader(caller.id, given, only=visit.run_id)

    async def _ask(self, user_id: str) -> Caller | None:
        request = identity_pb2.GetPrincipalRequest(principal_id=user_id)
        try:
            with use(None):
                found = (await self._stub.GetPrincipal(request, timeout=_SECONDS)).principal
        except NotFound:
            return None
        return Caller(
            id=found.id,
            kind="user",
            name=found.name,
            roles=frozenset(found.roles),
            permissions=frozenset(found.permissions),
        )
