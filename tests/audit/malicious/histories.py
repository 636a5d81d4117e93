"""Honest and other histories of a log, made as the audit service makes them."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format

from audit import canonical, log, wire
from audit.checkpoint import Signer
from audit.domain import Entry, Exported, Milestone, Record, Scope
from audit.merkle import Frontier
from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.conftest import ORIGIN
from tests.audit.exports import Piece

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


def entries(pieces: Sequence[Piece]) -> dict[int, int]:
    """Where in the pieces each entry stands."""
    return {
        piece.entry.action_log.index: at
        for at, piece in enumerate(pieces)
        if piece.WhichOneof("piece") == "entry"
    }


def rehashed(piece: Piece) -> Piece:
    """The entry with the leaf hash that belongs to what it shows now."""
    shown = piece.entry.action_log
    record = a_record(0, **_shown(shown))
    shown.leaf_hash = leaf_of(record, shown.index).hex()
    return piece


def leaf_of(record: Record, index: int) -> bytes:
    """The leaf hash of the record as this entry."""
    fields = {name: getattr(record, name) for name in record.__slots__}
    return log.leaf_of(Entry(**fields, index=index, recorded_at=NOW, format=canonical.NEWEST))


def _shown(shown: pb.ActionLog) -> dict[str, Any]:
    return {
        "record_id": shown.id,
        "action": shown.action,
        "actor_name": shown.actor.name,
        "details": json_format.MessageToDict(shown.details),
    }


def signings(pieces: Sequence[Piece]) -> list[Piece]:
    """The checkpoints among the pieces."""
    return [piece for piece in pieces if piece.WhichOneof("piece") == "signed"]
