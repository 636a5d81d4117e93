"""The malicious database: whoever owns the tables edits the log, and VerifyLog says where."""

import dataclasses
from collections.abc import AsyncIterator

import pytest

from audit import log, merkle, store, verification
from audit.checkpoint import Signer
from audit.domain import Entry
from audit.merkle import Frontier, Subtree
from chassis import errors
from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.conftest import ORIGIN, World, record, records, serving
from tests.support.callers import ADMIN, as_caller
from tests.support.servers import TestPostgres

SIZE = 23
BATCHES = (1, 4, 5, 13, 16, 23)  # the tree's sizes after each batch


@pytest.fixture(scope="module")
async def built(postgres: TestPostgres) -> AsyncIterator[World]:
    """A log of 23 entries, appended in six batches."""
    async with serving(postgres) as start:
        world = await start()
        for end in BATCHES:
            await world.append(records(0, end))
        world.save()
        yield world


@pytest.fixture
async def log_of_23(built: World) -> World:
    """That log, as it was; it verifies."""
    built.restore()
    verdict = await built.verify()
    assert (verdict.ok, verdict.tree_size) == (True, SIZE)
    return built


async def test_an_intact_log_verifies_to_its_signed_root(log_of_23: World) -> None:
    assert (await log_of_23.verify()).root_hash == (await log_of_23.checkpoint()).root_hash


@pytest.mark.parametrize("index", range(SIZE))
async def test_an_edited_entry_is_named(log_of_23: World, index: int) -> None:
    log_of_23.sabotage("UPDATE entries SET actor_name = 'eve' WHERE index = %s", index)

    verdict = await log_of_23.verify()

    assert not verdict.ok
    assert [(one.kind, one.index, one.action_log_id) for one in verdict.problems] == [(1, index, f"r{index}")]
    assert verdict.root_hash != (await log_of_23.checkpoint()).root_hash


@pytest.mark.parametrize(
    "change",
    [
        "format = 1",
        "format = 3",
        "request_id = 'x'",
        "session_id = 'x'",
        "user_agent = 'x'",
        "run_id = 'x'",
        "record_id = 'x'",
        "time = time + interval '1 microsecond'",
        "time = 'infinity'",
        "recorded_at = '0044-03-15 BC'",
        "service = 'x'",
        "action = 'x'",
        "outcome = 'x'",
        "actor_id = 'x'",
        "actor_kind = 'x'",
        "actor_name = 'x'",
        "on_behalf_of_id = 'x'",
        "on_behalf_of_name = 'x'",
        "client_address = 'x'",
        "api_key_id = 'x'",
        "entity_type = 'x'",
        "entity_id = 'x'",
        "details = '{}'",
        "details = '[]'",
        "details = ('{\"n\": 1' || repeat('0', 5000) || '}')::jsonb",
        "trace_id = 'x'",
        "method = 'x'",
    ],
)
async def test_no_column_can_be_edited_unnoticed(log_of_23: World, change: str) -> None:
    log_of_23.sabotage(f"UPDATE entries SET {change} WHERE index = 7")

    assert await log_of_23.problems() == [("ENTRY_CHANGED", 7)]


@pytest.mark.parametrize("index", range(SIZE))
async def test_an_entry_edited_together_with_its_leaf_hash_is_named(log_of_23: World, index: int) -> None:
    await _edit(log_of_23, index)

    assert await log_of_23.problems() == [("LEAF_CHANGED", index)]


@pytest.mark.parametrize("index", range(SIZE))
async def test_an_entry_edited_with_both_copies_of_its_leaf_is_named(log_of_23: World, index: int) -> None:
    await _edit(log_of_23, index, levels=1)

    found = await log_of_23.problems()

    assert ("LEAF_CHANGED", index) in found
    assert {place for _, place in found} <= {
        index,
        index ^ 1,
    }  # a pair under one hash cannot always be told apart


@pytest.mark.parametrize("index", range(SIZE))
async def test_an_entry_edited_with_every_stored_hash_over_it_fails_against_the_signed_checkpoints(
    log_of_23: World, index: int
) -> None:
    await _edit(log_of_23, index, levels=10)
    batch = next(place for place, end in enumerate(BATCHES) if index < end)
    begin, end = (0, *BATCHES)[batch], BATCHES[batch]

    first, *others = (await log_of_23.verify()).problems

    if first.kind == first.CHECKPOINT_MISMATCH:
        assert first.index == end
    else:
        assert begin <= first.index < end
        assert first.index in (index, index ^ 1)
    assert all("stored hash" in other.message for other in others)


