"""The AuditService over gRPC: appending, reading, proofs, and who may."""

import asyncio
import math
from collections.abc import AsyncIterator

import psycopg
import pytest

from audit import merkle
from audit.checkpoint import Verifier
from chassis import errors
from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.conftest import TIME, Start, World, record, records, serving
from tests.support.callers import ADMIN, EDITOR, REGISTRY, SERVICE, as_caller
from tests.support.servers import TestPostgres


async def test_an_appended_record_is_read_back_with_its_place_and_its_service(world: World) -> None:
    actor = pb.Actor(
        id="s1",
        kind="service",
        name="registry",
        on_behalf_of_id="u1",
        on_behalf_of_name="ada",
        client_address="10.0.0.1",
    )
    details = {"old": None, "new": {"name": "n\u00e4me", "n": 3, "x": 1.5, "big": 1e300, "tags": ["a"]}}
    sent = record(
        "r0",
        "MCP_UPDATED",
        actor=actor,
        details=details,
        entity_type="definition",
        entity_id="d1",
        trace_id="t1",
        method="/mcpanel.registry.v1.RegistryService/UpdateDefinition",
    )

    await world.append([sent])

    request = pb.GetActionLogRequest(action_log_id="r0")
    found = (await world.stub.GetActionLog(request, metadata=as_caller(ADMIN))).action_log
    assert (found.id, found.index, found.service, found.outcome) == ("r0", 0, SERVICE.name, "OK")
    assert found.time.ToDatetime(TIME.tzinfo) == TIME
    assert (found.actor, found.details, found.method) == (sent.actor, sent.details, sent.method)
    assert (found.entity_type, found.entity_id, found.trace_id) == ("definition", "d1", "t1")
    assert (await world.checkpoint()).root_hash == found.leaf_hash
    assert (await world.verify()).ok


async def test_a_batch_sent_twice_is_in_the_log_once(world: World) -> None:
    assert await world.append(records(0, 3)) == 3

    again = await world.append([*records(1, 4), *records(2, 4)])

    assert again == 1
    assert [one.id for one in (await world.page()).action_logs] == ["r3", "r2", "r1", "r0"]
    assert (await world.checkpoint()).tree_size == 4


async def test_many_appenders_at_once_make_one_gapless_log(start: Start) -> None:
    worlds = [await start(), await start()]
    batches = [[record(f"{batch}-{number}") for number in range(7)] for batch in range(20)]

    sent = [worlds[place % 2].append(batch) for place, batch in enumerate(batches + batches)]
    appended = await asyncio.gather(*sent)

    assert sum(appended) == 140
    log = (await worlds[0].page(page_size=1000)).action_logs
    assert [one.index for one in log] == list(range(139, -1, -1))
    ids = [one.id for one in reversed(log)]
    assert all(
        ids[at : at + 7] == [f"{ids[at].partition('-')[0]}-{n}" for n in range(7)] for at in range(0, 140, 7)
    )
    assert (await worlds[1].verify()).ok


async def test_an_appender_that_dies_before_its_commit_leaves_nothing(world: World) -> None:
    await world.append(records(0, 2))
    victim = psycopg.connect(world.url)
    victim.execute("SELECT pg_advisory_xact_lock(%s)", (0x6D63_7061_7564_6974,))
    victim.execute("INSERT INTO nodes VALUES (3, 'half')")
    waiting = asyncio.create_task(world.append(records(2, 4)))
    await asyncio.sleep(0.1)
    assert not waiting.done()

    victim.close()

    assert await waiting == 2
    assert (await world.checkpoint()).tree_size == 4
    assert (await world.verify()).ok


async def test_the_list_pages_from_the_newest_to_the_oldest(world: World) -> None:
    await world.append(records(0, 5))

    first = await world.page(page_size=2)
    await world.append(records(5, 6))
    second = await world.page(page_size=2, page_token=first.next_page_token)
    third = await world.page(page_size=2, page_token=second.next_page_token)

    assert [[one.index for one in page.action_logs] for page in (first, second, third)] == [
        [4, 3],
        [2, 1],
        [0],
    ]
    assert not third.next_page_token
    with pytest.raises(errors.Invalid) as caught:
        await world.page('action = "x"', page_token=first.next_page_token)
    assert caught.value.reason == "INVALID_PAGE_TOKEN"


