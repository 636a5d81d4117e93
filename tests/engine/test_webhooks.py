"""Webhooks: signed messages start runs, once each; whatever else arrives learns nothing."""

import asyncio
import json
import time
from typing import Any

import psycopg
from google.api import httpbody_pb2
from google.protobuf import field_mask_pb2

from chassis.ids import uuid7
from engine import signatures
from mcpanel.engine.v1 import trigger_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.automation import create_trigger, get_trigger, quick, runs
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, as_caller

Trigger = trigger_pb2.Trigger
STANDARD = {"webhook": {"signature": Trigger.Webhook.STANDARD}}


async def send(
    engine: Engine, key: str, secret: str, body: bytes, *, message_id: str = "", **other: str
) -> Any:
    """What the engine answers to a message signed now; `other` headers replace the right ones."""
    message_id, now = message_id or f"msg_{uuid7()}", str(int(time.time()))
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": now,
        "webhook-signature": signatures.sign(secret, message_id, int(now), body),
        **{name.replace("_", "-"): value for name, value in other.items()},
    }
    request = trigger_pb2.ReceiveWebhookRequest(
        trigger_id=key, body=httpbody_pb2.HttpBody(content_type="application/json", data=body)
    )
    return await engine.stub.ReceiveWebhook(request, metadata=tuple(headers.items()))


async def test_a_signed_message_starts_a_run_with_its_body(engine: Engine, peers: Peers) -> None:
    quick(peers)
    made = await create_trigger(engine, **STANDARD)

    answer = await send(engine, made.trigger.id, made.secret, b'{"n": 5}')

    run = await engine.ended(answer.run_id)
    assert (run.outputs["got"], run.started_by) == (5, EDITOR.id)
    assert run.triggered_by == f"webhook:{made.trigger.id}"
    assert made.trigger.webhook.path == f"/api/v1/webhooks/{made.trigger.id}"
    found = await get_trigger(engine, "hook")
    assert (found.last_start.run_id, found.last_start.error) == (run.id, "")


async def test_expressions_make_inputs_of_a_body(engine: Engine, peers: Peers) -> None:
    quick(peers)
    inputs = {"n": "${{ int(size(body.commits)) }}"}
    made = await create_trigger(engine, inputs=inputs, webhook={"signature": "HUB"})
    body = b'{"commits": ["a", "b"], "more": true}'
    hub = signatures.sign_hub(made.secret, body)

    first = await send(engine, "hook", made.secret, body, x_hub_signature_256=hub)
    same = await send(engine, "hook", made.secret, body, x_hub_signature_256=hub)
    bad = await refused(send(engine, "hook", made.secret, body, x_hub_signature_256="sha256=00"))

    assert (await engine.ended(first.run_id)).outputs["got"] == 2
    assert same.run_id == first.run_id
    assert bad.reason == "WEBHOOK_REFUSED"


async def test_a_repeated_message_is_answered_with_the_same_run(engines: Engines, peers: Peers) -> None:
    quick(peers)
    first, second = await engines.start(), await engines.start()
    made = await create_trigger(first, **STANDARD)

    async def one(number: int) -> str:
        replica = (first, second)[number % 2]
        body = b'{"n": 1}'
        return str((await send(replica, "hook", made.secret, body, message_id="msg_1")).run_id)

    answers = await asyncio.gather(*(one(number) for number in range(10)))

    assert len(set(answers)) == 1
    assert len(await runs(first)) == 1


async def test_a_day_later_the_same_message_is_another(
    engine: Engine, engines: Engines, peers: Peers
) -> None:
    quick(peers)
    made = await create_trigger(engine, **STANDARD)
    first = await send(engine, "hook", made.secret, b"{}", message_id="msg_1")
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        await connection.execute("UPDATE webhook_messages SET received_at = now() - interval '25 hours'")

    later = await send(engine, "hook", made.secret, b"{}", message_id="msg_1")

    assert later.run_id != first.run_id