async def test_the_range_of_a_thorough_edit_is_narrowed_by_the_checkpoints_around_it(
    log_of_23: World,
) -> None:
    await _edit(log_of_23, 10, levels=10)  # the batch is 5 to 12; the tree over 0 to 7 is signed by itself

    problem, *_ = (await log_of_23.verify()).problems

    assert (problem.kind, problem.index) == (problem.CHECKPOINT_MISMATCH, 13)
    assert "at least one of the entries 8 to 11" in problem.message


async def test_several_edits_are_each_named(log_of_23: World) -> None:
    log_of_23.sabotage("UPDATE entries SET action = 'x' WHERE index IN (2, 3, 14)")
    await _edit(log_of_23, 9)
    log_of_23.sabotage("DELETE FROM entries WHERE index = 20")

    assert await log_of_23.problems() == [
        ("ENTRY_CHANGED", 2),
        ("ENTRY_CHANGED", 3),
        ("LEAF_CHANGED", 9),
        ("ENTRY_CHANGED", 14),
        ("ENTRY_MISSING", 20),
    ]


@pytest.mark.parametrize("index", [0, 4, 12, 22])
async def test_a_deleted_entry_is_missing(log_of_23: World, index: int) -> None:
    log_of_23.sabotage("DELETE FROM entries WHERE index = %s", index)

    assert await log_of_23.problems() == [("ENTRY_MISSING", index)]


async def test_an_entry_deleted_with_its_leaf_is_missing(log_of_23: World) -> None:
    log_of_23.sabotage("DELETE FROM entries WHERE index = 6")
    log_of_23.sabotage("DELETE FROM nodes WHERE number = %s", Subtree(0, 6).number)

    assert await log_of_23.problems() == [("ENTRY_MISSING", 6)]


async def test_swapped_entries_are_both_named(log_of_23: World) -> None:
    _swap(log_of_23, 6, 17)

    assert await log_of_23.problems() == [("LEAF_CHANGED", 6), ("LEAF_CHANGED", 17)]


async def test_entries_swapped_without_their_leaf_hashes_are_both_named(log_of_23: World) -> None:
    _swap(log_of_23, 6, 17)
    for index in (6, 17):
        number = Subtree(0, index).number
        original = "(SELECT hash FROM nodes WHERE number = %s)"
        log_of_23.sabotage(f"UPDATE entries SET leaf_hash = {original} WHERE index = %s", number, index)

    assert await log_of_23.problems() == [("ENTRY_CHANGED", 6), ("ENTRY_CHANGED", 17)]


@pytest.mark.parametrize("kept", [22, 16, 14, 1])
async def test_a_truncated_tail_is_missing_entry_by_entry(log_of_23: World, kept: int) -> None:
    log_of_23.sabotage("DELETE FROM entries WHERE index >= %s", kept)
    log_of_23.sabotage("DELETE FROM nodes WHERE number >= %s", merkle.completed_by(kept))

    assert await log_of_23.problems() == [("ENTRY_MISSING", index) for index in range(kept, SIZE)]


async def test_a_tail_truncated_with_its_checkpoints_is_given_away_by_the_hashes_left(
    log_of_23: World,
) -> None:
    log_of_23.sabotage("DELETE FROM entries WHERE index >= 16")
    log_of_23.sabotage("DELETE FROM checkpoints WHERE tree_size > 16")

    assert await log_of_23.problems() == [("ENTRY_MISSING", 16)]
    await _appending_is_refused(log_of_23)


async def test_an_older_checkpoint_in_the_newest_ones_place_is_noticed(log_of_23: World) -> None:
    log_of_23.sabotage("DELETE FROM checkpoints WHERE tree_size = 23")

    assert await log_of_23.problems() == [("CHECKPOINT_MISMATCH", 16)]
    await _appending_is_refused(log_of_23)