@pytest.fixture(scope="module")
async def four(postgres: TestPostgres) -> AsyncIterator[World]:
    """A log of four entries that differ, only to be read."""
    async with serving(postgres) as begin:
        world = await begin()
        await world.append(
            [
                record("r0", entity_type="definition", entity_id="d1"),
                record("r1", "MCP_DELETED", entity_type="definition", entity_id="d1"),
                record("r2", actor=pb.Actor(id="u2", name="bob"), outcome="PERMISSION_MISSING"),
                record(
                    "r3",
                    entity_type="definition",
                    trace_id="t3",
                    time=TIME.replace(hour=13),
                    details={"new": {"owner": {"email": "grace@example.com"}, "full_name": "Grace"}},
                ),
            ]
        )
        yield world


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", ["r3", "r2", "r1", "r0"]),
        ('action = "MCP_DELETED"', ["r1"]),
        ("action != MCP_DELETED AND entity_type = definition", ["r3", "r0"]),
        ('actor_id = "u2"', ["r2"]),
        ('actor_name = "bob"', ["r2"]),
        ('outcome = "PERMISSION_MISSING"', ["r2"]),
        ("outcome = permission_* OR outcome = TIMED_OUT", ["r2"]),
        ("service = engine AND trace_id = t3", ["r3"]),
        ("entity_id = d1", ["r1", "r0"]),
        ('time > "2026-01-31T12:00:00Z"', ["r3"]),
        ('time <= "2026-01-31T13:00:00+01:00"', ["r2", "r1", "r0"]),
        ("service = registry", []),
        ('entity_id = "d1" AND (action = "MCP_DELETED" OR outcome = "TIMED_OUT")', ["r1"]),
        ("NOT action = MCP_*", []),
        ('text : "BOB"', ["r2"]),
        ('text : "definition d1"', ["r1", "r0"]),
        ('text : "grace@" AND action = "MCP_CREATED"', ["r3"]),
        ('text : "nowhere"', []),
    ],
)
async def test_the_list_filters(four: World, where: str, found: list[str]) -> None:
    assert [one.id for one in (await four.page(where)).action_logs] == found


async def test_a_list_can_be_only_of_what_is_about_some_things_and_its_pages_belong_to_them(
    four: World,
) -> None:
    about = await four.page("action = MCP_CREATED", entity_ids=["d1", "unknown"])
    first = await four.page(entity_ids=["d1"], page_size=1)
    second = await four.page(entity_ids=["d1"], page_size=1, page_token=first.next_page_token)

    with pytest.raises(errors.Invalid) as caught:
        await four.page(entity_ids=["d2"], page_size=1, page_token=first.next_page_token)

    assert [one.id for one in about.action_logs] == ["r0"]
    assert [one.id for page in (first, second) for one in page.action_logs] == ["r1", "r0"]
    assert caught.value.reason == "INVALID_PAGE_TOKEN"


async def test_a_filter_that_cannot_be_read_names_the_place(world: World) -> None:
    with pytest.raises(errors.Invalid) as caught:
        await world.page("acton = x")

    assert caught.value.reason == "INVALID_FILTER"
    assert "unknown field 'acton'" in caught.value.message


async def test_a_filter_by_an_outcome_that_cannot_be_names_those_that_can(world: World) -> None:
    with pytest.raises(errors.Invalid) as caught:
        await world.page("outcome = PERMISION_MISSING")

    assert caught.value.reason == "INVALID_FILTER"
    assert "outcome: expected one of" in caught.value.message
    assert "PERMISSION_MISSING" in caught.value.message


async def test_a_page_of_large_entries_ends_before_a_message_is_full(world: World) -> None:
    for number in range(4):
        await world.append([record(f"r{number}", details={"text": "x" * 1_500_000})])

    first = await world.page()
    second = await world.page(page_token=first.next_page_token)

    assert [[one.index for one in page.action_logs] for page in (first, second)] == [[3, 2], [1, 0]]
    assert not second.next_page_token


async def test_an_empty_log_has_a_checkpoint_and_verifies(world: World) -> None:
    empty = await world.checkpoint()

    assert (empty.tree_size, empty.root_hash) == (0, merkle.EMPTY_ROOT.hex())
    assert Verifier.parse(empty.verifier_key).open(empty.note).tree_size == 0
    assert (await world.verify()).ok


async def test_every_proof_verifies_against_the_signed_checkpoint(world: World) -> None:
    roots: dict[int, bytes] = {}
    for end in (1, 3, 4, 11, 13):
        await world.append(records(0, end))
        signed = await world.checkpoint()
        statement = Verifier.parse(signed.verifier_key).open(signed.note)
        assert (statement.origin, statement.tree_size) == (signed.origin, end)
        roots[end] = statement.root_hash

    for number in range(13):
        request = pb.GetInclusionProofRequest(action_log_id=f"r{number}", tree_size=11 if number < 11 else 0)
        proof = await world.stub.GetInclusionProof(request, metadata=as_caller(ADMIN))
        hashes = [bytes.fromhex(value) for value in proof.hashes]
        leaf = bytes.fromhex(proof.leaf_hash)
        merkle.verify_inclusion(number, proof.tree_size, leaf, hashes, roots[proof.tree_size])
    for first, second in ((1, 13), (3, 4), (4, 11), (11, 13), (13, 13)):
        asked = pb.GetConsistencyProofRequest(first_size=first, second_size=0 if second == 13 else second)
        answer = await world.stub.GetConsistencyProof(asked, metadata=as_caller(ADMIN))
        hashes = [bytes.fromhex(value) for value in answer.hashes]
        merkle.verify_consistency(first, second, roots[first], roots[second], hashes)


