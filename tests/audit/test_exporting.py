"""ExportActionLogs: the log, or a part of it, with all that proves it."""

import pytest

from audit import exporting
from chassis import errors
from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.conftest import World, record, records
from tests.audit.exports import Piece, fetched, judged, ndjson, problems
from tests.support.callers import ADMIN, EDITOR, as_caller

BATCHES = (
    ["0", "1", "signed 2"],
    ["2", "signed 3"],
    ["3", "4", "5", "6", "signed 7"],
    ["7", "8", "signed 9"],
)
WHOLE = ["header 9", *(one for batch in BATCHES for one in batch), "end 9"]
"""The export of `log_of_9`, as `shape` has it."""


@pytest.fixture
async def log_of_9(world: World) -> World:
    """A log of nine entries in batches that end at 2, 3, 7 and 9."""
    for end in (2, 3, 7, 9):
        await world.append(
            [record(f"r{at}", "MCP_CREATED" if at % 3 else "MCP_DELETED") for at in range(end)]
        )
    return world


def shape(pieces: list[Piece]) -> list[str]:
    """An export in short: entries by index, checkpoints by size."""
    words = {
        "header": lambda one: f"header {one.header.checkpoint.tree_size}",
        "entry": lambda one: str(one.entry.action_log.index),
        "signed": lambda one: f"signed {one.signed.checkpoint.tree_size}",
        "end": lambda one: f"end {one.end.entries}",
    }
    return [words[kind](one) for one in pieces if (kind := str(one.WhichOneof("piece"))) in words]


async def test_a_whole_export_is_every_entry_with_the_checkpoint_behind_its_batch(log_of_9: World) -> None:
    pieces = await fetched(log_of_9.stub)

    assert shape(pieces) == WHOLE
    assert problems(pieces, log_of_9.signer.verifier) == []
    listed = (await log_of_9.page(page_size=1000)).action_logs
    exported = [one.entry.action_log for one in pieces if one.WhichOneof("piece") == "entry"]
    assert [one.leaf_hash for one in exported] == [one.leaf_hash for one in listed[::-1]]


async def test_a_part_begins_and_ends_where_a_checkpoint_does(log_of_9: World) -> None:
    pieces = await fetched(log_of_9.stub, first=4, until=6)

    assert shape(pieces) == ["header 7", "3", "4", "5", "6", "signed 7", "end 4"]
    assert pieces[0].header.start.checkpoint.tree_size == 3
    assert problems(pieces, log_of_9.signer.verifier, part=True) == []
    assert problems(pieces, log_of_9.signer.verifier) == [("ENTRY_MISSING", 0)]


async def test_with_a_filter_each_entry_comes_with_its_own_proof(log_of_9: World) -> None:
    pieces = await fetched(log_of_9.stub, where='action = "MCP_DELETED"')

    assert shape(pieces) == ["header 9", "0", "3", "6", "end 3"]
    verdict = judged(ndjson(pieces), log_of_9.signer.verifier, part=True)
    assert (verdict.problems, verdict.entries, verdict.filter) == ((), 3, 'action = "MCP_DELETED"')


@pytest.mark.parametrize("window", [1, 2, 3, 4, 100])
async def test_the_windows_it_is_read_in_do_not_show(
    log_of_9: World, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exporting.export
    monkeypatch.setattr(exporting, "export", lambda db, scope, condition: whole(db, scope, condition, window))

    pieces = await fetched(log_of_9.stub)

    assert shape(pieces) == WHOLE
    assert problems(pieces, log_of_9.signer.verifier) == []


async def test_an_empty_log_is_exported_as_a_signed_empty_tree(world: World) -> None:
    pieces = await fetched(world.stub)

    assert shape(pieces) == ["header 0", "end 0"]
    verdict = judged(ndjson(pieces), world.signer.verifier)
    assert (verdict.problems, verdict.tree_size) == ((), 0)


async def test_an_export_is_itself_recorded(world: World) -> None:
    await world.append(records(0, 3))

    await fetched(world.stub, first=1, where='service = "registry"')

    async with world.db.read() as tx:
        row = (await tx.execute(tx.tables.outbox.select())).one()
    assert row.record["action"] == "ACTION_LOG_EXPORTED"
    assert row.record["actor"]["id"] == ADMIN.id
    assert row.record["details"] == {"first_index": 0, "tree_size": 3, "filter": 'service = "registry"'}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (pb.ExportActionLogsRequest(filter="actor_mood = 1"), "INVALID_FILTER"),
        (pb.ExportActionLogsRequest(from_index=4), "TREE_SIZE_OUT_OF_RANGE"),
        (pb.ExportActionLogsRequest(until_index=4), "TREE_SIZE_OUT_OF_RANGE"),
        (pb.ExportActionLogsRequest(from_index=3, until_index=2), "TREE_SIZE_OUT_OF_RANGE"),
        (pb.ExportActionLogsRequest(from_index=-1), "INVALID_FIELD"),
    ],
)
async def test_what_cannot_be_exported_is_refused_before_anything_is_sent(
    world: World, request_: pb.ExportActionLogsRequest, reason: str
) -> None:
    await world.append(records(0, 3))

    with pytest.raises(errors.ServiceError) as caught:
        await anext(aiter(world.stub.ExportActionLogs(request_, metadata=as_caller(ADMIN))))

    assert caught.value.reason == reason


async def test_who_may_not_read_the_log_may_not_export_it(world: World) -> None:
    with pytest.raises(errors.Denied):
        await anext(
            aiter(world.stub.ExportActionLogs(pb.ExportActionLogsRequest(), metadata=as_caller(EDITOR)))
        )
