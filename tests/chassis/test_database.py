"""Transactions that know the call they serve: the change, its record and its answer commit together."""

import asyncio
import dataclasses
import os
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc.aio
import psycopg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, insert, select, text, update

from chassis import outbox
from chassis.client import channel
from chassis.context import Call, Caller, use, utcnow
from chassis.database import Database, request_hash
from chassis.guards import ContractBroken
from chassis.relay import to_record
from mcpanel.datasources.v1 import datasources_pb2
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from mcpanel.registry.v1 import component_pb2, registry_pb2, registry_pb2_grpc
from tests.chassis.conftest import Serve, things
from tests.chassis.probes import failure
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, SERVICE, acting_for, as_caller
from tests.support.servers import TestPostgres


class Registry(registry_pb2_grpc.RegistryServiceServicer):
    """CreateDefinition inserts a thing; the mistakes it makes are switched on by the test."""

    def __init__(self, db: Database, *, record: bool = True, reply: bool = True, slow: bool = False) -> None:
        self.db = db
        self.record = record
        self.reply = reply
        self.slow = slow
        self.ran = 0

    async def CreateDefinition(self, request: Any, context: Any) -> Any:
        async with self.db.begin() as tx:
            self.ran += 1
            name = request.definition.name
            await tx.execute(insert(things).values(name=name, count=1))
            if self.slow:
                await asyncio.sleep(0.1)
            if self.record:
                await outbox.add(tx, entity=("definition", name), old=None, new={"name": name})
            answer = registry_pb2.CreateDefinitionResponse(
                definition=component_pb2.Definition(name=name, id=f"run-{self.ran}")
            )
            return tx.reply(answer) if self.reply else answer

    async def DeleteDefinition(self, request: Any, context: Any) -> Any:
        async with self.db.begin() as tx:
            self.ran += 1
            return tx.reply(registry_pb2.DeleteDefinitionResponse())

    def pair(self) -> Any:
        return registry_pb2_grpc.add_RegistryServiceServicer_to_server, self


def create(name: str = "a", request_id: str = "", *, validate_only: bool = False) -> Any:
    definition = component_pb2.Definition(name=name, type="UTILITY")
    return registry_pb2.CreateDefinitionRequest(
        definition=definition, request_id=request_id, validate_only=validate_only
    )


async def count(db: Database, table: Any = things) -> int:
    async with db.read() as tx:
        return int(await tx.scalar(select(func.count()).select_from(table)))


async def test_the_change_and_its_record_are_committed_together(serve: Serve, db: Database) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(Registry(db).pair()))

    await stub.CreateDefinition(create(), metadata=as_caller(EDITOR))

    assert await count(db) == 1
    async with db.read() as tx:
        entry = (await tx.execute(select(db.tables.outbox.c.record))).scalar_one()
    assert entry["action"] == "MCP_CREATED"
    assert entry["actor"]["id"] == EDITOR.id
    assert (entry["entity_type"], entry["details"]) == ("definition", {"new": {"name": "a"}})


async def test_a_repeated_request_gets_the_same_answer_and_has_one_effect(serve: Serve, db: Database) -> None:
    servicer = Registry(db)
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(servicer.pair()))

    first = await stub.CreateDefinition(create(request_id="r1"), metadata=as_caller(EDITOR))
    second = await stub.CreateDefinition(create(request_id="r1"), metadata=as_caller(EDITOR))

    assert first == second
    assert (servicer.ran, await count(db), await count(db, db.tables.outbox)) == (1, 1, 1)


async def test_an_empty_answer_is_replayed_too(serve: Serve, db: Database) -> None:
    servicer = Registry(db)
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(servicer.pair()))
    request = registry_pb2.DeleteDefinitionRequest(definition_id="x", request_id="r1")

    for _ in range(2):
        await stub.DeleteDefinition(request, metadata=as_caller(ADMIN))

    assert servicer.ran == 1


async def test_concurrent_requests_with_one_id_have_one_effect(serve: Serve, db: Database) -> None:
    servicer = Registry(db, slow=True)
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(servicer.pair()))

    answers = await asyncio.gather(
        *(stub.CreateDefinition(create(request_id="r1"), metadata=as_caller(EDITOR)) for _ in range(4))
    )

    assert len({answer.SerializeToString() for answer in answers}) == 1
    assert (servicer.ran, await count(db)) == (1, 1)


