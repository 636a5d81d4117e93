"""Webhooks: a signed message starts a run, and a repeated one is answered with the same run."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chassis import jsonvalue, logs, outbox
from chassis.context import Call, use
from chassis.database import Database, Transaction
from chassis.errors import Invalid, Precondition, ServiceError, TooLarge, Unauthenticated
from chassis.jsonvalue import Json
from chassis.vault import SealBroken, Sealed, Vault
from engine import signatures, standing, triggers
from engine.firing import run_of
from engine.owners import Owners
from engine.starting import Started, Starter, Wish
from engine.store import triggers as store
from engine.triggers import KIND, Trigger

log = logging.getLogger(__name__)

_DEPTH: Final = 30
_ACTION: Final = "WEBHOOK_RECEIVED"
_SECRET_USED: Final = "SECRET_USED"  # noqa: S105  # an action


@dataclass(frozen=True, slots=True)
class Message:
    """What arrived."""

    trigger_key: str
    headers: Mapping[str, str]
    body: bytes


class Receiving:
    """Takes messages."""

    def __init__(self, db: Database, starter: Starter, owners: Owners, vault: Vault) -> None:
        self._db = db
        self._starter = starter
        self._owners = owners
        self._vault = vault
        self._decoy = signatures.secret_of(secrets.token_bytes(signatures.SECRET_BYTES))

    async def receive(self, message: Message) -> str:
        """The id of the message's run.

        Raises Unauthenticated WEBHOOK_REFUSED, TooLarge MESSAGE_TOO_LARGE, and to whoever knows the secret also
        Precondition TRIGGER_PAUSED and OWNER_MAY_NOT_START, Invalid WEBHOOK_BODY_INVALID, and what Starter raises.
        """
        if len(message.body) > triggers.MAX_BODY:
            raise TooLarge(
                "MESSAGE_TOO_LARGE",
                f"the body has {len(message.body)} bytes, and a webhook takes {triggers.MAX_BODY // 1024} KiB;"
                " send less, or where the data lies",
                metadata={"limit_bytes": str(triggers.MAX_BODY)},
            )
        async with self._db.read() as tx:
            trigger, now = await store.find_webhook(tx, message.trigger_key)
        message_id = self._verified(trigger, message, now)
        if trigger is None or message_id is None:
            raise Unauthenticated(
                "WEBHOOK_REFUSED",
                "there is no such webhook, or the message's signature is missing, wrong or too old",
            )
        async with self._db.read() as tx:
            known = await store.run_of_message(tx, trigger.id, message_id)
        if known is not None:
            return known
        try:
            call, wish = await self._wish(trigger, message.body)
            return await self._start(trigger, message_id, call, wish)
        except ServiceError as error:
            await self._note(trigger, message_id, error)
            raise

    def secret(self, trigger_id: str) -> tuple[str, Sealed]:
        """A new secret for a webhook, and what is stored of it."""
        secret = signatures.secret_of(secrets.token_bytes(signatures.SECRET_BYTES))
        logs.masker.add(secret)
        return secret, self._vault.seal(trigger_id, secret)

    def _verified(self, trigger: Trigger | None, message: Message, now: datetime) -> str | None:
        """The message's id. What no webhook has sent is measured against a secret nobody knows."""
        if trigger is None:
            return signatures.verify("STANDARD", [self._decoy], message.headers, message.body, now)
        try:
            known = [self._vault.open(trigger.id, sealed) for sealed in trigger.secrets(now)]
        except SealBroken:
            log.error("a webhook's secret does not open; rotate it", extra={"trigger_id": trigger.id})
            return None
        return signatures.verify(trigger.signature, known, message.headers, message.body, now)

    async def _wish(self, trigger: Trigger, body: bytes) -> tuple[Call, Wish]:
        if trigger.paused:
            raise Precondition(
                "TRIGGER_PAUSED",
                f"trigger '{trigger.name}' is paused; it takes messages when it is updated with paused: false",
                resource=(KIND, trigger.name),
            )
        given = triggers.inputs_for(trigger, _object(body))
        call = await self._owners.call(trigger.owner)
        prepared, inputs = await self._owners.prepare(
            call, trigger.workflow_id, trigger.workflow_version, given
        )
        return call, Wish(prepared, inputs, triggered_by=f"webhook:{trigger.id}")

    async def _start(self, trigger: Trigger, message_id: str, call: Call, wish: Wish) -> str:
        started: Started | None = None
        try:
            with use(call):
                async with self._db.begin(idempotent=False) as tx:
                    if not await store.claim_message(tx, trigger.id, message_id):
                        return await self._same(tx, trigger, message_id)
                    started = await self._starter.add(tx, wish)
                    run_id = run_of(started)
                    await store.settle_message(tx, trigger.id, message_id, run_id)
                    last = triggers.last_start(tx.now.isoformat(), f"webhook:{message_id}", run_id, "")
                    await store.note(tx, trigger.id, last, is_public=wish.prepared.is_public)
                    sender = outbox.Actor(trigger.id, "webhook", trigger.name)
                    await outbox.note(
                        tx,
                        _SECRET_USED,
                        entity=(KIND, trigger.id),
                        actor=sender,
                        details={"message_id": message_id, "signature": trigger.signature},
                    )
                    await outbox.add(
                        tx,
                        entity=(KIND, trigger.id),
                        action=_ACTION,
                        actor=sender,
                        details={"message_id": message_id, "run_id": run_id},
                    )
        except BaseException:
            if started is not None:
                self._starter.abandoned(started)
            raise
        self._starter.committed(started)
        return run_id

    @staticmethod
    async def _same(tx: Transaction, trigger: Trigger, message_id: str) -> str:
        """The run that the same message started a moment ago."""
        outbox.covered(tx)
        return await store.run_of_message(tx, trigger.id, message_id) or ""

    async def _note(self, trigger: Trigger, message_id: str, error: ServiceError) -> None:
        with use(None):
            async with self._db.begin(idempotent=False, audited=False) as tx:
                last = triggers.last_start(
                    tx.now.isoformat(), f"webhook:{message_id}", "", standing.sentence(error)
                )
                await store.note(tx, trigger.id, last)


def _object(body: bytes) -> dict[str, Json]:
    """The body's JSON object. Raises Invalid WEBHOOK_BODY_INVALID."""
    try:
        found = jsonvalue.parse_object(body)
        jsonvalue.canonical(found)
    except (ValueError, RecursionError) as error:
        why = "is nested too deeply" if isinstance(error, RecursionError) else "is not a JSON object"
        raise Invalid("WEBHOOK_BODY_INVALID", f"the body {why}; send a JSON object in UTF-8") from None
    if problem := _problem(found, 0):
        raise Invalid("WEBHOOK_BODY_INVALID", f"the body {problem}")
    return found


def _problem(value: Json, depth: int) -> str:
    """What cannot be taken of a value, in words."""
    if depth > _DEPTH:
        return f"is nested deeper than {_DEPTH} levels"
    match value:
        case str():
            return "holds a NUL character" if "\0" in value else ""
        case dict():
            parts: list[Json] = [*value.keys(), *value.values()]
        case list():
            parts = value
        case _:
            return ""
    return next((found for one in parts if (found := _problem(one, depth + 1))), "")