async def test_what_is_not_signed_learns_nothing(engine: Engine, peers: Peers) -> None:
    quick(peers)
    made = await create_trigger(engine, **STANDARD)
    secret = made.secret
    other = (await create_trigger(engine, name="other", **STANDARD)).secret
    await create_trigger(engine, name="after", run_end={"workflow": "flow"})
    old = str(int(time.time()) - 400)

    refusals = [
        await refused(send(engine, "nothing", secret, b"{}")),
        await refused(send(engine, uuid7(), secret, b"{}")),
        await refused(send(engine, "after", secret, b"{}")),
        await refused(send(engine, "hook", other, b"{}")),
        await refused(send(engine, "hook", secret, b"{}", webhook_signature="v1,AAAA")),
        await refused(send(engine, "hook", secret, b"{}", webhook_id="msg_changed")),
        await refused(
            send(
                engine,
                "hook",
                secret,
                b"{}",
                message_id="m",
                webhook_timestamp=old,
                webhook_signature=signatures.sign(secret, "m", int(old), b"{}"),
            )
        ),
    ]

    assert {(one.code, one.reason) for one in refusals} == {("UNAUTHENTICATED", "WEBHOOK_REFUSED")}
    assert len({one.message for one in refusals}) == 1
    assert await runs(engine) == []
    assert not (await get_trigger(engine, "hook")).HasField("last_start")


async def test_a_signed_body_that_cannot_be_taken_is_told_why(engine: Engine, peers: Peers) -> None:
    quick(peers)
    made = await create_trigger(engine, **STANDARD)
    bodies = {
        b"": "WEBHOOK_BODY_INVALID",
        b"{": "WEBHOOK_BODY_INVALID",
        b"[1]": "WEBHOOK_BODY_INVALID",
        b'{"n": NaN}': "WEBHOOK_BODY_INVALID",
        b'{"n": 1e999}': "WEBHOOK_BODY_INVALID",
        b"\xff\xfe\x00": "WEBHOOK_BODY_INVALID",
        b'{"n": "\\u0000"}': "WEBHOOK_BODY_INVALID",
        b'{"n": "\\ud800"}': "WEBHOOK_BODY_INVALID",
        b'{"n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}": "WEBHOOK_BODY_INVALID",
        b'{"n": ' + b"[" * 40 + b"]" * 40 + b"}": "WEBHOOK_BODY_INVALID",
        b'{"n": ' + b"1" * 5000 + b"}": "WEBHOOK_BODY_INVALID",
        b'{"unknown": 1}': "RUN_INPUT_INVALID",
        b'{"n": "' + b"x" * 300_000 + b'"}': "MESSAGE_TOO_LARGE",
    }

    told = {body: (await refused(send(engine, "hook", made.secret, body))).reason for body in bodies}

    assert told == bodies
    assert await runs(engine) == []
    assert "RUN_INPUT_INVALID" in (await get_trigger(engine, "hook")).last_start.error
    assert (await send(engine, "hook", made.secret, b"{}")).run_id


async def test_a_paused_webhook_takes_nothing(engine: Engine, peers: Peers) -> None:
    quick(peers)
    made = await create_trigger(engine, paused=True, **STANDARD)

    refusal = await refused(send(engine, "hook", made.secret, b"{}"))
    update = trigger_pb2.UpdateTriggerRequest(trigger_id="hook", trigger=Trigger(paused=False))
    await engine.stub.UpdateTrigger(update, metadata=as_caller(EDITOR))

    assert refusal.reason == "TRIGGER_PAUSED"
    assert (await send(engine, "hook", made.secret, b"{}")).run_id


async def test_a_webhook_starts_nothing_for_an_owner_who_may_not(engine: Engine, peers: Peers) -> None:
    quick(peers)
    made = await create_trigger(engine, **STANDARD)
    del peers.identity.people[EDITOR.id]

    refusal = await refused(send(engine, "hook", made.secret, b"{}", message_id="m"))
    peers.identity.people[EDITOR.id] = EDITOR

    assert refusal.reason == "OWNER_MAY_NOT_START"
    assert (await send(engine, "hook", made.secret, b"{}", message_id="m")).run_id