async def test_another_body_under_the_same_id_is_refused(serve: Serve, db: Database) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(Registry(db).pair()))
    await stub.CreateDefinition(create("a", "r1"), metadata=as_caller(EDITOR))

    code, error = await failure(stub.CreateDefinition(create("b", "r1"), metadata=as_caller(EDITOR)))

    assert (code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_request_ids_belong_to_their_caller(serve: Serve, db: Database) -> None:
    servicer = Registry(db)
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(servicer.pair()))

    await stub.CreateDefinition(create("a", "r1"), metadata=as_caller(EDITOR))
    await stub.CreateDefinition(create("b", "r1"), metadata=as_caller(OTHER_EDITOR))

    assert servicer.ran == 2


async def test_a_request_that_failed_may_be_repeated(serve: Serve, db: Database) -> None:
    servicer = Registry(db)
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(servicer.pair()))
    async with db.begin() as tx:
        await tx.execute(insert(things).values(name="a", count=0))

    await failure(stub.CreateDefinition(create("a", "r1"), metadata=as_caller(EDITOR)))
    async with db.begin() as tx:
        await tx.execute(things.delete())
    answer = await stub.CreateDefinition(create("a", "r1"), metadata=as_caller(EDITOR))

    assert answer.definition.id == "run-2"


async def test_an_answer_older_than_a_day_is_forgotten(serve: Serve, db: Database) -> None:
    servicer = Registry(db)
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(servicer.pair()))
    table = db.tables.idempotency
    await stub.CreateDefinition(create("a", "r1"), metadata=as_caller(EDITOR))
    await stub.CreateDefinition(create("b", "r2"), metadata=as_caller(EDITOR))
    async with db.begin() as tx:
        await tx.execute(update(table).values(created_at=func.now() - timedelta(hours=25)))

    await stub.CreateDefinition(create("c", "r1"), metadata=as_caller(EDITOR))
    gone = await db.purge()

    assert servicer.ran == 3
    assert (gone, await count(db, table)) == (1, 1)


async def test_validate_only_answers_and_changes_nothing(serve: Serve, db: Database) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(Registry(db).pair()))

    answer = await stub.CreateDefinition(create("a", "r1", validate_only=True), metadata=as_caller(EDITOR))
    await stub.CreateDefinition(create("a", "r1"), metadata=as_caller(EDITOR))

    assert answer.definition.name == "a"
    assert (await count(db), await count(db, db.tables.outbox)) == (1, 1)


@pytest.mark.parametrize("mistake", [{"record": False}, {"reply": False}])
async def test_a_forgotten_record_or_answer_fails_loudly_before_the_commit(
    serve: Serve, db: Database, mistake: dict[str, bool], caplog: pytest.LogCaptureFixture
) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(Registry(db, **mistake).pair()))

    code, _ = await failure(stub.CreateDefinition(create("a", "r1"), metadata=as_caller(EDITOR)))

    assert code is grpc.StatusCode.INTERNAL
    assert await count(db) == 0
    assert "ContractBroken" in caplog.text


class Identity(identity_pb2_grpc.IdentityServiceServicer):
    """CreateApiKey shows a secret; `stores` says whether it keeps it out of the stored answer."""

    def __init__(self, db: Database, *, stores: bool) -> None:
        self.db = db
        self.stores = stores

    async def CreateApiKey(self, request: Any, context: Any) -> Any:
        async with self.db.begin() as tx:
            await outbox.add(tx, entity=("api_key", "7"), old=None, new={"id": "7", "secret": "mcp_hidden"})
            kept = identity_pb2.CreateApiKeyResponse(api_key=identity_pb2.ApiKey(id="7"))
            answer = identity_pb2.CreateApiKeyResponse(api_key=kept.api_key, secret="mcp_shown_once")
            return tx.reply(answer, stored=kept) if self.stores else tx.reply(answer)


