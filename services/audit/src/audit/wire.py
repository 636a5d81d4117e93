"""Messages to domain values and back."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from google.protobuf import struct_pb2

from audit import canonical, personal
from audit.checkpoint import Signer, Verifier
from audit.domain import (
    Checkpoint,
    Exported,
    Json,
    Kept,
    Leaf,
    Milestone,
    Problem,
    Record,
    Scope,
    Segment,
    Verdict,
)
from audit.personal import Delivery, Disclosure
from chassis import errors, jsonvalue
from chassis.paging import Page, token
from mcpanel.audit.v1 import audit_pb2
from mcpanel.engine.v1 import run_pb2
from mcpanel.errors.v1 import errors_pb2

Piece = audit_pb2.ExportActionLogsResponse
Watched = audit_pb2.WatchActionLogsResponse

_PAGE_BYTES: Final = 3 * 1024 * 1024
"""A page ends where it would grow larger than this."""
OUTCOMES: Final = (
    "OK",
    *dict.fromkeys([*errors_pb2.Error.Reason.keys()[1:], *run_pb2.RunError.Kind.keys()[1:]]),
)
"""How an action can come out: well, with an error's reason, or as a run or a step fails."""


def deliveries(request: audit_pb2.AppendRecordsRequest, service: str) -> list[Delivery]:
    """The records of `service` in a request. Raises Invalid naming a time outside the years 2 to 9998."""
    return [
        Delivery(_record(record, service, place), frozenset(record.personal))
        for place, record in enumerate(request.records)
    ]


def action_log(leaf: Leaf, values: Mapping[str, str] | None = None) -> audit_pb2.ActionLog:
    """One entry, with the values that its commitments are about; without them, as it was signed."""
    entry = leaf.entry if values is None else personal.revealed(leaf.entry, values)
    return audit_pb2.ActionLog(
        id=entry.record_id,
        index=entry.index,
        time=entry.time,
        recorded_at=entry.recorded_at,
        service=entry.service,
        action=entry.action,
        actor=audit_pb2.Actor(
            id=entry.actor_id,
            kind=entry.actor_kind,
            name=entry.actor_name,
            on_behalf_of_id=entry.on_behalf_of_id,
            on_behalf_of_name=entry.on_behalf_of_name,
            client_address=entry.client_address,
            api_key_id=entry.api_key_id,
            session_id=entry.session_id,
            user_agent=entry.user_agent,
            run_id=entry.run_id,
        ),
        outcome=entry.outcome,
        entity_type=entry.entity_type,
        entity_id=entry.entity_id,
        details=jsonvalue.to_struct(entry.details),
        trace_id=entry.trace_id,
        method=entry.method,
        request_id=entry.request_id,
        leaf_hash=leaf.leaf_hash.hex(),
    )


def before(page: Page) -> int | None:
    """The index that a page of entries lies below, or None for the newest page."""
    return None if page.after is None else int(str(page.after[0]))


def tokens(leaves: Sequence[Leaf]) -> set[str]:
    """The commitments in entries."""
    return {token for leaf in leaves for token in personal.tokens(leaf.entry)}


def action_logs(
    leaves: Sequence[Leaf], page: Page, values: Mapping[str, str]
) -> audit_pb2.ListActionLogsResponse:
    """A page, from at most `page.limit` entries."""
    response = audit_pb2.ListActionLogsResponse()
    size = 0
    for leaf in leaves[: page.size]:
        found = action_log(leaf, values)
        size += found.ByteSize()
        if response.action_logs and size > _PAGE_BYTES:
            break
        response.action_logs.append(found)
    shown = len(response.action_logs)
    if shown < len(leaves):
        response.next_page_token = token((leaves[shown - 1].entry.index,), page.bound)
    return response


def watched(
    leaves: Sequence[Leaf], values: Mapping[str, str], next_index: int, *, live: bool, said: bool
) -> Iterator[Watched]:
    """What a watch saw. `live`: there is no more for now; `said`: that was said of what came before, too."""
    for leaf in leaves:
        yield Watched(action_log=action_log(leaf, values), next_index=leaf.entry.index + 1)
    if live and not said:
        yield Watched(live=Watched.Live(), next_index=next_index)
    elif not leaves:
        yield Watched(keep_alive=Watched.KeepAlive(), next_index=next_index)


def watch_end(sent: int, next_index: int) -> Watched:
    """What a watch ends with."""
    return Watched(end=Watched.End(sent=sent), next_index=next_index)


