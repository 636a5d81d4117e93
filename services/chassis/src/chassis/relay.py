"""Carries outbox rows to audit, at least once, in order; audit recognises repeats by record id."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from google.protobuf import timestamp_pb2
from sqlalchemy import delete, func, select, update

from chassis import jsonvalue
from chassis.client import ServiceChannel
from chassis.database import Database
from chassis.errors import Invalid, ServiceError, TooLarge
from chassis.jsonvalue import Json
from chassis.telemetry import OUTBOX_AGE, OUTBOX_LAG, OUTBOX_REFUSED, OUTBOX_ROWS, OUTBOX_SENT
from mcpanel.audit.v1 import audit_pb2, audit_pb2_grpc

log = logging.getLogger(__name__)

_BATCH: Final = 500
_BYTES: Final = 3 * 1024 * 1024
_IDLE_SECONDS: Final = 5.0
GATHER: Final = 0.6
"""Seconds between batches that are not full: with each, what was committed meanwhile travels along."""
_FIRST_DELAY: Final = 0.2
_MAX_DELAY: Final = 15.0


class RecordSource(Protocol):
    """Where else records come from: the engine's run events."""

    async def read(self, limit: int) -> Sequence[audit_pb2.Record]:
        """The oldest records not yet accepted, at most `limit`, always in the same order."""
        ...

    async def accepted(self, records: Sequence[audit_pb2.Record]) -> None:
        """Audit has these: forget them."""
        ...

    async def refused(self, record: audit_pb2.Record, why: str) -> None:
        """Audit will never take this one: set it aside for a person, so that it holds up nothing."""
        ...


class OutboxRelay:
    """Sends the outbox (or another source) of one service to audit. `run()` is a background task."""

    def __init__(
        self, db: Database, channel: ServiceChannel, *, sources: Sequence[RecordSource] = ()
    ) -> None:
        """`channel` is one to audit with this service's own key; `sources` are relayed besides the outbox."""
        self._db = db
        self._stub = audit_pb2_grpc.AuditServiceStub(channel)
        self._sources: tuple[RecordSource, ...] = (_Outbox(db), *sources)

    async def run(self) -> None:
        """Relays for ever: at once after a commit that added records, and every five seconds besides."""
        delay = _FIRST_DELAY
        while True:
            try:
                while sent := await self.relay_once():
                    delay = _FIRST_DELAY
                    if sent < _BATCH:
                        await asyncio.sleep(GATHER)
            except ServiceError as error:
                log.warning("records wait for audit", extra={"reason": error.reason, "seconds": delay})
                await asyncio.sleep(delay)
                delay = min(delay * 2, _MAX_DELAY)
                continue
            await self._db.outbox_signal.wait(_IDLE_SECONDS)

    async def relay_once(self) -> int:
        """Sends one batch of each source; returns how many records audit accepted. Raises what audit
        answered.
        """
        sent = 0
        for source in self._sources:
            records = _fitting(await source.read(_BATCH))
            if records:
                await self._send(source, records)
                sent += len(records)
        return sent

    async def _send(self, source: RecordSource, records: Sequence[audit_pb2.Record]) -> None:
        try:
            await self._stub.AppendRecords(audit_pb2.AppendRecordsRequest(records=records), timeout=15)
        except (Invalid, TooLarge) as error:
            if len(records) > 1:
                # One bad record must not hold back the others: halve until it stands alone.
                half = len(records) // 2
                await self._send(source, records[:half])
                await self._send(source, records[half:])
                return
            log.exception(
                "audit refused a record; it is set aside", extra={"record_id": records[0].record_id}
            )
            await source.refused(records[0], error.message)
            return
        await source.accepted(records)
        OUTBOX_SENT.inc(len(records))
        now = time.time()
        for record in records:
            OUTBOX_LAG.observe(max(0.0, now - record.time.seconds - record.time.nanos / 1e9))


class _Outbox:
    """The outbox table as a source."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def read(self, limit: int) -> Sequence[audit_pb2.Record]:
        table = self._db.tables.outbox
        async with self._db.read() as tx:
            rows = (
                await tx.execute(
                    select(table.c.record, table.c.created_at)
                    .where(table.c.refused.is_(None))
                    .order_by(table.c.seq)
                    .limit(limit)
                )
            ).all()
            waiting = len(rows)
            if waiting == limit:
                waiting = await tx.scalar(select(func.count()).select_from(table))
            else:
                refused = select(func.count()).where(table.c.refused.is_not(None))
                OUTBOX_REFUSED.set(await tx.scalar(refused))
        OUTBOX_ROWS.set(waiting)
        OUTBOX_AGE.set((datetime.now(UTC) - rows[0].created_at).total_seconds() if rows else 0)
        return [to_record(row.record) for row in rows]

    async def accepted(self, records: Sequence[audit_pb2.Record]) -> None:
        table = self._db.tables.outbox
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await tx.execute(
                delete(table).where(table.c.record_id.in_([record.record_id for record in records]))
            )

    async def refused(self, record: audit_pb2.Record, why: str) -> None:
        table = self._db.tables.outbox
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await tx.execute(update(table).where(table.c.record_id == record.record_id).values(refused=why))


def to_record(entry: dict[str, Any]) -> audit_pb2.Record:
    """The message for an outbox row."""
    happened = timestamp_pb2.Timestamp()
    happened.FromDatetime(datetime.fromisoformat(str(entry["time"])))
    details: dict[str, Json] = entry.get("details") or {}
    known = {field.name for field in audit_pb2.Actor.DESCRIPTOR.fields}
    actor = {name: str(value) for name, value in (entry.get("actor") or {}).items() if name in known}
    return audit_pb2.Record(
        record_id=entry["record_id"],
        time=happened,
        action=entry["action"],
        actor=audit_pb2.Actor(**actor),
        outcome=entry.get("outcome", "OK"),
        entity_type=entry.get("entity_type", ""),
        entity_id=entry.get("entity_id", ""),
        details=jsonvalue.to_struct(details),
        trace_id=entry.get("trace_id", ""),
        method=entry.get("method", ""),
        request_id=entry.get("request_id", ""),
        personal=entry.get("personal", ()),
    )


def _fitting(records: Sequence[audit_pb2.Record]) -> list[audit_pb2.Record]:
    """As many of the first records as fit into one message (at least one)."""
    size = 0
    fitting: list[audit_pb2.Record] = []
    for record in records:
        size += record.ByteSize() + 8
        if fitting and size > _BYTES:
            break
        fitting.append(record)
    return fitting
