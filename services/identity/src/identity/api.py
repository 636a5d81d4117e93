"""The IdentityService: who may do what."""

from dataclasses import dataclass
from typing import Any, Final

from chassis import contracts, filtering, outbox, paging
from chassis.context import Caller, current, utcnow
from chassis.database import Database, Transaction
from chassis.errors import Denied, NotFound
from chassis.ids import uuid7
from identity import store, wire
from identity.authenticator import LocalAuthenticator
from identity.domain import api_keys, roles, sessions, throttling, tokens, users
from identity.domain.api_keys import ApiKey
from identity.domain.users import User
from identity.logins import Logins, Random
from identity.passwords import Passwords
from identity.signing import Signer
from mcpanel.identity.v1 import identity_pb2 as pb
from mcpanel.identity.v1 import identity_pb2_grpc

_OF_RUNS: Final = "mcpanel.datasources.v1.DataSourceService/ExecuteQuery"
"""The one method that a run's token is for."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the servicer is made of."""

    db: Database
    authenticator: LocalAuthenticator
    passwords: Passwords
    signer: Signer
    logins: Logins
    random: Random
    registration_open: bool


class IdentityService(identity_pb2_grpc.IdentityServiceServicer):
    """Users, roles, sessions and API keys."""

    def __init__(self, parts: Parts) -> None:
        self._db = parts.db
        self._authenticator = parts.authenticator
        self._passwords = parts.passwords
        self._signer = parts.signer
        self._logins = parts.logins
        self._random = parts.random
        self._registration_open = parts.registration_open

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

    async def Login(self, request: pb.LoginRequest, _: Any) -> pb.LoginResponse:
        return wire.login(await self._logins.login(request.email, request.password))

    async def RefreshSession(self, request: pb.RefreshSessionRequest, _: Any) -> pb.RefreshSessionResponse:
        return wire.refreshed(await self._logins.refresh(request.refresh_token))

    async def Logout(self, request: pb.LogoutRequest, _: Any) -> pb.LogoutResponse:
        caller = current().caller.effective
        async with self._db.begin() as tx:
            token = sessions.digest(request.refresh_token) if request.refresh_token else None
            session = await store.sessions.lock_own(tx, caller.id, token, caller.session_id)
            if session is not None and session.ended_at is None:
                await store.sessions.end(tx, session.id, "logged out")
                await outbox.add(
                    tx, entity=("session", session.id), new={"user_id": session.user_id, "ended": True}
                )
            return tx.reply(pb.LogoutResponse())

    async def GetMe(self, request: pb.GetMeRequest, _: Any) -> pb.GetMeResponse:
        caller = current().caller.effective
        async with self._db.read() as tx:
            user = await store.users.find(tx, caller.id)
        return pb.GetMeResponse(principal=wire.caller(caller), user=wire.user(user) if user else None)

    async def ListUsers(self, request: pb.ListUsersRequest, _: Any) -> pb.ListUsersResponse:
        page = paging.parse(request, bound=("users", request.filter))
        wanted = filtering.parse(request.filter)
        async with self._db.read() as tx:
            rows = await store.users.page(tx, wanted, _before(page), page.limit)
        items, token = page.cut(rows, lambda user: (user.id,))
        return pb.ListUsersResponse(users=[wire.user(user) for user in items], next_page_token=token)

    async def GetUser(self, request: pb.GetUserRequest, _: Any) -> pb.GetUserResponse:
        caller = current().caller
        user_id = _named(caller, request.user_id)
        if user_id != caller.effective.id and not current().may_others():
            raise NotFound("USER_NOT_FOUND", f"user {user_id!r} does not exist", resource=("user", user_id))
        async with self._db.read() as tx:
            user = await store.users.get(tx, user_id)
        return pb.GetUserResponse(user=wire.user(user))

    async def UpdateUser(self, request: pb.UpdateUserRequest, _: Any) -> pb.UpdateUserResponse:
        call = current()
        user_id = _named(call.caller, request.user_id)
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
            await store.roles.lock_administrators(tx)
            before = await store.users.lock(tx, user_id)
            change = users.change(
                before,
                values,
                etag=request.user.etag,
                new_password_hash=new_hash,
                oneself=oneself,
                proved=proved == before.password_hash,
                administers=administers,
                needed=call.rule.others,
                now=tx.now,
            )
            after = change.user
            if after.role_name != before.role_name:
                held = call.caller.effective.permissions
                roles.grantable(await store.roles.every(tx), after.role_name, held, "user.role_name")
            users.keep_an_administrator(before, after, await store.users.count_administrators(tx))
            await self._save(tx, before, change)
            return tx.reply(pb.UpdateUserResponse(user=wire.user(after)))

    async def DeleteUser(self, request: pb.DeleteUserRequest, _: Any) -> pb.DeleteUserResponse:
        user_id = _named(current().caller, request.user_id)
        async with self._db.begin() as tx:
            await store.roles.lock_administrators(tx)
            user = await store.users.lock(tx, user_id)
            users.keep_an_administrator(user, None, await store.users.count_administrators(tx))
            await store.users.remove(tx, user.id)
            await outbox.add(tx, entity=("user", user.id), old=user.facts(), personal=users.PERSONAL)
            return tx.reply(pb.DeleteUserResponse())

    async def ListRoles(self, request: pb.ListRolesRequest, _: Any) -> pb.ListRolesResponse:
        async with self._db.read() as tx:
            return pb.ListRolesResponse(roles=[wire.role(role) for role in await store.roles.every(tx)])

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, _: Any) -> pb.CreateApiKeyResponse:
        caller = current().caller.effective
        secret = api_keys.generate(self._random(api_keys.RANDOM_BYTES))
        async with self._db.begin() as tx:
            owner = await store.users.find(tx, caller.id)
            role = roles.grantable(
                await store.roles.every(tx),
                request.role_name or roles.only(caller.roles),
                caller.permissions,
                "role_name",
            )
            parent = await store.keys.get(tx, caller.credential_id) if caller.kind != "user" else None
            key = ApiKey(
                id=uuid7(tx.now),
                lookup=api_keys.lookup_of(secret) or "",
                digest=api_keys.digest(secret),
                name=request.name,
                user_id=caller.id if owner else None,
                account_id=None if owner else caller.id,
                role_name=role.name,
                created_at=tx.now,
                expires_at=api_keys.expiry(tx.now, wire.lifetime(request), parent),
            )
            await store.keys.add(tx, key)
            await outbox.add(tx, entity=("api_key", key.id), new=key.facts())
            stored = pb.CreateApiKeyResponse(api_key=wire.api_key(key))
            response = pb.CreateApiKeyResponse(api_key=stored.api_key, secret=secret)
            return tx.reply(response, stored=stored)

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, _: Any) -> pb.ListApiKeysResponse:
        caller = current().caller
        owner = None if current().may_others() else caller.effective.id
        page = paging.parse(request, bound=("api_keys", owner))
        async with self._db.read() as tx:
            rows = await store.keys.page(tx, owner, _before(page), page.limit)
        items, token = page.cut(rows, lambda key: (key.id,))
        return pb.ListApiKeysResponse(api_keys=[wire.api_key(key) for key in items], next_page_token=token)

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, _: Any) -> pb.RevokeApiKeyResponse:
        caller = current().caller
        owner = None if current().may_others() else caller.effective.id
        async with self._db.begin() as tx:
            key = await store.keys.lock(tx, request.api_key_id, owner)
            revoked = key if key.revoked_at else await store.keys.revoke(tx, key)
            if revoked is not key:
                await outbox.add(tx, entity=("api_key", key.id), old=key.facts(), new=revoked.facts())
            return tx.reply(pb.RevokeApiKeyResponse(api_key=wire.api_key(revoked)))

    async def Authenticate(self, request: pb.AuthenticateRequest, _: Any) -> pb.AuthenticateResponse:
        principal = await self._authenticator.by_key(request.credential)
        return pb.AuthenticateResponse(principal=wire.principal(principal))

    async def GetPrincipal(self, request: pb.GetPrincipalRequest, _: Any) -> pb.GetPrincipalResponse:
        async with self._db.read() as tx:
            found = await store.principals.get(tx, request.principal_id)
        return pb.GetPrincipalResponse(principal=wire.principal(found))

    async def CheckNames(self, request: pb.CheckNamesRequest, _: Any) -> pb.CheckNamesResponse:
        async with self._db.read() as tx:
            held = await store.principals.permissions_by_name(tx, request.names)
            every = await store.roles.every(tx)
        names, holders = dict.fromkeys(request.names), roles.holders(held, request.permission)
        return pb.CheckNamesResponse(
            unknown=[name for name in names if name not in held],
            lacking=[name for name in names if name in held and name not in holders],
            roles=[one.name for one in every if request.permission in one.permissions],
        )

    async def IssueRunToken(self, request: pb.IssueRunTokenRequest, _: Any) -> pb.IssueRunTokenResponse:
        now = utcnow().replace(microsecond=0)
        subject = (request.subject_id, request.subject_name)
        permission = contracts.rules()[_OF_RUNS].permission
        claims = tokens.run_claims(
            request.run_id,
            subject,
            request.data_source_ids,
            permissions=(permission,),
            jti=uuid7(now),
            now=now,
        )
        return pb.IssueRunTokenResponse(
            token=self._signer.key.sign(claims), expires_at=wire.time(now + tokens.RUN_LIFE)
        )

    async def GetJwks(self, request: pb.GetJwksRequest, _: Any) -> pb.GetJwksResponse:
        async with self._db.read() as tx:
            return wire.jwks(await store.signing_keys.published(tx))

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

    async def _save(self, tx: Transaction, before: User, change: users.Change) -> None:
        """Stores a change with its audit entry."""
        after = change.user
        if after == before:
            return
        await store.users.save(tx, after)
        if change.ends_sessions:
            await store.sessions.end_all(tx, after.id, "password, role or activity changed")
        if change.password_changed:
            await store.attempts.forget(tx, throttling.email_subject(after.email_key))
        details = {"also_changed": ["password"]} if change.password_changed else None
        await outbox.add(
            tx,
            entity=("user", after.id),
            old=before.facts(),
            new=after.facts(),
            details=details,
            personal=users.PERSONAL,
        )


def _named(caller: Caller, user_id: str) -> str:
    return caller.effective.id if user_id == "me" else user_id


def _before(page: paging.Page) -> str | None:
    return str(page.after[0]) if page.after else None