async def test_an_older_note_replayed_under_a_newer_size_is_noticed(log_of_23: World) -> None:
    log_of_23.sabotage(
        "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE tree_size = 16) WHERE tree_size = 23"
    )

    assert await log_of_23.problems() == [("CHECKPOINT_MISMATCH", 23)]
    await _appending_is_refused(log_of_23)


@pytest.mark.parametrize(
    "change", ["root_hash = sha256('x')", "frontier = frontier || 'x'", "frontier = sha256('x')"]
)
async def test_a_checkpoint_whose_columns_differ_from_its_note_is_named(
    log_of_23: World, change: str
) -> None:
    log_of_23.sabotage(f"UPDATE checkpoints SET {change} WHERE tree_size = 16")

    assert await log_of_23.problems() == [("CHECKPOINT_MISMATCH", 16)]
    assert await log_of_23.append(records(23, 24)) == 1  # only the newest is built upon


async def test_a_checkpoint_signed_by_another_key_is_named(log_of_23: World) -> None:
    stranger = Signer.generate(ORIGIN)
    async with log_of_23.db.read() as tx:
        newest = await store.newest_checkpoint(tx)
    assert newest is not None
    forged = stranger.sign(newest.tree_size, newest.root_hash)
    log_of_23.sabotage("UPDATE checkpoints SET note = %s WHERE tree_size = 23", forged)

    assert await log_of_23.problems() == [("SIGNATURE_INVALID", 23)]
    await _appending_is_refused(log_of_23)


async def test_a_signature_with_a_flipped_bit_is_named(log_of_23: World) -> None:
    log_of_23.sabotage(
        "UPDATE checkpoints SET note = overlay(note placing 'AAAA' from 150 for 4) WHERE tree_size = 5"
    )

    assert await log_of_23.problems() == [("SIGNATURE_INVALID", 5)]


async def test_an_entry_is_still_named_when_most_checkpoints_are_gone(log_of_23: World) -> None:
    log_of_23.sabotage("DELETE FROM checkpoints WHERE tree_size < 23")
    log_of_23.sabotage("UPDATE entries SET action = 'x' WHERE index = 3")
    await _edit(log_of_23, 11)

    assert await log_of_23.problems() == [("ENTRY_CHANGED", 3), ("LEAF_CHANGED", 11)]


async def test_a_forked_history_contradicts_the_checkpoints_signed_before(log_of_23: World) -> None:
    """The whole log is rewritten consistently, but a rewriter without the key cannot sign it."""
    stranger = Signer.generate(ORIGIN)
    async with log_of_23.db.read() as tx:
        rows = await store.stored_between(tx, 0, SIZE)
    tree, number = Frontier(), 0
    for index in range(SIZE):
        entry = rows[index].entry
        assert entry is not None
        forged = log.leaf_of(_edited(entry))
        tree, hashes = tree.grow([forged])
        log_of_23.sabotage(
            "UPDATE entries SET action = 'FORGED', leaf_hash = %s WHERE index = %s", forged, index
        )
        for value in hashes:
            log_of_23.sabotage("UPDATE nodes SET hash = %s WHERE number = %s", value, number)
            number += 1
    log_of_23.sabotage("DELETE FROM checkpoints WHERE tree_size < 23")
    log_of_23.sabotage(
        "UPDATE checkpoints SET root_hash = %s, frontier = %s, note = %s",
        tree.root,
        tree.to_bytes(),
        stranger.sign(SIZE, tree.root),
    )

    assert await log_of_23.problems() == [("SIGNATURE_INVALID", 23)]


async def test_hashes_edited_over_intact_entries_are_named(log_of_23: World) -> None:
    log_of_23.sabotage("UPDATE nodes SET hash = sha256('x') WHERE number = %s", Subtree(0, 5).number)
    log_of_23.sabotage("UPDATE nodes SET hash = sha256('x') WHERE number = %s", Subtree(3, 1).number)
    log_of_23.sabotage("UPDATE entries SET leaf_hash = sha256('x') WHERE index = 18")
    verdict = await log_of_23.verify()

    assert await log_of_23.problems() == [
        ("LEAF_CHANGED", 5),
        ("CHECKPOINT_MISMATCH", 16),
        ("LEAF_CHANGED", 18),
    ]
    assert "over entries 8 to 15 differs" in verdict.problems[1].message
    assert verdict.root_hash == (await log_of_23.checkpoint()).root_hash


