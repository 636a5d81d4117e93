"""Checkpoints of another history, of another key, or of another time."""

import base64
import copy

from audit.merkle import Frontier
from tests.audit.malicious.conftest import Suspicion
from tests.audit.malicious.histories import (
    BATCHES,
    HONEST,
    KEPT,
    RECORDS,
    SIGNER,
    STRANGER,
    a_record,
    entries,
    history,
    leaf_of,
    rehashed,
    signings,
)

# Fork.


async def test_another_history_signed_with_the_real_key_is_named_by_what_was_kept(
    suspicion: Suspicion,
) -> None:
    forked = history([*RECORDS[:14], *(a_record(number, actor_name="eve") for number in range(14, 23))])

    assert await suspicion.finds(forked) == []
    assert await suspicion.finds(forked, 5, 13) == []
    assert await suspicion.finds(forked, 5, 13, 16) == [("HISTORY_FORKED", 13)]
    assert await suspicion.finds(forked, 5, 23) == [("HISTORY_FORKED", 5)]


async def test_a_fork_is_named_though_its_batches_are_other_ones(suspicion: Suspicion) -> None:
    forked = history([a_record(0, actor_name="eve"), *RECORDS[1:]], (23,))

    assert await suspicion.finds(forked, 5) == [("HISTORY_FORKED", 0)]


async def test_both_sides_of_a_fork_in_one_export_contradict_each_other(suspicion: Suspicion) -> None:
    other = history([*RECORDS[:15], a_record(15, actor_name="eve")], BATCHES[:5])
    lie = list(HONEST)
    at = next(at for at, piece in enumerate(lie) if piece.signed.checkpoint.tree_size == 16)
    lie.insert(at + 1, signings(other)[-1])

    assert await suspicion.finds(lie) == [("CHECKPOINT_MISMATCH", 16)]


# Re-sign.


async def test_a_log_signed_by_another_key_is_named_at_every_checkpoint(suspicion: Suspicion) -> None:
    resigned = history(RECORDS, signer=STRANGER)

    found = await suspicion.finds(resigned)

    assert {("SIGNATURE_INVALID", size) for size in BATCHES} <= set(found)
    assert ("CHECKPOINT_MISMATCH", 0) in found  # nothing that was signed covers an entry


async def test_a_key_of_the_same_name_and_id_line_does_not_sign(suspicion: Suspicion) -> None:
    lie = copy.deepcopy(HONEST)
    note = STRANGER.sign(23, bytes.fromhex(lie[0].header.checkpoint.root_hash))
    head, _, signature = note.rstrip("\n").rpartition(" ")
    raw = SIGNER.verifier.id + base64.b64decode(signature)[4:]
    lie[0].header.checkpoint.note = f"{head} {base64.b64encode(raw).decode()}\n"

    assert ("SIGNATURE_INVALID", 23) in await suspicion.finds(lie)


async def test_an_edited_log_signed_anew_with_the_real_key_is_named_by_what_was_kept(
    suspicion: Suspicion,
) -> None:
    edited = history([*RECORDS[:3], a_record(3, actor_name="eve"), *RECORDS[4:]])

    assert await suspicion.finds(edited) == []
    assert await suspicion.finds(edited, 1, 4) == [("HISTORY_FORKED", 1)]


# Replay an old checkpoint.


async def test_an_old_checkpoint_in_place_of_a_newer_one_is_named(suspicion: Suspicion) -> None:
    lie = copy.deepcopy(HONEST)
    newest = signings(lie)[-1].signed.checkpoint
    newest.note = KEPT[16]

    assert ("CHECKPOINT_MISMATCH", 23) in await suspicion.finds(lie)


async def test_an_old_checkpoint_sent_again_behind_later_entries_is_named(suspicion: Suspicion) -> None:
    old = next(piece for piece in HONEST if piece.signed.checkpoint.tree_size == 5)

    assert await suspicion.finds([*HONEST[:-1], old, HONEST[-1]]) == [("CHECKPOINT_MISMATCH", 5)]


async def test_a_header_about_an_old_checkpoint_is_named(suspicion: Suspicion) -> None:
    lie = [history(RECORDS[:16], BATCHES[:5])[0], *HONEST[1:]]

    assert await suspicion.finds(lie) == [("EXPORT_INCOMPLETE", 23)]


async def test_a_part_must_begin_at_the_tree_that_was_signed(suspicion: Suspicion) -> None:
    lie = history(RECORDS, first=13)
    lie[0].header.start.frontier[0] = "0" * 64
    silent = history(RECORDS, first=13)
    del silent[0].header.start.frontier[:]

    assert await suspicion.finds(lie, part=True) == [("CHECKPOINT_MISMATCH", 13)]
    assert await suspicion.finds(silent, part=True) == [("CHECKPOINT_MISMATCH", 13)]


async def test_what_follows_a_broken_stretch_is_judged_again_from_the_next_subtrees(
    suspicion: Suspicion,
) -> None:
    lie = copy.deepcopy(HONEST)
    places = entries(lie)
    for index in (2, 20):
        forged = lie[places[index]]
        forged.entry.action_log.actor.name = "eve"
        rehashed(forged)
    tree, _ = Frontier().grow(leaf_of(RECORDS[number], number) for number in range(13))
    thirteen = next(piece for piece in lie if piece.signed.checkpoint.tree_size == 13)
    thirteen.signed.frontier[:] = [one.hex() for one in tree.hashes]

    assert await suspicion.finds(lie) == [("LEAF_CHANGED", 1), ("LEAF_CHANGED", 16)]
