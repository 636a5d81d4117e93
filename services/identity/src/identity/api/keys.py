"""API keys."""

from typing import Any

from chassis import outbox, paging
from chassis.context import current
from chassis.ids import uuid7
from identity import store, wire
from identity.api.common import Part, before
from identity.domain import api_keys, roles
from identity.domain.api_keys import ApiKey
from mcpanel.identity.v1 import identity_pb2 as pb


class Keys(Part):
    """The methods about them."""

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
            rows = await store.keys.page(tx, owner, before(page), page.limit)
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