def checkpoint(signed: Checkpoint, verifier: Verifier) -> audit_pb2.Checkpoint:
    """A signed checkpoint."""
    return audit_pb2.Checkpoint(
        origin=verifier.name,
        tree_size=signed.tree_size,
        root_hash=signed.root_hash.hex(),
        note=signed.note,
        signed_at=signed.signed_at,
        verifier_key=str(verifier.signer_of(signed.note)),
    )


def keys(signer: Signer) -> dict[str, Json]:
    """The log's keys, the newest first, for the entry that says that a new one signs."""
    return {"new": {"verifier_keys": [str(key) for key in signer.verifier.keys]}}


def archived(segment: Segment) -> dict[str, Json]:
    """A segment, for the entry that says that its entries are in a file now."""
    return {
        "new": {
            "first_index": segment.first,
            "end_index": segment.end,
            "place": segment.place,
            "sha256": segment.sha256.hex(),
        }
    }


def witness(kept: Kept) -> audit_pb2.Witness:
    """How a witness is."""
    return audit_pb2.Witness(name=kept.name, tree_size=kept.tree_size, kept_at=kept.kept_at, error=kept.error)


def verdict(found: Verdict) -> audit_pb2.VerifyLogResponse:
    """What a verification found."""
    return audit_pb2.VerifyLogResponse(
        ok=not found.problems,
        tree_size=found.tree_size,
        root_hash=found.root_hash.hex(),
        first_index=found.first,
        problems=[_problem(problem) for problem in found.problems],
    )


def export_header(scope: Scope, wanted: str, now: datetime, verifier: Verifier) -> Piece:
    """What an export begins with."""
    header = Piece.Header(
        origin=verifier.name,
        verifier_key=str(verifier.signer_of(scope.end.note)),
        checkpoint=checkpoint(scope.end, verifier),
        filter=wanted,
        exported_at=now,
    )
    if scope.start is not None:
        header.start.CopyFrom(_signed(scope.start, verifier))
    return Piece(header=header)


def exported(part: Exported | Milestone | Disclosure, verifier: Verifier) -> Piece:
    """An entry, a checkpoint or a personal value of an export."""
    if isinstance(part, Disclosure):
        return Piece(
            personal=Piece.Personal(commitment=part.commitment, salt=part.salt.hex(), value=part.value)
        )
    if isinstance(part, Milestone):
        return Piece(signed=_signed(part, verifier))
    entry = part.leaf.entry
    return Piece(
        entry=Piece.Entry(action_log=action_log(part.leaf), format=entry.format, hashes=hexes(part.proof))
    )


def export_end(entries: int) -> Piece:
    """What an export ends with."""
    return Piece(end=Piece.End(entries=entries))


def hexes(hashes: Sequence[bytes]) -> list[str]:
    """Hashes as lower-case hex."""
    return [value.hex() for value in hashes]


def _signed(milestone: Milestone, verifier: Verifier) -> Piece.Signed:
    return Piece.Signed(
        checkpoint=checkpoint(milestone.checkpoint, verifier), frontier=hexes(milestone.frontier)
    )


def _record(record: audit_pb2.Record, service: str, place: int) -> Record:
    actor = record.actor
    return Record(
        record_id=record.record_id,
        time=_time(record, place),
        service=service,
        action=record.action,
        outcome=record.outcome or "OK",
        actor_id=actor.id,
        actor_kind=actor.kind,
        actor_name=actor.name,
        on_behalf_of_id=actor.on_behalf_of_id,
        on_behalf_of_name=actor.on_behalf_of_name,
        client_address=actor.client_address,
        api_key_id=actor.api_key_id,
        entity_type=record.entity_type,
        entity_id=record.entity_id,
        details=_details(record.details),
        trace_id=record.trace_id,
        method=record.method,
        request_id=record.request_id,
        session_id=actor.session_id,
        user_agent=actor.user_agent,
        run_id=actor.run_id,
    )


def _details(struct: struct_pb2.Struct) -> dict[str, Json]:
    return {key: canonical.normal(value) for key, value in jsonvalue.from_struct(struct).items()}


def _time(record: audit_pb2.Record, place: int) -> datetime:
    """The record's time to the microsecond."""
    try:
        moment = record.time.ToDatetime(UTC)
    except (ValueError, OverflowError):
        moment = datetime.min.replace(tzinfo=UTC)
    if not 1 < moment.year < 9999:
        why = "must lie in the years 2 to 9998"
        raise errors.Invalid(
            "INVALID_FIELD", f"time {why}", fields=[errors.FieldViolation(f"records[{place}].time", why)]
        )
    return moment


def _problem(problem: Problem) -> audit_pb2.LogProblem:
    return audit_pb2.LogProblem(
        kind=problem.kind.value,
        index=problem.index,
        action_log_id=problem.record_id,
        message=problem.message,
    )