async def test_an_edited_entry_is_named_though_all_hashes_above_it_are_gone(log_of_23: World) -> None:
    log_of_23.sabotage("UPDATE entries SET action = 'x' WHERE index = 10")
    leaves = [Subtree(0, index).number for index in range(SIZE)]
    log_of_23.sabotage("DELETE FROM nodes WHERE number <> ALL(%s)", leaves)

    assert ("ENTRY_CHANGED", 10) in await log_of_23.problems()


async def test_an_entry_slipped_in_behind_the_newest_checkpoint_is_noticed(log_of_23: World) -> None:
    log_of_23.sabotage(
        'INSERT INTO entries SELECT (jsonb_populate_record(e, \'{"index": 23, "record_id": "slipped"}\')).* '
        "FROM entries e WHERE index = 1"
    )

    assert await log_of_23.problems() == [("CHECKPOINT_MISMATCH", 23)]
    await _appending_is_refused(log_of_23)


async def test_what_was_edited_never_becomes_part_of_what_is_signed_later(log_of_23: World) -> None:
    await _edit(log_of_23, 22, levels=10)

    await log_of_23.append([record("later")], [record("latest")])

    found = await log_of_23.problems()
    assert [place for _, place in found] == [22]


async def test_the_whole_history_is_judged_whatever_the_window(log_of_23: World) -> None:
    log_of_23.sabotage("UPDATE entries SET action = 'x' WHERE index IN (2, 12)")
    await _edit(log_of_23, 17)
    log_of_23.sabotage("UPDATE checkpoints SET note = 'x' WHERE tree_size = 16")

    for window in (1, 2, 3, 5, 7, 16, 100):
        verdict = await verification.verify(log_of_23.db, log_of_23.signer.verifier, window)
        found = {(one.kind.value, one.index) for one in verdict.problems}
        assert found == {
            ("ENTRY_CHANGED", 2),
            ("ENTRY_CHANGED", 12),
            ("SIGNATURE_INVALID", 16),
            ("LEAF_CHANGED", 17),
        }


async def test_a_proof_that_needs_lost_hashes_is_refused(log_of_23: World) -> None:
    log_of_23.sabotage("DELETE FROM nodes WHERE number = %s", Subtree(0, 1).number)

    with pytest.raises(errors.DataLoss) as caught:
        await log_of_23.stub.GetInclusionProof(
            pb.GetInclusionProofRequest(action_log_id="r0"), metadata=as_caller(ADMIN)
        )
    assert caught.value.reason == "LOG_DAMAGED"


async def _appending_is_refused(world: World) -> None:
    with pytest.raises(errors.DataLoss) as caught:
        await world.append([record("later")])
    assert caught.value.reason == "LOG_DAMAGED"


def _edited(entry: Entry) -> Entry:
    return dataclasses.replace(entry, action="FORGED")


async def _edit(world: World, index: int, levels: int = 0) -> None:
    """Edits an entry and its leaf hash, then as many levels of the tree over it as said, consistently."""
    async with world.db.read() as tx:
        entry = (await store.stored_between(tx, index, index + 1))[index].entry
        hashes = await store.nodes_between(tx, 0, merkle.completed_by(SIZE))
    assert entry is not None
    forged = log.leaf_of(_edited(entry))
    world.sabotage("UPDATE entries SET action = 'FORGED', leaf_hash = %s WHERE index = %s", forged, index)
    for level in range(levels):
        subtree = Subtree(level, index >> level)
        if (subtree.position + 1) << level > SIZE:
            break
        if level:
            below = [hashes[Subtree(level - 1, 2 * subtree.position + side).number] for side in (0, 1)]
            forged = merkle.node_hash(*below)
        hashes[subtree.number] = forged
        world.sabotage("UPDATE nodes SET hash = %s WHERE number = %s", forged, subtree.number)


def _swap(world: World, one: int, other: int) -> None:
    world.sabotage("UPDATE entries SET index = 1000 WHERE index = %s", one)
    world.sabotage("UPDATE entries SET index = %s WHERE index = %s", one, other)
    world.sabotage("UPDATE entries SET index = %s WHERE index = 1000", other)
