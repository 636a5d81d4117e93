"""Run events as audit records: the engine's outbox is `run_events` itself."""

import logging
from collections.abc import Sequence
from typing import Final

from google.protobuf import struct_pb2

from chassis import ids, jsonvalue
from chassis.database import Database
from chassis.jsonvalue import Json
from chassis.outbox import masked
from engine import failpoints
from engine.store import audit as store
from engine.wire import events as wire
from mcpanel.audit.v1 import audit_pb2
from mcpanel.engine.v1 import run_pb2

log = logging.getLogger(__name__)

_MOST_TEXT: Final = 500


class RunEventRecords:
    """Every change of a run's or a step's status, for the chassis's relay. Record ids are `<run id>:<seq>`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def read(self, limit: int) -> Sequence[audit_pb2.Record]:
        """The records audit does not have yet, run by run and in order."""
        async with self._db.read() as tx:
            found = [_record(one) for one in await store.unaudited(tx, wire.STATUS_KINDS, limit)]
        if found:
            failpoints.reach("relay.before")
        return found

    async def accepted(self, records: Sequence[audit_pb2.Record]) -> None:
        """Moves each run's mark on."""
        failpoints.reach("relay.after")
        seqs: dict[str, int] = {}
        for record in records:
            run_id, _, seq = record.record_id.partition(":")
            seqs[run_id] = max(seqs.get(run_id, 0), int(seq))
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await store.audited(tx, seqs)

    async def refused(self, record: audit_pb2.Record, why: str) -> None:
        """Puts the record into the outbox, set aside with the reason, and moves on."""
        run_id, _, seq = record.record_id.partition(":")
        document: dict[str, Json] = {
            "record_id": record.record_id,
            "time": record.time.ToDatetime().isoformat() + "Z",
            "action": record.action,
            "entity_type": record.entity_type,
            "entity_id": record.entity_id,
        }
        table = self._db.tables.outbox
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await tx.execute(table.insert().values(record_id=ids.uuid7(tx.now), record=document, refused=why))
            await store.audited(tx, {run_id: int(seq)})


def _record(one: store.Unaudited) -> audit_pb2.Record:
    event = wire.Event.FromString(one.body)
    if event.WhichOneof("event") == wire.RUN_STATUS:
        run = event.run_status_change
        entity, entity_id, action = "run", one.run_id, "RUN_STATUS_CHANGED"
        details: dict[str, Json] = {"status": run_pb2.Run.Status.Name(run.status)}
        error = run.error if run.HasField("error") else None
    else:
        step = event.step_status_change
        entity, entity_id, action = "step", f"{one.run_id}/{step.step_id}", "STEP_STATUS_CHANGED"
        status = run_pb2.StepExecution.Status.Name(step.status)
        details = {"status": status, "step_id": step.step_id, "attempt": step.attempt}
        error = step.error if step.HasField("error") else None
    details["workflow"] = one.workflow_name
    outcome = "OK"
    if error is not None:
        outcome = run_pb2.RunError.Kind.Name(error.kind)
        details["error"] = {"kind": outcome, "message": error.message[:_MOST_TEXT]}
    shown = masked(details)
    through = dict(one.started_through)
    request_id = through.pop("request_id", "")
    return audit_pb2.Record(
        record_id=f"{one.run_id}:{one.seq}",
        time=wire.timestamp(one.time),
        action=action,
        actor=audit_pb2.Actor(
            id=one.started_by, kind=one.started_by_kind, name=one.started_by_name, **through
        ),
        request_id=request_id,
        outcome=outcome,
        entity_type=entity,
        entity_id=entity_id,
        details=jsonvalue.to_struct(shown) if isinstance(shown, dict) else struct_pb2.Struct(),
        trace_id=one.trace_id,
    )
