"""SecretService: each method reads, decides by the domain, writes, records and answers."""

from dataclasses import asdict
from typing import Any, Final

from chassis import access, grants, logs, outbox, paging
from chassis.access import Level, Subject
from chassis.context import current
from chassis.database import Database
from chassis.errors import Precondition
from chassis.ids import uuid7
from chassis.shares import Sharing
from chassis.vault import SealBroken, Sealed, Vault
from datasources import scopes
from datasources.domain import Caller
from datasources.references import References
from datasources.secrets import domain, store, wire
from datasources.secrets.domain import KIND, Draft, Secret
from datasources.tables import grants as granted
from mcpanel.datasources.v1 import secrets_pb2 as pb
from mcpanel.datasources.v1 import secrets_pb2_grpc

_FIELD: Final = "secret.secret_ref"


class Secrets(secrets_pb2_grpc.SecretServiceServicer):
    """The servicer."""

    def __init__(self, db: Database, vault: Vault, references: References, *, sharing: Sharing) -> None:
        self.db = db
        self.vault = vault
        self.references = references
        self.sharing = sharing

    async def CreateSecret(self, request: pb.CreateSecretRequest, _: Any) -> pb.CreateSecretResponse:
        draft = wire.draft(request.secret)
        await self.db.answer_repeat()
        self._try_out(draft)
        async with self.db.begin() as tx:
            secret = domain.create(draft, id=uuid7(tx.now), owner=_caller(), now=tx.now)
            await store.add(tx, secret, self._sealed(secret, draft))
            await outbox.add(tx, entity=(KIND, secret.id), new=asdict(secret))
            return tx.reply(pb.CreateSecretResponse(secret=wire.secret(secret)))

    async def GetSecret(self, request: pb.GetSecretRequest, _: Any) -> pb.GetSecretResponse:
        async with self.db.read() as tx:
            secret = await store.get(tx, request.secret_id, _subject())
        return pb.GetSecretResponse(secret=wire.secret(secret))

    async def ListSecrets(self, request: pb.ListSecretsRequest, _: Any) -> pb.ListSecretsResponse:
        page = paging.parse(request, bound=(request.filter, _subject().id))
        wanted = store.parse_filter(request.filter)
        async with self.db.read() as tx:
            found = await store.page_after(tx, _subject(), wanted, page.after, page.limit)
        items, token = page.cut(found, key=lambda one: (one.created_at, one.id))
        return wire.page(items, token)

    async def UpdateSecret(self, request: pb.UpdateSecretRequest, _: Any) -> pb.UpdateSecretResponse:
        draft, fields = wire.draft(request.secret), wire.changed_fields(request)
        await self.db.answer_repeat()
        self._try_out(draft)
        async with self.db.begin() as tx:
            old = await store.get(tx, request.secret_id, _subject(), Level.EDIT, lock=True)
            new = domain.update(old, draft, fields, caller=_caller(), now=tx.now)
            if new.visibility != old.visibility:
                await store.get(tx, old.id, _subject(), Level.DELETE)
            await store.replace(tx, new)
            renewed = domain.changes_value(fields)
            if renewed:
                await store.put_value(tx, new.id, self._sealed(new, draft))
            details = {"value_changed": renewed}
            await outbox.add(tx, entity=(KIND, new.id), old=asdict(old), new=asdict(new), details=details)
            return tx.reply(pb.UpdateSecretResponse(secret=wire.secret(new)))

    async def DeleteSecret(self, request: pb.DeleteSecretRequest, _: Any) -> pb.DeleteSecretResponse:
        async with self.db.begin() as tx:
            secret = await store.get(tx, request.secret_id, _subject(), Level.DELETE, lock=True)
            domain.require_etag(secret, request.etag)
            await store.remove(tx, secret)
            await outbox.add(tx, entity=(KIND, secret.id), old=asdict(secret))
            return tx.reply(pb.DeleteSecretResponse())

    async def ShareSecret(self, request: pb.ShareSecretRequest, _: Any) -> pb.ShareSecretResponse:
        await self.db.answer_repeat()
        async with self.db.read() as tx:
            await store.get(tx, request.secret_id, _subject(), Level.DELETE)
        grant = await self.sharing.wanted(request.share)
        async with self.db.begin() as tx:
            secret = await store.get(tx, request.secret_id, _subject(), Level.DELETE, lock=True)
            share = await self.sharing.give(tx, store.target(secret), grant)
            return tx.reply(pb.ShareSecretResponse(share=wire.share(share)))

    async def ListSecretShares(
        self, request: pb.ListSecretSharesRequest, _: Any
    ) -> pb.ListSecretSharesResponse:
        page = paging.parse(request, bound=request.secret_id)
        async with self.db.read() as tx:
            secret = await store.get(tx, request.secret_id, _subject(), Level.DELETE)
            found = await grants.page(tx, granted, store.target(secret), page.after, page.limit)
        items, token = page.cut(found, key=lambda one: (one.created_at, one.id))
        return pb.ListSecretSharesResponse(shares=[wire.share(one) for one in items], next_page_token=token)

    async def RevokeSecretShare(
        self, request: pb.RevokeSecretShareRequest, _: Any
    ) -> pb.RevokeSecretShareResponse:
        async with self.db.begin() as tx:
            secret = await store.get(tx, request.secret_id, _subject(), Level.DELETE, lock=True)
            await self.sharing.take(tx, store.target(secret), request.share_id)
            return tx.reply(pb.RevokeSecretShareResponse())

    async def RevealSecret(self, request: pb.RevealSecretRequest, _: Any) -> pb.RevealSecretResponse:
        key, reached = request.secret_id, scopes.within("secret_ids") or frozenset()
        scopes.require(key, key in reached, "secrets")
        async with self.db.read() as tx:
            secret = await store.find(tx, key)
            if secret is None:
                raise store.not_found(key)
            sealed = await store.find_value(tx, secret.id)
        value = self._open(secret, sealed)
        logs.masker.add(value)
        async with self.db.begin(idempotent=False) as tx:
            run = str(current().caller.effective.claims.get("run_id", ""))
            details = {"name": secret.name, "secret_ref": secret.secret_ref, "run_id": run}
            await outbox.add(tx, entity=(KIND, secret.id), details=details)
        return pb.RevealSecretResponse(secret_value=value)

    async def FindUnreachableSecrets(
        self, request: pb.FindUnreachableSecretsRequest, _: Any
    ) -> pb.FindUnreachableSecretsResponse:
        ids = frozenset(request.secret_ids)
        somebody = Subject(request.subject_id, frozenset(request.role_names))
        async with self.db.read() as tx:
            found = await store.resources(tx, ids)
            given = {} if request.inactive else await grants.given_of(tx, granted, ids, somebody)
        unreachable = access.unreachable(somebody, found, given)
        return pb.FindUnreachableSecretsResponse(secret_ids=unreachable)

    def _try_out(self, draft: Draft) -> None:
        """Returns when the draft's reference, if any, can be read. Raises Invalid SECRET_REFERENCE_INVALID."""
        if draft.secret_ref and _caller().may_others:
            self.references.read(draft.secret_ref, _FIELD)

    def _sealed(self, secret: Secret, draft: Draft) -> Sealed | None:
        return None if secret.secret_ref else self.vault.seal(secret.id, draft.secret_value)

    def _open(self, secret: Secret, sealed: Sealed | None) -> str:
        if secret.secret_ref:
            return self.references.read(secret.secret_ref, _FIELD)
        try:
            if sealed is not None:
                return self.vault.open(secret.id, sealed)
        except SealBroken:
            pass
        raise Precondition(
            "SECRET_UNREADABLE",
            f"the stored value of secret {secret.name!r} does not open with this service's master key; set it again",
            resource=(KIND, secret.id),
        )


def _subject() -> Subject:
    return access.subject(current())


def _caller() -> Caller:
    call = current()
    return Caller(call.caller.effective.id, call.rule.others, call.may_others())