async def test_a_secret_is_shown_once_and_stored_nowhere(serve: Serve, db: Database) -> None:
    pair = (identity_pb2_grpc.add_IdentityServiceServicer_to_server, Identity(db, stores=True))
    stub = identity_pb2_grpc.IdentityServiceStub(await serve(pair))
    request = identity_pb2.CreateApiKeyRequest(name="ci", request_id="r1")

    first = await stub.CreateApiKey(request, metadata=as_caller(EDITOR))
    second = await stub.CreateApiKey(request, metadata=as_caller(EDITOR))

    assert (first.secret, first.api_key.id) == ("mcp_shown_once", "7")
    assert (second.secret, second.api_key.id) == ("", "7")
    async with db.read() as tx:
        entry = (await tx.execute(select(db.tables.outbox.c.record))).scalar_one()
    assert entry["details"]["new"] == {"id": "7", "secret": "***"}


async def test_a_secret_answer_without_a_stored_form_fails_loudly(serve: Serve, db: Database) -> None:
    pair = (identity_pb2_grpc.add_IdentityServiceServicer_to_server, Identity(db, stores=False))
    stub = identity_pb2_grpc.IdentityServiceStub(await serve(pair))

    code, _ = await failure(
        stub.CreateApiKey(
            identity_pb2.CreateApiKeyRequest(name="ci", request_id="r1"), metadata=as_caller(EDITOR)
        )
    )

    assert code is grpc.StatusCode.INTERNAL


