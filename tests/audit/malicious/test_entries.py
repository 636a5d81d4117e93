"""Entries that were flipped, deleted, reordered or cut off."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.malicious.conftest import Suspicion
from tests.audit.malicious.histories import (
    BATCHES,
    HONEST,
    RECORDS,
    a_record,
    entries,
    history,
    rehashed,
    signings,
)


def batch_of(index: int) -> int:
    """The first entry of the batch that an entry came with."""
    return max(size for size in (0, *BATCHES) if size <= index)


async def test_an_honest_server_is_believed(suspicion: Suspicion) -> None:
    assert await suspicion.finds(HONEST) == []
    assert await suspicion.finds(HONEST, *BATCHES) == []
    assert await suspicion.finds(history(RECORDS, first=13), 13, 23, part=True) == []


# Flip.

FLIPS: dict[str, Callable[[pb.ActionLog], Any]] = {
    "the action": lambda shown: setattr(shown, "action", "MCP_DELETED"),
    "the actor": lambda shown: setattr(shown.actor, "name", "eve"),
    "the key": lambda shown: setattr(shown.actor, "api_key_id", "k1"),
    "the outcome": lambda shown: setattr(shown, "outcome", "ACCESS_DENIED"),
    "the time": lambda shown: setattr(shown.time, "nanos", 1000),
    "when it was recorded": lambda shown: setattr(shown.recorded_at, "seconds", 0),
    "a detail": lambda shown: shown.details.update({"new": {"n": -1}}),
    "the id": lambda shown: setattr(shown, "id", "r99"),
}


@pytest.mark.parametrize("flip", FLIPS)
async def test_a_flipped_field_is_named(suspicion: Suspicion, flip: str) -> None:
    lie = copy.deepcopy(HONEST)
    FLIPS[flip](lie[entries(lie)[11]].entry.action_log)

    assert await suspicion.finds(lie) == [("ENTRY_CHANGED", 11)]


async def test_each_entry_that_is_flipped_is_named_and_no_other(suspicion: Suspicion) -> None:
    for index in range(len(RECORDS)):
        lie = copy.deepcopy(HONEST)
        lie[entries(lie)[index]].entry.action_log.method = "/other"
        assert await suspicion.finds(lie) == [("ENTRY_CHANGED", index)]


async def test_a_flip_with_a_leaf_hash_to_match_is_named_with_its_batch(suspicion: Suspicion) -> None:
    for index in range(len(RECORDS)):
        lie = copy.deepcopy(HONEST)
        forged = lie[entries(lie)[index]]
        forged.entry.action_log.actor.name = "eve"
        rehashed(forged)
        assert await suspicion.finds(lie) == [("LEAF_CHANGED", batch_of(index))]


async def test_a_flipped_leaf_hash_over_an_intact_entry_is_named(suspicion: Suspicion) -> None:
    lie = copy.deepcopy(HONEST)
    lie[entries(lie)[7]].entry.action_log.leaf_hash = "0" * 64

    assert await suspicion.finds(lie) == [("LEAF_CHANGED", 7)]


# Delete.


async def test_each_deleted_entry_is_named(suspicion: Suspicion) -> None:
    for index in range(len(RECORDS)):
        lie = [piece for at, piece in enumerate(HONEST) if at != entries(HONEST)[index]]
        assert ("ENTRY_MISSING", index) in await suspicion.finds(lie)


async def test_an_entry_deleted_with_all_later_ones_renumbered_is_named_with_its_batch(
    suspicion: Suspicion,
) -> None:
    lie = history([*RECORDS[:7], *RECORDS[8:], a_record(99)])
    for forged, signed in zip(signings(lie), signings(HONEST), strict=True):
        forged.CopyFrom(signed)

    assert (await suspicion.finds(lie))[0] == ("LEAF_CHANGED", 5)


async def test_an_entry_sent_twice_is_named(suspicion: Suspicion) -> None:
    at = entries(HONEST)[8]

    assert ("ENTRY_MISPLACED", 8) in await suspicion.finds([*HONEST[: at + 1], *HONEST[at:]])


# Reorder.


@pytest.mark.parametrize(("one", "other"), [(5, 6), (8, 12), (17, 22)])
async def test_reordered_entries_are_named(suspicion: Suspicion, one: int, other: int) -> None:
    lie, places = list(HONEST), entries(HONEST)
    lie[places[one]], lie[places[other]] = lie[places[other]], lie[places[one]]

    found = await suspicion.finds(lie)

    assert ("ENTRY_MISPLACED", one) in found
    assert {kind for kind, _ in found} == {"ENTRY_MISPLACED"}


async def test_reordered_entries_that_are_renumbered_are_named(suspicion: Suspicion) -> None:
    lie, places = copy.deepcopy(HONEST), entries(HONEST)
    first, second = lie[places[6]], lie[places[9]]
    first.entry.action_log.index, second.entry.action_log.index = 9, 6
    lie[places[6]], lie[places[9]] = second, first

    assert await suspicion.finds(lie) == [("ENTRY_CHANGED", 6), ("ENTRY_CHANGED", 9)]


# Truncate.


async def test_an_export_that_breaks_off_is_named_at_its_end(suspicion: Suspicion) -> None:
    for end in range(1, len(HONEST)):
        found = await suspicion.finds(HONEST[:end])
        size = sum(piece.WhichOneof("piece") == "entry" for piece in HONEST[:end])
        assert ("EXPORT_INCOMPLETE", size) in found


async def test_a_log_cut_at_an_older_checkpoint_is_named_by_one_that_was_kept(suspicion: Suspicion) -> None:
    cut = history(RECORDS[:16], BATCHES[:5])

    assert await suspicion.finds(cut) == []  # nothing but a checkpoint from elsewhere knows better
    assert await suspicion.finds(cut, 16) == []
    assert await suspicion.finds(cut, 13, 23) == [("LOG_TRUNCATED", 16)]


async def test_a_log_that_was_emptied_is_named(suspicion: Suspicion) -> None:
    assert await suspicion.finds(history([], []), 5) == [("LOG_TRUNCATED", 0)]


async def test_a_part_in_place_of_the_log_is_named(suspicion: Suspicion) -> None:
    assert ("ENTRY_MISSING", 0) in await suspicion.finds(history(RECORDS, first=13))


async def test_a_filter_nobody_asked_for_is_named(suspicion: Suspicion) -> None:
    lie = copy.deepcopy(HONEST)
    lie[0].header.filter = 'action = "MCP_CREATED"'

    assert ("ENTRY_MISSING", 0) in await suspicion.finds(lie)
