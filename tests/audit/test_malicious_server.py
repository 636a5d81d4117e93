"""The malicious server: an audit service that lies over gRPC, in its exports and in its proofs. With nothing but the
pinned key, and the checkpoints somebody kept, `audit.verify` says where.

Three strengths of it: one that edits what it sends; one that also makes every hash fit; and one that holds the signing
key and signs the new history. Only what was kept elsewhere shows the last one's lie.
"""

import base64
import copy
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from audit import canonical, log, merkle, wire
from audit.checkpoint import Signer
from audit.domain import Entry, Exported, Milestone, Record, Scope
from audit.merkle import Frontier, ProofInvalid
from audit.verify import __main__ as cli
from chassis.client import channel
from chassis.config import Address, ServiceConfig
from chassis.server import Server
from mcpanel.audit.v1 import audit_pb2 as pb
from mcpanel.audit.v1 import audit_pb2_grpc
from tests.audit.conftest import ORIGIN
from tests.audit.exports import Piece, fetched, ndjson
from tests.support.callers import ADMIN, TestAuthenticator, as_caller

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
BATCHES = (1, 4, 5, 13, 16, 23)
"""The tree's sizes after each batch."""
SIGNER = Signer.generate(ORIGIN)
STRANGER = Signer.generate(ORIGIN)


def a_record(number: int, **changes: Any) -> Record:
    """What happened as number so-and-so."""
    values: dict[str, Any] = {
        "time": NOW,
        "service": "registry",
        "action": "MCP_CREATED",
        "outcome": "OK",
        "actor_name": "ada",
    }
    values |= {"record_id": f"r{number}", "details": {"new": {"n": number}}}
    return Record(**(values | changes))


def history(
    records: Sequence[Record], batches: Sequence[int] = BATCHES, signer: Signer = SIGNER, first: int = 0
) -> list[Piece]:
    """The export of a log of these records, made as the audit service makes it; from entry `first` on."""
    tree, parts, start, end = (
        Frontier(),
        list[Exported | Milestone](),
        None,
        log.signed(Frontier(), NOW, signer),
    )
    for size in batches:
        added = log.extend(tree, [*map(asdict, records[tree.size : size])], NOW, signer)
        milestone = Milestone(added.checkpoint, Frontier.from_bytes(size, added.checkpoint.frontier).hashes)
        if size <= first:
            start = milestone
        else:
            parts += [Exported(leaf) for leaf in added.leaves]
            parts.append(replace(milestone, frontier=() if tree.size else milestone.frontier))
        tree, end = Frontier.from_bytes(size, added.checkpoint.frontier), added.checkpoint
    entries = sum(isinstance(part, Exported) for part in parts)
    header = wire.export_header(Scope(start, end), "", NOW, signer.verifier)
    return [header, *(wire.exported(part, signer.verifier) for part in parts), wire.export_end(entries)]


RECORDS = [a_record(number) for number in range(BATCHES[-1])]
HONEST = history(RECORDS)
KEPT = {
    piece.signed.checkpoint.tree_size: piece.signed.checkpoint.note
    for piece in HONEST
    if piece.signed.checkpoint.note
}


@dataclass
class LyingServer(audit_pb2_grpc.AuditServiceServicer):
    """Answers what it is told to."""

    pieces: list[Piece] = field(default_factory=list)
    inclusion: pb.GetInclusionProofResponse = field(default_factory=pb.GetInclusionProofResponse)
    consistency: pb.GetConsistencyProofResponse = field(default_factory=pb.GetConsistencyProofResponse)

    async def ExportActionLogs(
        self, request: pb.ExportActionLogsRequest, context: Any
    ) -> AsyncIterator[Piece]:
        for piece in self.pieces:
            yield piece

    async def GetInclusionProof(self, request: Any, context: Any) -> pb.GetInclusionProofResponse:
        return self.inclusion

    async def GetConsistencyProof(self, request: Any, context: Any) -> pb.GetConsistencyProofResponse:
        return self.consistency