async def test_the_time_of_a_transaction_is_the_databases(db: Database) -> None:
    async with db.begin() as tx:
        told = await tx.scalar(select(func.now()))
        later = await tx.scalar(select(func.clock_timestamp()))

    assert tx.now == told < later
    assert tx.now.tzinfo is not None
    assert abs(tx.now - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_read_cannot_write(db: Database) -> None:
    async with db.read() as tx:
        with pytest.raises(Exception, match="read-only") as caught:
            await tx.execute(insert(things).values(name="a", count=0))

    assert isinstance(caught.value.__cause__, psycopg.errors.ReadOnlySqlTransaction)


async def test_what_raises_inside_a_transaction_undoes_it(db: Database) -> None:
    async def fail() -> None:
        async with db.begin() as tx:
            await tx.execute(insert(things).values(name="a", count=1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await count(db) == 0


async def test_nothing_is_called_while_a_transaction_is_open(db: Database) -> None:
    stub = identity_pb2_grpc.IdentityServiceStub(channel("127.0.0.1:1", peer="identity"))

    async with db.begin():
        with pytest.raises(ContractBroken, match="a call to identity inside an open transaction"):
            await stub.GetJwks(identity_pb2.GetJwksRequest())
        with pytest.raises(ContractBroken, match="pass its tx on"):
            async with db.begin():
                pass


@pytest.mark.parametrize(
    "statement",
    [
        "insert into things (name, count) values ('a', 1)",
        "with gone as (delete from things returning 1) select count(*) from gone",
        "  UPDATE things SET count = 2",
    ],
)
async def test_writes_are_noticed_however_they_are_written(db: Database, statement: str) -> None:
    async with db.begin() as tx:
        await tx.execute(text("select 'insert into things'"))
        before = tx.wrote
        await tx.execute(text(statement))
        after = tx.wrote

    assert (before, after) == (False, True)


async def test_connections_cut_by_the_server_are_replaced_unnoticed(
    db: Database, postgres: TestPostgres
) -> None:
    await count(db)
    with postgres.server.connect() as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'test'"
        )

    async with db.begin() as tx:
        await tx.execute(insert(things).values(name="a", count=1))

    assert await count(db) == 1


async def test_a_connection_on_which_nothing_arrives_is_given_up_soon(db: Database) -> None:
    async with db.begin(idempotent=False, audited=False) as tx:
        inside = socket.socket(fileno=os.dup((await tx.raw()).fileno()))

    with inside:
        assert inside.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000


async def test_transactions_are_counted_and_timed(db: Database) -> None:
    def counted(kind: str, outcome: str) -> float:
        return REGISTRY.get_sample_value("mcp_db_operations_total", {"kind": kind, "outcome": outcome}) or 0

    before = counted("read", "ok"), counted("write", "failed")
    await count(db)
    with pytest.raises(ZeroDivisionError):
        async with db.begin():
            raise ZeroDivisionError

    assert (counted("read", "ok"), counted("write", "failed")) == (before[0] + 1, before[1] + 1)
    assert REGISTRY.get_sample_value("mcp_db_connections_in_use") == 0


def test_the_hash_of_a_request_leaves_its_id_out() -> None:
    assert request_hash(create("a", "r1")) == request_hash(create("a", "r2"))
    assert request_hash(create("a", "r1")) != request_hash(create("b", "r1"))


def test_a_request_with_secrets_is_hashed_with_a_key_only() -> None:
    nested = datasources_pb2.CreateDataSourceRequest(data_source={"name": "a", "secret_value": "hunter2"})
    login = identity_pb2.LoginRequest(password="hunter2")

    for request in (nested, login):
        with pytest.raises(ContractBroken, match="holds secrets"):
            request_hash(request)
        assert request_hash(request, b"one") != request_hash(request, b"another")


async def test_a_background_task_must_say_who_acts(db: Database) -> None:
    async with db.begin() as tx:
        with pytest.raises(ContractBroken, match="needs an actor"):
            await outbox.add(tx, entity=("run", "1"), new={}, action="RUN_RECOVERED")
        await outbox.add(
            tx,
            entity=("run", "1"),
            new={},
            action="RUN_RECOVERED",
            actor=outbox.Actor("engine", "service", "engine"),
        )
    assert await count(db, db.tables.outbox) == 1


async def test_the_record_names_both_the_service_and_whom_it_called_for(db: Database) -> None:
    call = Call(
        method="/x.Y/Z",
        trace_id="t1",
        caller=acting_for(SERVICE, EDITOR),
        user_agent="a" * 300,
        request_id="r1",
    )
    values = {"password": "x", "max_tokens": 3, "email": "e"}
    with use(call):
        async with db.begin(idempotent=False) as tx:
            await outbox.add(tx, entity=("run", "1"), new=values, action="DONE", personal=("email",))
    async with db.read() as tx:
        entry = (await tx.execute(select(db.tables.outbox.c.record))).scalar_one()

    assert entry["actor"] == {
        "id": SERVICE.id,
        "kind": "service",
        "name": "engine",
        "client_address": "",
        "on_behalf_of_id": EDITOR.id,
        "on_behalf_of_name": EDITOR.name,
        "session_id": EDITOR.session_id,
        "user_agent": "a" * 256,
    }
    assert entry["details"]["new"] == {"password": "***", "max_tokens": 3, "email": "e"}
    sent = to_record(entry)
    assert (sent.request_id, list(sent.personal)) == ("r1", ["email"])
    assert (sent.actor.session_id, sent.actor.user_agent) == (EDITOR.session_id, "a" * 256)


@pytest.mark.parametrize("through", [None, SERVICE])
async def test_the_record_names_the_key_or_the_runs_token_that_was_used(
    through: Caller | None,
) -> None:
    key = dataclasses.replace(EDITOR, kind="api_key", credential_id="k1", session_id="")
    token = dataclasses.replace(EDITOR, session_id="", claims={"run_id": "run-1"})
    found = []
    for user in (key, token):
        caller = user if through is None else acting_for(through, user)
        entry = outbox.record("DONE", utcnow(), Call(method="/x.Y/Z", caller=caller))
        found.append(to_record(entry).actor)

    assert [(one.api_key_id, one.run_id, one.session_id) for one in found] == [
        ("k1", "", ""),
        ("", "run-1", ""),
    ]


async def test_a_connection_in_use_is_closed_when_its_user_is_done(postgres: TestPostgres) -> None:
    db = Database(postgres.create_database("chassis"), things.metadata, name="test")
    done, connections = asyncio.Event(), list[Any]()

    async def use_one() -> None:
        async with db.read() as tx:
            raw = await tx.connection.get_raw_connection()
            connections.append(raw.driver_connection)
            await done.wait()

    user = asyncio.create_task(use_one())
    while not connections:
        await asyncio.sleep(0.01)
    closing = asyncio.create_task(db.close())
    await asyncio.sleep(0)
    done.set()
    await asyncio.gather(user, closing)

    assert connections[0].closed
