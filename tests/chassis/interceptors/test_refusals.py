"""Calls that came to nothing are on record before they are answered."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from chassis import errors, outbox
from chassis.context import Call, current
from chassis.database import Database
from chassis.errors import Denied, Invalid, NotFound, Precondition, ServiceError, Unauthenticated
from chassis.interceptors import RefusalLog
from mcpanel.policy.v1 import policy_pb2
from mcpanel.registry.v1 import component_pb2, registry_pb2_grpc
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.chassis.conftest import Serve, metadata
from tests.chassis.probes import failure
from tests.support.callers import EDITOR, VIEWER, as_caller

CREATE = pb.CreateDefinitionRequest(definition=component_pb2.Definition(name="thing", type="DATA"))


class Registry(registry_pb2_grpc.RegistryServiceServicer):
    """Fails as it is told to, with a record of its own before where `records` is set."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.error: ServiceError | None = None
        self.records = ""

    async def CreateDefinition(self, request: Any, context: Any) -> Any:
        if self.records == "kept":
            async with self.db.begin(idempotent=False) as tx:
                await outbox.add(tx, entity=("thing", "1"), action="OWN")
        async with self.db.begin() as tx:
            await outbox.add(tx, entity=("thing", "1"), new={"n": 1})
            if self.error is not None:
                raise self.error
            return tx.reply(pb.CreateDefinitionResponse())

    async def GetDefinition(self, request: Any, context: Any) -> Any:
        assert current().caller.id
        if self.error is not None:
            raise self.error
        return pb.GetDefinitionResponse()


@pytest.fixture
def registry(db: Database) -> Registry:
    """A registry that fails."""
    return Registry(db)


@pytest.fixture
async def stub(serve: Serve, db: Database, registry: Registry) -> Any:
    """A stub to it; what fails is recorded."""
    pair = (registry_pb2_grpc.add_RegistryServiceServicer_to_server, registry)
    return registry_pb2_grpc.RegistryServiceStub(await serve(pair, db=db))


async def recorded(db: Database) -> list[dict[str, Any]]:
    """The records, in their order."""
    table = db.tables.outbox
    async with db.read() as tx:
        return list((await tx.execute(select(table.c.record).order_by(table.c.seq))).scalars())


def brief(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["action"], one["outcome"]) for one in records]


async def test_a_denied_call_is_on_record_before_it_is_answered(stub: Any, db: Database) -> None:
    await failure(stub.CreateDefinition(CREATE, metadata=as_caller(VIEWER)))

    [entry] = await recorded(db)
    assert (entry["action"], entry["outcome"]) == ("ACCESS_DENIED", "PERMISSION_MISSING")
    assert (entry["actor"]["id"], entry["entity_id"]) == (VIEWER.id, "CreateDefinition")
    assert entry["details"]["permission"] == "definitions.create"


@pytest.mark.parametrize(
    "error",
    [
        errors.Precondition("WRONG_STATE", "not now", resource=("definition", "d1")),
        errors.AlreadyExists("DEFINITION_NAME_TAKEN", "taken", resource=("definition", "d1")),
        errors.NotFound("DEFINITION_NOT_FOUND", "no such", resource=("definition", "d1")),
    ],
)
async def test_a_change_that_failed_is_on_record_with_what_it_was_about(
    stub: Any, db: Database, registry: Registry, error: ServiceError
) -> None:
    registry.error = error

    await failure(stub.CreateDefinition(CREATE, metadata=as_caller(EDITOR)))

    [entry] = await recorded(db)  # and not the one of the transaction that was rolled back
    assert (entry["action"], entry["outcome"]) == ("MCP_CREATED", error.reason)
    assert (entry["entity_type"], entry["entity_id"]) == ("definition", "d1")
    assert entry["details"]["message"] == error.message


async def test_an_unexpected_failure_is_on_record_without_what_went_wrong(
    stub: Any, db: Database, registry: Registry
) -> None:
    registry.error = RuntimeError("driver says: password=hunter2")  # type: ignore[assignment]  # a bug, for once

    await failure(stub.CreateDefinition(CREATE, metadata=as_caller(EDITOR)))

    [entry] = await recorded(db)
    assert (entry["action"], entry["outcome"]) == ("MCP_CREATED", "UNEXPECTED")
    assert "hunter2" not in str(entry)


async def test_a_failure_that_is_on_record_already_is_not_recorded_twice(
    stub: Any, db: Database, registry: Registry
) -> None:
    registry.error, registry.records = Precondition("WRONG_STATE", "not now"), "kept"

    await failure(stub.CreateDefinition(CREATE, metadata=as_caller(EDITOR)))

    assert brief(await recorded(db)) == [("OWN", "OK")]


async def test_a_dry_run_that_fails_and_a_read_that_finds_nothing_are_no_events(
    stub: Any, db: Database, registry: Registry
) -> None:
    registry.error = NotFound("DEFINITION_NOT_FOUND", "no such")
    dry = pb.CreateDefinitionRequest(
        definition=component_pb2.Definition(name="thing", type="DATA"), validate_only=True
    )
    wrong = pb.CreateDefinitionRequest(validate_only=True)
    read = pb.GetDefinitionRequest(definition_id="d1")

    await failure(stub.CreateDefinition(dry, metadata=as_caller(EDITOR)))
    await failure(stub.CreateDefinition(wrong, metadata=as_caller(EDITOR)))
    await failure(stub.GetDefinition(read, metadata=as_caller(EDITOR)))

    assert await recorded(db) == []