async def test_what_is_not_in_the_log_is_named(world: World) -> None:
    await world.append(records(0, 2))
    admin = as_caller(ADMIN)

    with pytest.raises(errors.NotFound) as missing:
        await world.stub.GetActionLog(pb.GetActionLogRequest(action_log_id="no"), metadata=admin)
    with pytest.raises(errors.OutOfRange) as early:
        await world.stub.GetInclusionProof(
            pb.GetInclusionProofRequest(action_log_id="r1", tree_size=1), metadata=admin
        )
    with pytest.raises(errors.OutOfRange) as late:
        await world.stub.GetConsistencyProof(pb.GetConsistencyProofRequest(first_size=3), metadata=admin)

    assert missing.value.reason == "ACTION_LOG_NOT_FOUND"
    assert missing.value.resource == ("action_log", "no")
    assert (early.value.reason, late.value.reason) == ("TREE_SIZE_OUT_OF_RANGE", "TREE_SIZE_OUT_OF_RANGE")
    assert late.value.metadata["tree_size"] == "2"


async def test_the_registry_reads_the_log_for_those_it_shows_histories(world: World) -> None:
    await world.append(records(0, 1))

    found = await world.stub.ListActionLogs(pb.ListActionLogsRequest(), metadata=as_caller(REGISTRY))
    with pytest.raises(errors.Denied):
        await world.stub.ListActionLogs(pb.ListActionLogsRequest(), metadata=as_caller(SERVICE))

    assert [one.id for one in found.action_logs] == ["r0"]


async def test_only_services_append_and_only_administrators_read(world: World) -> None:
    with pytest.raises(errors.Denied) as appending:
        await world.stub.AppendRecords(
            pb.AppendRecordsRequest(records=records(0, 1)), metadata=as_caller(ADMIN)
        )
    with pytest.raises(errors.Denied) as reading:
        await world.stub.ListActionLogs(pb.ListActionLogsRequest(), metadata=as_caller(EDITOR))
    with pytest.raises(errors.Unauthenticated):
        await world.stub.VerifyLog(pb.VerifyLogRequest())

    assert appending.value.reason == "INTERNAL_ONLY"
    assert (reading.value.reason, reading.value.metadata["permission"]) == (
        "PERMISSION_MISSING",
        "audit.read",
    )


async def test_whom_this_service_turns_away_is_in_its_own_log(start: Start) -> None:
    world = await start(relaying=True)

    with pytest.raises(errors.Denied):
        await world.stub.VerifyLog(pb.VerifyLogRequest(), metadata=as_caller(EDITOR))

    async with asyncio.timeout(30):
        while not (found := (await world.page()).action_logs):
            await asyncio.sleep(0.1)
    assert (found[0].action, found[0].actor.id, found[0].outcome) == (
        "ACCESS_DENIED",
        EDITOR.id,
        "PERMISSION_MISSING",
    )
    assert (found[0].service, found[0].entity_id) == (SERVICE.name, "VerifyLog")
    assert (await world.verify()).ok


async def test_records_that_break_the_contract_are_refused_naming_the_field(world: World) -> None:
    early = record("r0")
    early.time.seconds = -62135596800

    with pytest.raises(errors.Invalid) as unnamed:
        await world.append([record("")])
    with pytest.raises(errors.Invalid) as timeless:
        await world.append([early])

    assert unnamed.value.fields[0].field == "records[0].record_id"
    assert timeless.value.fields[0].field == "records[0].time"


async def test_numbers_that_json_cannot_hold_do_not_stop_the_log(world: World) -> None:
    odd = record("r0")
    odd.details["nan"] = math.nan
    odd.details["big"] = math.inf
    odd.details["tiny"] = 5e-324

    await world.append([odd])

    found = (await world.page()).action_logs[0].details
    assert (found["nan"], found["big"], found["tiny"]) == ("NaN", "Infinity", 5e-324)
    assert (await world.verify()).ok


@pytest.mark.parametrize(
    "statement", ["UPDATE entries SET action = 'x'", "DELETE FROM entries", "TRUNCATE entries"]
)
async def test_the_services_own_role_cannot_change_the_log_by_accident(world: World, statement: str) -> None:
    await world.append(records(0, 1))

    with (
        psycopg.connect(world.url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"),
    ):
        connection.execute(statement)
