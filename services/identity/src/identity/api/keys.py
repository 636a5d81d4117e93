"""API keys."""

from datetime import timedelta
from typing import Any

from chassis import outbox, paging
from chassis.authentication.tokens import invalid
from chassis.context import Caller, current
from chassis.database import Transaction
from chassis.errors import Denied
from chassis.ids import uuid7
from identity import lineage, store, wire
from identity.api.common import Part, before
from identity.domain import accounts, api_keys, roles
from identity.domain.accounts import Account
from identity.domain.api_keys import ApiKey
from mcpanel.identity.v1 import identity_pb2 as pb


class Keys(Part):
    """The methods about them."""

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, _: Any) -> pb.CreateApiKeyResponse:
        call = current()
        caller, account_id = call.caller.effective, request.service_account_id
        if account_id and not call.may_others():
            raise Denied(
                "PERMISSION_MISSING",
                f"a key for a service account needs the permission {call.rule.others}",
                metadata={"permission": call.rule.others},
            )
        scopes = api_keys.checked(request.scopes) or sorted(caller.scopes)
        async with self._db.begin() as tx:
            await store.keys.lock_lineage(tx)
            parent = await _shown(tx, caller)
            account = accounts.of_users(await store.accounts.get(tx, account_id)) if account_id else None
            user = None if account else await store.users.find(tx, caller.id)
            own = (account.role_name if account else None) or roles.only(caller.roles, request.role_name)
            role = roles.grantable(
                await store.roles.every(tx),
                request.role_name or own,
                caller.permissions,
                "role_name",
                lambda held: api_keys.narrowed(held, scopes),
            )
            key, secret = await self._make(
                tx,
                name=request.name,
                user_id=user.id if user else None,
                account_id=None if user else account_id or caller.id,
                role_name=role.name,
                scopes=list(scopes),
                expires_at=api_keys.expiry(tx.now, wire.lifetime(request), parent),
                made_with=parent.id if parent else None,
            )
            await outbox.add(tx, entity=("api_key", key.id), new=key.facts())
            stored = pb.CreateApiKeyResponse(api_key=wire.api_key(key))
            response = pb.CreateApiKeyResponse(api_key=stored.api_key, secret=secret)
            return tx.reply(response, stored=stored)

    async def RotateApiKey(self, request: pb.RotateApiKeyRequest, _: Any) -> pb.RotateApiKeyResponse:
        call = current()
        caller = call.caller.effective
        async with self._db.begin() as tx:
            await store.keys.lock_lineage(tx)
            key = await store.keys.lock(tx, request.api_key_id, None if call.may_others() else caller.id)
            account = await store.accounts.find(tx, key.account_id) if key.account_id else None
            if key.owner_id != caller.id and (account is None or account.kind != "program"):
                raise api_keys.missing(key.id)
            _not_in_a_file(key, account)
            found = await store.keys.find_by_lookup(tx, key.lookup)
            if found is None or found.principal is None or not key.works(tx.now):
                raise api_keys.ended(key.id)
            roles.within(found.principal.permissions, caller.permissions, "the key may do more than you may")
            life = key.expires_at - key.created_at if key.expires_at else None
            old = await _replace(tx, key, wire.overlap(request))
            # One that replaces itself was made with what made it. Another may have been made with what it replaces.
            by_itself = caller.credential_id == key.id
            shown = key if by_itself else await _shown(tx, caller)
            maker = await store.keys.find(tx, key.made_with) if by_itself or shown is None else shown
            new, secret = await self._make(
                tx,
                name=key.name,
                user_id=key.user_id,
                account_id=key.account_id,
                role_name=key.role_name,
                scopes=key.scopes,
                rotated_from=key.id,
                made_with=maker.id if maker else None,
                expires_at=api_keys.expiry(tx.now, life, shown, maker),
            )
            await outbox.add(
                tx,
                entity=("api_key", new.id),
                old=key.facts(),
                new=new.facts(),
                details={"replaced": {"id": old.id, **old.facts()}},
            )
            stored = pb.RotateApiKeyResponse(api_key=wire.api_key(new), replaced=wire.api_key(old))
            response = pb.RotateApiKeyResponse(
                api_key=stored.api_key, secret=secret, replaced=stored.replaced
            )
            return tx.reply(response, stored=stored)

    async def _make(self, tx: Transaction, **fields: Any) -> tuple[ApiKey, str]:
        """Stores a new key; its record, and the key itself."""
        secret = api_keys.generate(self._random(api_keys.RANDOM_BYTES))
        key = ApiKey(
            id=uuid7(tx.now),
            lookup=api_keys.lookup_of(secret) or "",
            digest=api_keys.digest(secret),
            created_at=tx.now,
            **fields,
        )
        await store.keys.add(tx, key)
        return key, secret

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, _: Any) -> pb.ListApiKeysResponse:
        caller = current().caller
        owner = None if current().may_others() else caller.effective.id
        page = paging.parse(request, bound=("api_keys", owner))
        async with self._db.read() as tx:
            rows = await store.keys.page(tx, owner, before(page), page.limit)
        items, token = page.cut(rows, lambda key: (key.id,))
        return pb.ListApiKeysResponse(api_keys=[wire.api_key(key) for key in items], next_page_token=token)

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, _: Any) -> pb.RevokeApiKeyResponse:
        caller = current().caller
        owner = None if current().may_others() else caller.effective.id
        async with self._db.begin() as tx:
            await store.keys.lock_lineage(tx)
            key = await store.keys.lock(tx, request.api_key_id, owner)
            _not_in_a_file(key, await store.accounts.find(tx, key.account_id) if key.account_id else None)
            revoked = key if key.revoked_at else await store.keys.revoke(tx, key)
            if revoked is not key:
                await outbox.add(tx, entity=("api_key", key.id), old=key.facts(), new=revoked.facts())
                await lineage.revoke(tx, [key.id])
            return tx.reply(pb.RevokeApiKeyResponse(api_key=wire.api_key(revoked)))


def _not_in_a_file(key: ApiKey, account: Account | None) -> None:
    """Raises what `built_in` raises for a key that a process of the suite reads from its file."""
    if key.name == api_keys.FILE_KEY and account is not None and account.kind != "program":
        raise accounts.built_in(
            account.id,
            "the key lies in a key file: delete the file and run python -m identity bootstrap",
        )


async def _replace(tx: Transaction, key: ApiKey, overlap: timedelta) -> ApiKey:
    """The key, which is locked, as it goes on for `overlap`; no key made with it goes on for longer."""
    old = api_keys.replaced(key, tx.now, overlap)
    await store.keys.save(tx, old)
    if old.revoked_at is not None:
        await lineage.revoke(tx, [old.id])
    elif old.expires_at is not None:
        await lineage.shorten(tx, old.id, old.expires_at)
    return old


async def _shown(tx: Transaction, caller: Caller) -> ApiKey | None:
    """The key that the caller showed; None for a user who is logged in.

    Raises Unauthenticated CREDENTIALS_INVALID when it was revoked since: what it made would outlive it.
    """
    if caller.kind == "user":
        return None
    key = await store.keys.find(tx, caller.credential_id)
    if key is None or not key.works(tx.now):
        raise invalid("the API key was revoked or has expired", api_key_id=caller.credential_id)
    return key
