"""Inclusion and consistency proofs that prove nothing."""

import copy
from collections.abc import Sequence

import pytest

from audit import merkle, wire
from audit.merkle import ProofInvalid
from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.exports import Piece
from tests.audit.malicious.conftest import Suspicion
from tests.audit.malicious.histories import (
    HONEST,
    KEPT,
    RECORDS,
    SIGNER,
    a_record,
    entries,
    history,
    rehashed,
)
from tests.support.callers import ADMIN, as_caller

LEAVES = [bytes.fromhex(piece.entry.action_log.leaf_hash) for piece in HONEST if piece.entry.action_log.id]


def _proof(paths: Sequence[merkle.Range]) -> list[str]:
    return [merkle.root_of(LEAVES[start:end]).hex() for start, end in paths]


def chosen(*indexes: int, size: int = 23) -> list[Piece]:
    """The export of some entries, each with its proof."""
    pieces = [copy.deepcopy(HONEST[0]), *(copy.deepcopy(HONEST[entries(HONEST)[index]]) for index in indexes)]
    pieces[0].header.filter = 'actor_name = "ada"'
    for index, piece in zip(indexes, pieces[1:], strict=True):
        piece.entry.hashes[:] = _proof(merkle.inclusion_path(index, size))
    return [*pieces, wire.export_end(len(indexes))]


async def test_chosen_entries_are_believed_by_their_proofs(suspicion: Suspicion) -> None:
    assert await suspicion.finds(chosen(0, 3, 11, 22), 23, part=True) == []


async def test_chosen_entries_that_lie_are_named(suspicion: Suspicion) -> None:
    flipped, forged, swapped, stale, behind = (chosen(0, 3, 11, 22) for _ in range(5))
    flipped[2].entry.action_log.actor.name = "eve"
    forged[2].entry.action_log.actor.name = "eve"
    rehashed(forged[2])
    swapped[2].entry.hashes[:] = swapped[3].entry.hashes
    stale[3].entry.hashes[:] = _proof(merkle.inclusion_path(11, 16))
    behind[2], behind[3] = behind[3], behind[2]

    assert await suspicion.finds(flipped, part=True) == [("ENTRY_CHANGED", 3)]
    assert await suspicion.finds(forged, part=True) == [("LEAF_CHANGED", 3)]
    assert await suspicion.finds(swapped, part=True) == [("LEAF_CHANGED", 3)]
    assert await suspicion.finds(stale, part=True) == [("LEAF_CHANGED", 11)]
    assert await suspicion.finds(behind, part=True) == [("ENTRY_MISPLACED", 3)]


async def test_chosen_entries_of_a_forked_log_are_named_by_what_was_kept(suspicion: Suspicion) -> None:
    forked = [a_record(number, actor_name="eve") for number in range(23)]
    lie = history(forked)
    leaves = [bytes.fromhex(piece.entry.action_log.leaf_hash) for piece in lie if piece.entry.action_log.id]
    found = [lie[0], lie[entries(lie)[4]], wire.export_end(1)]
    found[0].header.filter = "index = 4"
    path = merkle.inclusion_path(4, 23)
    found[1].entry.hashes[:] = [merkle.root_of(leaves[start:end]).hex() for start, end in path]

    assert await suspicion.finds(found, part=True) == []
    assert await suspicion.finds(found, 23, part=True) == [("HISTORY_FORKED", 0)]


async def test_a_false_inclusion_proof_shows_nothing(suspicion: Suspicion) -> None:
    root = bytes.fromhex(HONEST[0].header.checkpoint.root_hash)
    true = _proof(merkle.inclusion_path(11, 23))
    lies = [true[:-1], [*true, true[0]], true[::-1], _proof(merkle.inclusion_path(10, 23)), []]

    for hashes in lies:
        suspicion.server.inclusion = pb.GetInclusionProofResponse(index=11, tree_size=23, hashes=hashes)
        request = pb.GetInclusionProofRequest(action_log_id="r11")
        got = await suspicion.stub.GetInclusionProof(request, metadata=as_caller(ADMIN))
        with pytest.raises(ProofInvalid):
            merkle.verify_inclusion(
                got.index, 23, LEAVES[11], [bytes.fromhex(one) for one in got.hashes], root
            )
    merkle.verify_inclusion(11, 23, LEAVES[11], [bytes.fromhex(one) for one in true], root)


async def test_no_consistency_proof_leads_from_what_was_kept_to_a_fork(suspicion: Suspicion) -> None:
    forked = history([*RECORDS[:14], *(a_record(number, actor_name="eve") for number in range(14, 23))])
    leaves = [
        bytes.fromhex(piece.entry.action_log.leaf_hash) for piece in forked if piece.entry.action_log.id
    ]
    old, new = (SIGNER.verifier.open(note) for note in (KEPT[16], forked[0].header.checkpoint.note))
    path = merkle.consistency_path(16, 23)

    for source in (LEAVES, leaves):
        hashes = [merkle.root_of(source[start:end]).hex() for start, end in path]
        suspicion.server.consistency = pb.GetConsistencyProofResponse(hashes=hashes)
        request = pb.GetConsistencyProofRequest(first_size=16)
        got = await suspicion.stub.GetConsistencyProof(request, metadata=as_caller(ADMIN))
        proof = [bytes.fromhex(one) for one in got.hashes]
        with pytest.raises(ProofInvalid):
            merkle.verify_consistency(16, 23, old.root_hash, new.root_hash, proof)