async def test_what_exists_and_is_not_shown_is_a_denied_attempt(
    stub: Any, db: Database, registry: Registry
) -> None:
    registry.error = NotFound("DEFINITION_NOT_FOUND", "no such", resource=("definition", "d1"))
    registry.error.hidden = True

    await failure(stub.GetDefinition(pb.GetDefinitionRequest(definition_id="d1"), metadata=as_caller(EDITOR)))

    [entry] = await recorded(db)
    assert (entry["action"], entry["outcome"]) == ("ACCESS_DENIED", "DEFINITION_NOT_FOUND")
    assert (entry["entity_type"], entry["entity_id"]) == ("definition", "d1")


async def test_a_failure_says_what_the_request_was_about(stub: Any, db: Database, registry: Registry) -> None:
    registry.error = NotFound("DEFINITION_NOT_FOUND", "no such", resource=("definition", "its name"))
    registry.error.hidden = True

    await failure(
        stub.DeleteDefinition(pb.DeleteDefinitionRequest(definition_id="d1"), metadata=as_caller(VIEWER))
    )
    await failure(stub.GetDefinition(pb.GetDefinitionRequest(definition_id="d2"), metadata=as_caller(EDITOR)))

    denied, hidden = await recorded(db)
    assert (denied["outcome"], denied["entity_type"], denied["entity_id"]) == (
        "PERMISSION_MISSING",
        "definition",
        "d1",
    )
    assert (hidden["entity_type"], hidden["entity_id"]) == ("definition", "d2")


async def test_what_nobody_has_validated_is_cut_before_it_is_recorded(stub: Any, db: Database) -> None:
    wrong = pb.DeleteDefinitionRequest(definition_id="\0" + "x" * 100_000)

    await failure(stub.DeleteDefinition(wrong, metadata=as_caller(VIEWER)))

    [entry] = await recorded(db)
    assert entry["entity_id"] == "x" * 200


async def test_an_email_address_is_no_entitys_id(db: Database) -> None:
    log = RefusalLog(db)
    taken = errors.AlreadyExists("EMAIL_TAKEN", "taken", resource=("user", "ada@example.com"))

    log.remember(_call(VIEWER), taken)
    await log.flush(everything=True)

    [entry] = await recorded(db)
    assert (entry["entity_type"], entry["entity_id"]) == ("user", "")
    assert (entry["details"]["user"], "user" in entry["personal"]) == ("ada@example.com", True)


async def test_wrong_requests_are_recorded_once_and_counted(stub: Any, db: Database) -> None:
    log = RefusalLog(db)
    call = _call(VIEWER)

    for _ in range(500):
        log.remember(call, Invalid("INVALID_FIELD", "no"))
    await log.flush(everything=True)

    first, repeats = await recorded(db)
    assert first["details"].get("count") is None
    assert repeats["details"]["count"] == 499


async def test_strangers_are_counted_by_address_and_minute(db: Database) -> None:
    log = RefusalLog(db)
    addresses = ["203.0.113.7", "203.0.113.8", "2001:db8::1", "2001:db8::ffff", "::ffff:203.0.113.7"]

    for address in addresses:
        call = Call(method="/x.Y/Z", client_address=address)
        log.remember(call, Unauthenticated("CREDENTIALS_INVALID", "no"))
    await log.flush(everything=True)

    found = await recorded(db)
    assert [one["actor"]["client_address"] for one in found if "count" not in one["details"]] == addresses[:3]
    assert [one["details"]["count"] for one in found if "count" in one["details"]] == [1, 1]


async def test_no_refusal_is_lost_in_a_flood_while_the_database_is_away(db: Database) -> None:
    away = Database("postgresql://u:p@127.0.0.1:1/none", metadata)
    log = RefusalLog(away)
    for number in range(3000):
        log.remember(_call(VIEWER, f"/x.Y/Z{number % 50}"), Denied("PERMISSION_MISSING", "no"))
        stranger = Call(method="/x.Y/Z", client_address=f"203.0.{number % 250}.{number % 200}")
        log.remember(stranger, Unauthenticated("CREDENTIALS_INVALID", "no"))
    await log.flush(everything=True)
    waiting = len(log._waiting)

    log._db = db
    await log.flush(everything=True)

    assert waiting == 1000
    found = await recorded(db)
    assert sum(one["details"].get("count", 1) for one in found) == 6000
    assert len(found) < 2500
    await away.close()


async def test_a_failed_call_is_answered_though_its_record_has_to_wait() -> None:
    away = Database("postgresql://u:p@127.0.0.1:1/none", metadata)
    log = RefusalLog(away)
    writing = asyncio.create_task(log.run())

    async with asyncio.timeout(10):
        await log(_call(VIEWER), Denied("PERMISSION_MISSING", "no"))

    assert len(log._waiting) == 1
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await away.close()


def _call(caller: Any, method: str = "/x.Y/Z") -> Call:
    return Call(method=method, caller=caller, rule=policy_pb2.Rule(audit="THING_MADE"))