async def test_a_secret_is_shown_once_stored_sealed_and_rotated(
    engine: Engine, engines: Engines, peers: Peers
) -> None:
    quick(peers)
    trigger = Trigger(name="hook", workflow="flow", webhook={})
    create = trigger_pb2.CreateTriggerRequest(trigger=trigger, request_id="once")
    made = await engine.stub.CreateTrigger(create, metadata=as_caller(EDITOR))
    again = await engine.stub.CreateTrigger(create, metadata=as_caller(EDITOR))

    kept = await _rotated(engine, keep_old_for={"seconds": 3600})
    both = [await send(engine, "hook", one.secret, b"{}") for one in (made, kept)]
    alone = await _rotated(engine)
    old = [await refused(send(engine, "hook", one.secret, b"{}")) for one in (made, kept)]

    assert (again.trigger.id, again.secret) == (made.trigger.id, "")
    assert made.secret.startswith("whsec_")
    assert kept.trigger.webhook.HasField("old_secret_until")
    assert all(one.run_id for one in both)
    assert {one.reason for one in old} == {"WEBHOOK_REFUSED"}
    assert (await send(engine, "hook", alone.secret, b"{}")).run_id
    async with await psycopg.AsyncConnection.connect(engines.url) as connection:
        for table in ("triggers", "outbox", "idempotency", "webhook_messages"):
            rows = await (await connection.execute(f"SELECT * FROM {table}")).fetchall()
            assert made.secret.removeprefix("whsec_") not in json.dumps(rows, default=_text)
        records = await (await connection.execute("SELECT record FROM outbox ORDER BY seq")).fetchall()
    used = [one for (one,) in records if one["action"] == "SECRET_USED"]
    assert {(one["entity_type"], one["actor"]["kind"]) for one in used} == {("trigger", "webhook")}
    assert len(used) == len({one["details"]["message_id"] for one in used}) > 0


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


async def _rotated(engine: Engine, **fields: Any) -> Any:
    request = trigger_pb2.RotateTriggerSecretRequest(trigger_id="hook", **fields)
    return await engine.stub.RotateTriggerSecret(request, metadata=as_caller(EDITOR))


async def test_what_makes_no_trigger_is_refused_naming_it(engine: Engine, peers: Peers) -> None:
    quick(peers)
    await create_trigger(engine, **STANDARD)
    await create_trigger(engine, name="after", run_end={"workflow": "flow"})
    cases: dict[str, dict[str, Any]] = {
        "trigger.name": {"name": "", **STANDARD},
        "trigger.workflow": {"name": "b", "workflow": "", **STANDARD},
        "trigger.source": {"name": "b"},
        "trigger.inputs.n": {"name": "b", "inputs": {"n": "${{ body. }}"}, **STANDARD},
        "trigger.run_end.statuses[0]": {
            "name": "b",
            "run_end": {"workflow": "flow", "statuses": ["RUNNING"]},
        },
    }

    found = {name: await refused(create_trigger(engine, **fields)) for name, fields in cases.items()}
    rotate = trigger_pb2.RotateTriggerSecretRequest(trigger_id="after")
    no_secret = await refused(engine.stub.RotateTriggerSecret(rotate, metadata=as_caller(EDITOR)))
    update = trigger_pb2.UpdateTriggerRequest(
        trigger_id="hook",
        trigger=Trigger(run_end={"workflow": "flow"}),
        update_mask=field_mask_pb2.FieldMask(paths=["run_end"]),
    )
    kind = await refused(engine.stub.UpdateTrigger(update, metadata=as_caller(EDITOR)))
    stranger = await refused(engine.stub.UpdateTrigger(update, metadata=as_caller(OTHER_EDITOR)))
    taken = await refused(create_trigger(engine, **STANDARD))

    assert {name: list(one.fields) for name, one in found.items()} == {name: [name] for name in cases}
    assert no_secret.reason == "NOT_A_WEBHOOK"
    assert list(kind.fields) == ["trigger.run_end"]
    assert stranger.reason == "NOT_THE_OWNER"
    assert taken.reason == "TRIGGER_NAME_TAKEN"


async def test_a_deleted_webhook_is_none(engine: Engine, peers: Peers) -> None:
    quick(peers)
    made = await create_trigger(engine, **STANDARD)
    request = trigger_pb2.DeleteTriggerRequest(trigger_id="hook")
    await engine.stub.DeleteTrigger(request, metadata=as_caller(ADMIN))

    assert (await refused(send(engine, "hook", made.secret, b"{}"))).reason == "WEBHOOK_REFUSED"
    assert (await refused(get_trigger(engine, "hook"))).reason == "TRIGGER_NOT_FOUND"
