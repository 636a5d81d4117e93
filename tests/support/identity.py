"""An identity service that knows the roles, Ada and the tests' callers; for services that ask who somebody is."""

from typing import Any

import grpc.aio

from chassis.errors import NotFound
from chassis.statuses import grpc_code, to_status, trailing
from identity.domain import roles
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from tests.support.callers import ALL

_KINDS = {"user": identity_pb2.Principal.USER, "service": identity_pb2.Principal.SERVICE}


class Identity(identity_pb2_grpc.IdentityServiceServicer):
    """Answers as identity would, for people that stay who they are."""

    def __init__(self) -> None:
        self.inactive: set[str] = set()
        """The ids of those who may log in no more."""
        self.asked: list[str] = []
        """Whom GetPrincipal was asked about."""

    async def serve(self, server: grpc.aio.Server, address: str) -> None:
        """Starts to answer there."""
        identity_pb2_grpc.add_IdentityServiceServicer_to_server(self, server)
        server.add_insecure_port(address)
        await server.start()

    async def GetPrincipal(  # the contract's name
        self, request: identity_pb2.GetPrincipalRequest, context: Any
    ) -> identity_pb2.GetPrincipalResponse:
        self.asked.append(request.principal_id)
        for one in ALL:
            is_asked = one.kind in _KINDS and request.principal_id in (one.id, one.name)
            if is_asked and one.id not in self.inactive:
                found = identity_pb2.Principal(
                    id=one.id,
                    name=one.name,
                    kind=_KINDS[one.kind],
                    roles=sorted(one.roles),
                    permissions=sorted(one.permissions),
                )
                return identity_pb2.GetPrincipalResponse(principal=found)
        error = NotFound("PRINCIPAL_NOT_FOUND", f"no user or account is {request.principal_id!r}")
        context.set_trailing_metadata(trailing(to_status(error)))
        await context.abort(grpc_code(error), error.message)
        raise AssertionError

    async def CheckNames(  # the contract's name
        self, request: identity_pb2.CheckNamesRequest, _: Any
    ) -> identity_pb2.CheckNamesResponse:
        held = {role.name: role.permissions for role in roles.BUILT_IN}
        holders = sorted(name for name, permissions in held.items() if request.permission in permissions)
        held |= {"ada@example.com": held["Editor"], "a@example.com": held["Admin"]}
        held |= {name: one.permissions for one in ALL for name in (one.id, one.name)}
        return identity_pb2.CheckNamesResponse(
            unknown=[name for name in request.names if name not in held],
            lacking=[one for one in request.names if one in held and request.permission not in held[one]],
            roles=holders,
        )
