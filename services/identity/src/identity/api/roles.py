"""Roles."""

from typing import Any

from chassis import outbox
from chassis.context import current
from identity import store, wire
from identity.api.common import Part
from identity.domain import roles, users
from mcpanel.identity.v1 import identity_pb2 as pb


class Roles(Part):
    """The methods about them."""

    async def ListRoles(self, request: pb.ListRolesRequest, _: Any) -> pb.ListRolesResponse:
        async with self._db.read() as tx:
            return pb.ListRolesResponse(roles=[wire.role(role) for role in await store.roles.every(tx)])

    async def GetRole(self, request: pb.GetRoleRequest, _: Any) -> pb.GetRoleResponse:
        async with self._db.read() as tx:
            role = await store.roles.find(tx, request.role_name)
        if role is None:
            raise roles.not_found(request.role_name)
        return pb.GetRoleResponse(role=wire.role(role))

    async def CreateRole(self, request: pb.CreateRoleRequest, _: Any) -> pb.CreateRoleResponse:
        role = roles.new(request.role.name, request.role.description, request.role.permissions)
        roles.within(role.permissions, current().caller.effective.permissions)
        async with self._db.begin() as tx:
            await store.roles.lock_all(tx)
            roles.unlike(role.name, await store.roles.every(tx))
            await store.roles.add(tx, role)
            await outbox.add(tx, entity=("role", role.name), new=role.facts())
            return tx.reply(pb.CreateRoleResponse(role=wire.role(role)))

    async def UpdateRole(self, request: pb.UpdateRoleRequest, _: Any) -> pb.UpdateRoleResponse:
        values = wire.role_changes(request)
        async with self._db.begin() as tx:
            await store.roles.lock_all(tx)
            old = await store.roles.find(tx, request.role_name)
            if old is None:
                raise roles.not_found(request.role_name)
            new = roles.changed(old, values, request.role.etag)
            roles.within(old.permissions | new.permissions, current().caller.effective.permissions)
            if new != old:
                await store.roles.save(tx, old, new)
                if old.administers and not await store.users.count_administrators(tx):
                    raise users.last_administrator(("role", old.name))
                await outbox.add(tx, entity=("role", new.name), old=old.facts(), new=new.facts())
            return tx.reply(pb.UpdateRoleResponse(role=wire.role(new)))

    async def DeleteRole(self, request: pb.DeleteRoleRequest, _: Any) -> pb.DeleteRoleResponse:
        async with self._db.begin() as tx:
            await store.roles.lock_all(tx)
            role = await store.roles.find(tx, request.role_name)
            if role is None:
                raise roles.not_found(request.role_name)
            roles.own(role)
            if any(found := await store.roles.uses(tx, role.name)):
                raise roles.in_use(role.name, *found)
            await store.roles.remove(tx, role.name)
            await outbox.add(tx, entity=("role", role.name), old=role.facts())
            return tx.reply(pb.DeleteRoleResponse())
