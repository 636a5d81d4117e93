"""Users."""

from typing import Any

from chassis import filtering, outbox, paging
from chassis.context import current
from chassis.database import Transaction
from chassis.errors import Denied
from chassis.ids import uuid7
from identity import lineage, store, wire
from identity.api.common import Part, above, before, named
from identity.domain import roles, throttling, users
from identity.domain.users import User
from mcpanel.identity.v1 import identity_pb2 as pb


class Users(Part):
    """The methods about them."""

    async def RegisterUser(self, request: pb.RegisterUserRequest, _: Any) -> pb.RegisterUserResponse:
        caller, chooses = current().caller, current().may_others()
        if not chooses and not self._registration_open:
            raise users.registration_closed()
        if not chooses:
            await self._logins.count_registration()
        password_hash = await self._passwords.hash(request.password)
        async with self._db.begin() as tx:
            operator = await store.accounts.find(tx, caller.effective.id)
            role_name = users.role_for_new(
                request.role_name,
                chooses=chooses,
                by_operator=operator is not None,
                first=not await store.users.any_exists(tx),
            )
            if chooses:
                roles.grantable(
                    await store.roles.every(tx), role_name, caller.effective.permissions, "role_name"
                )
            user = users.new(
                uuid7(tx.now),
                email=request.email,
                full_name=request.full_name,
                role_name=role_name,
                password_hash=password_hash,
                now=tx.now,
            )
            await store.users.add(tx, user)
            await outbox.add(tx, entity=("user", user.id), new=user.facts(), personal=users.PERSONAL)
            return tx.reply(pb.RegisterUserResponse(user=wire.user(user)))

    async def ListUsers(self, request: pb.ListUsersRequest, _: Any) -> pb.ListUsersResponse:
        page = paging.parse(request, bound=("users", request.filter))
        wanted = filtering.parse(request.filter)
        async with self._db.read() as tx:
            rows = await store.users.page(tx, wanted, before(page), page.limit)
        items, token = page.cut(rows, lambda user: (user.id,))
        return pb.ListUsersResponse(users=[wire.user(user) for user in items], next_page_token=token)

    async def GetUser(self, request: pb.GetUserRequest, _: Any) -> pb.GetUserResponse:
        caller = current().caller
        user_id = named(caller, request.user_id)
        if user_id != caller.effective.id and not current().may_others():
            raise users.missing(user_id)
        async with self._db.read() as tx:
            user = await store.users.get(tx, user_id)
        return pb.GetUserResponse(user=wire.user(user))

    async def UpdateUser(self, request: pb.UpdateUserRequest, _: Any) -> pb.UpdateUserResponse:
        call = current()
        user_id = named(call.caller, request.user_id)
        oneself, administers = user_id == call.caller.effective.id, call.may_others()
        if not oneself and not administers:
            raise Denied(
                "PERMISSION_MISSING",
                f"changing another user needs the permission {call.rule.others}",
                metadata={"permission": call.rule.others},
            )
        values = wire.changes(request)
        proved, new_hash = await self._new_password(user_id, request, oneself=oneself)
        async with self._db.begin() as tx:
            await store.roles.lock_all(tx)
            old = await store.users.lock(tx, user_id)
            change = users.change(
                old,
                values,
                etag=request.user.etag,
                new_password_hash=new_hash,
                oneself=oneself,
                proved=proved == old.password_hash,
                administers=administers,
                needed=call.rule.others,
                now=tx.now,
            )
            after = change.user
            await above(tx, old)
            every = await store.roles.every(tx)
            if after.role_name != old.role_name:
                roles.grantable(every, after.role_name, call.caller.effective.permissions, "user.role_name")
            users.keep_an_administrator(old, after, every, await store.users.count_administrators(tx))
            await self._save(tx, old, change)
            return tx.reply(pb.UpdateUserResponse(user=wire.user(after)))

    async def DeleteUser(self, request: pb.DeleteUserRequest, _: Any) -> pb.DeleteUserResponse:
        user_id = named(current().caller, request.user_id)
        async with self._db.begin() as tx:
            await store.roles.lock_all(tx)
            await store.keys.lock_lineage(tx)
            user = await store.users.lock(tx, user_id)
            await above(tx, user)
            every, administrators = await store.roles.every(tx), await store.users.count_administrators(tx)
            users.keep_an_administrator(user, None, every, administrators)
            await store.sessions.end_all(tx, user.id, "user deleted")
            await lineage.revoke(tx, await store.keys.revoke_all(tx, user.id))
            await store.users.remove(tx, user.id)
            await outbox.add(tx, entity=("user", user.id), old=user.facts(), personal=users.PERSONAL)
            return tx.reply(pb.DeleteUserResponse())

    async def _new_password(
        self, user_id: str, request: pb.UpdateUserRequest, *, oneself: bool
    ) -> tuple[str | None, str | None]:
        """The stored hash that `current_password` proved to be right, and the hash of the new password.

        Made outside the transaction. A wrong one is refused inside it, so that a repeated request is recognised
        although the password it names is the old one by then.
        """
        if not request.new_password:
            return None, None
        proved = None
        if oneself:
            async with self._db.read() as tx:
                user = await store.users.get(tx, user_id)
            if await self._logins.check_password(user, request.current_password):
                proved = user.password_hash
        return proved, await self._passwords.hash(request.new_password)

    async def _save(self, tx: Transaction, old: User, change: users.Change) -> None:
        """Stores a change with its audit entry."""
        after = change.user
        if after == old:
            return
        await store.users.save(tx, after)
        if change.ends_sessions:
            await store.sessions.end_all(tx, after.id, "password, role or activity changed")
        if change.ends_tickets:
            await store.password_tickets.withdraw(tx, after.id)
        if change.password_changed:
            await store.attempts.forget(tx, throttling.email_subject(after.email_key))
        details = {"also_changed": ["password"]} if change.password_changed else None
        await outbox.add(
            tx,
            entity=("user", after.id),
            old=old.facts(),
            new=after.facts(),
            details=details,
            personal=users.PERSONAL,
        )