@dataclass
class Suspicion:
    """Somebody who asks the lying server, with the key they pinned and the checkpoints they kept."""

    server: LyingServer
    stub: "audit_pb2_grpc.AuditServiceAsyncStub"
    folder: Path
    capture: pytest.CaptureFixture[str]

    async def finds(self, pieces: Sequence[Piece], *kept: int, part: bool = False) -> list[tuple[str, int]]:
        """What `python -m audit.verify` says of the export: kinds and indexes. `kept` are sizes of checkpoints."""
        self.server.pieces = list(pieces)
        (self.folder / "export.ndjson").write_text(ndjson(await fetched(self.stub)))
        arguments = [
            str(self.folder / "export.ndjson"),
            "--key",
            str(SIGNER.verifier),
            *(["--part"] if part else []),
        ]
        for size in kept:
            (self.folder / f"{size}.note").write_text(KEPT[size])
            arguments += ["--checkpoint", str(self.folder / f"{size}.note")]
        code = cli.run(arguments)
        said = self.capture.readouterr().out.splitlines()
        end = next(at for at, one in enumerate(said) if "verified: " in one)
        assert (code, said[end].startswith("verified")) == ((1, False) if end else (0, True))
        found = [one.partition(":")[0].split() for one in said[:end]]
        return [(kind, int(index)) for kind, index in found]


@pytest.fixture(scope="module")
async def lying() -> AsyncIterator[tuple[LyingServer, Any]]:
    """The lying server on a socket, and a stub to it."""
    with tempfile.TemporaryDirectory(prefix="mcp", dir="/tmp") as sockets:
        config = ServiceConfig(home=Path(sockets), listen=Address(f"unix:{sockets}/a"), metrics_listen=None)
        liar = LyingServer()
        added = [(audit_pb2_grpc.add_AuditServiceServicer_to_server, liar)]
        server = Server(config, added, authenticator=TestAuthenticator())
        await server.start()
        connection = channel(config.listen, peer="audit")
        yield liar, audit_pb2_grpc.AuditServiceStub(connection)
        await server.stop(grace=0)
        await connection.close()


@pytest.fixture
def suspicion(
    lying: tuple[LyingServer, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Suspicion:
    """Whoever asks it."""
    liar, stub = lying
    return Suspicion(liar, stub, tmp_path, capsys)


def entries(pieces: Sequence[Piece]) -> dict[int, int]:
    """Where in the pieces each entry stands."""
    return {
        piece.entry.action_log.index: at
        for at, piece in enumerate(pieces)
        if piece.WhichOneof("piece") == "entry"
    }


def batch_of(index: int) -> int:
    """The first entry of the batch that an entry came with."""
    return max(size for size in (0, *BATCHES) if size <= index)


def rehashed(piece: Piece) -> Piece:
    """The entry with the leaf hash that belongs to what it shows now."""
    shown = piece.entry.action_log
    record = a_record(0, **_shown(shown))
    fields = {name: getattr(record, name) for name in record.__slots__}
    entry = Entry(**fields, index=shown.index, recorded_at=NOW, format=canonical.NEWEST)
    shown.leaf_hash = log.leaf_of(entry).hex()
    return piece


def _shown(shown: pb.ActionLog) -> dict[str, Any]:
    return {
        "record_id": shown.id,
        "action": shown.action,
        "actor_name": shown.actor.name,
        "details": json_format.MessageToDict(shown.details),
    }


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
    for forged, signed in zip(_signed(lie), _signed(HONEST), strict=True):
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
    lie.insert(at + 1, _signed(other)[-1])

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
    newest = _signed(lie)[-1].signed.checkpoint
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
    tree, _ = Frontier().grow(log.leaf_of(_entry(number)) for number in range(13))
    thirteen = next(piece for piece in lie if piece.signed.checkpoint.tree_size == 13)
    thirteen.signed.frontier[:] = [one.hex() for one in tree.hashes]

    assert await suspicion.finds(lie) == [("LEAF_CHANGED", 1), ("LEAF_CHANGED", 16)]


# Proofs.

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


def _signed(pieces: Sequence[Piece]) -> list[Piece]:
    return [piece for piece in pieces if piece.WhichOneof("piece") == "signed"]


def _entry(number: int) -> Entry:
    fields = {name: getattr(RECORDS[number], name) for name in RECORDS[number].__slots__}
    return Entry(**fields, index=number, recorded_at=NOW, format=canonical.NEWEST)
