"""Roles."""

from typing import Any

from identity import store, wire
from identity.api.common import Part
from mcpanel.identity.v1 import identity_pb2 as pb


class Roles(Part):
    """The methods about them."""

    async def ListRoles(self, request: pb.ListRolesRequest, _: Any) -> pb.ListRolesResponse:
        async with self._db.read() as tx:
            return pb.ListRolesResponse(roles=[wire.role(role) for role in await store.roles.every(tx)])
