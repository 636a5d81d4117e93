"""Fixed callers for API tests: an Authenticator that knows them by their tokens.

server = Server(config, servicers, authenticator=TestAuthenticator())
await stub.GetDefinition(request, metadata=as_caller(EDITOR))
"""

import dataclasses
from collections.abc import Iterable
from typing import Final

from chassis.context import Caller
from chassis.errors import Unauthenticated
from identity.domain import roles

_BY_ROLE: Final = {role.name: role.permissions for role in roles.BUILT_IN}


def user(name: str, role: str, number: int) -> Caller:
    """A person with a role. The token is `<name>-token`, the id `00000000-0000-7000-8000-<number>`."""
    return Caller(
        id=_id(number),
        kind="user",
        name=f"{name}@example.com",
        roles=frozenset({role}),
        permissions=_BY_ROLE[role],
        credential=f"{name}-token",
        credential_id=f"{name}-jti",
        session_id=f"{name}-session",
    )


def service(name: str, number: int) -> Caller:
    """One of the suite's services, with a token and an id like a person's."""
    return Caller(
        id=_id(number),
        kind="service",
        name=name,
        credential=f"{name}-token",
        credential_id=f"{name}-key",
    )


def _id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"


ADMIN: Final = user("admin", roles.ADMIN, 1)
EDITOR: Final = user("editor", roles.EDITOR, 2)
OTHER_EDITOR: Final = user("other-editor", roles.EDITOR, 3)
VIEWER: Final = user("viewer", roles.VIEWER, 4)
KEEPER: Final = dataclasses.replace(
    user("keeper", roles.ADMIN, 5),
    roles=frozenset({"Keeper"}),
    permissions=_BY_ROLE[roles.ADMIN] - {"resources.all"},
)
"""Somebody of a role of their own, who may do everything but reach what is somebody else's."""
SERVICE: Final = service("engine", 10)
GATEWAY: Final = service("gateway", 12)
REGISTRY: Final = service("registry", 14)
GUEST: Final = Caller(
    id=_id(13),
    kind="user",
    name="guest@example.com",
    credential="guest-token",
    credential_id="guest-jti",
)
WORKER: Final = dataclasses.replace(
    service("worker", 11), kind="worker", permissions=roles.WORKER_PERMISSIONS
)
ANONYMOUS: Final = Caller(id="", kind="anonymous", name="anonymous")
ALL: Final = (ADMIN, EDITOR, OTHER_EDITOR, VIEWER, KEEPER, SERVICE, GATEWAY, REGISTRY, GUEST, WORKER)


class TestAuthenticator:
    """Maps `<name>-token` to its caller; every other credential is refused."""

    __test__ = False

    def __init__(self, callers: Iterable[Caller] = ALL) -> None:
        self._callers = {caller.credential: caller for caller in callers}

    def admit(self, caller: Caller) -> None:
        """Lets one more caller in."""
        self._callers[caller.credential] = caller

    async def authenticate(self, credential: str) -> Caller:
        """The caller with this token. Raises Unauthenticated CREDENTIALS_INVALID."""
        caller = self._callers.get(credential)
        if caller is None:
            raise Unauthenticated("CREDENTIALS_INVALID", "the API key is unknown, expired or revoked")
        return caller

    async def confirm(self, caller: Caller) -> Caller:
        """The caller as it is by now. Raises Unauthenticated CREDENTIALS_INVALID."""
        return await self.authenticate(caller.credential)

    def expel(self, caller: Caller) -> None:
        """Lets a caller in no more."""
        del self._callers[caller.credential]


def as_caller(caller: Caller, *, on_behalf_of: Caller | None = None) -> tuple[tuple[str, str], ...]:
    """The gRPC metadata that authenticates `caller`; empty for ANONYMOUS."""
    metadata: list[tuple[str, str]] = []
    if caller.credential:
        metadata.append(("authorization", f"Bearer {caller.credential}"))
    if on_behalf_of is not None:
        metadata.append(("x-mcpanel-on-behalf-of", on_behalf_of.credential))
    return tuple(metadata)


def acting_for(service: Caller, someone: Caller) -> Caller:
    """`service` calling on behalf of `someone`, as handlers see it."""
    return dataclasses.replace(service, on_behalf_of=someone)
