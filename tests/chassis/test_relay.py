"""Records reach audit at least once."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from chassis import outbox, relay
from chassis.client import channel
from chassis.database import Database
from chassis.errors import Invalid, Unavailable
from chassis.relay import OutboxRelay
from chassis.telemetry import OUTBOX_LAG
from mcpanel.audit.v1 import audit_pb2, audit_pb2_grpc
from tests.chassis.conftest import Serve
from tests.support.callers import SERVICE

ENGINE = outbox.Actor("engine", "service", "engine")


class Audit(audit_pb2_grpc.AuditServiceServicer):
    """Keeps what is appended; `after` is raised once the records are kept, `refuses` names an action it never takes."""

    def __init__(self) -> None:
        self.records: dict[str, Any] = {}
        self.deliveries = 0
        self.after: Exception | None = None
        self.refuses = ""

    async def AppendRecords(self, request: Any, context: Any) -> Any:
        if any(record.action == self.refuses for record in request.records):
            raise Invalid("INVALID_FIELD", "no such action")
        self.deliveries += len(request.records)
        self.records |= {record.record_id: record for record in request.records}
        if self.after is not None:
            raise self.after
        return audit_pb2.AppendRecordsResponse(appended=len(request.records))


async def start(serve: Serve, audit: Audit) -> Any:
    raw: Any = await serve((audit_pb2_grpc.add_AuditServiceServicer_to_server, audit))
    return channel(raw.server.config.listen, peer="audit", key=SERVICE.credential)


async def add(db: Database, *actions: str) -> None:
    for action in actions:
        async with db.begin() as tx:
            await outbox.add(tx, entity=("thing", action), new={"n": 1}, action=action, actor=ENGINE)


async def waiting(db: Database) -> list[str]:
    table = db.tables.outbox
    async with db.read() as tx:
        rows = (await tx.execute(select(table.c.record).order_by(table.c.seq))).scalars().all()
    return [row["action"] for row in rows]


async def test_records_are_forgotten_only_when_audit_has_them(serve: Serve, db: Database) -> None:
    audit = Audit()
    to_audit = await start(serve, audit)
    relay = OutboxRelay(db, to_audit)
    await add(db, "A", "B")

    audit.after = Unavailable("DEPENDENCY_UNAVAILABLE", "the answer is lost")
    with pytest.raises(Unavailable):
        await relay.relay_once()
    kept = await waiting(db)
    audit.after = None
    sent = await relay.relay_once()

    assert (kept, sent, await waiting(db)) == (["A", "B"], 2, [])
    assert audit.deliveries == 4
    assert [record.action for record in audit.records.values()] == ["A", "B"]
    assert next(iter(audit.records.values())).actor.name == "engine"
    await to_audit.close()


async def test_two_relays_deliver_twice_and_lose_nothing(serve: Serve, db: Database) -> None:
    audit = Audit()
    to_audit = await start(serve, audit)
    await add(db, "A", "B", "C")

    await asyncio.gather(*(OutboxRelay(db, to_audit).relay_once() for _ in range(2)))

    assert [record.action for record in audit.records.values()] == ["A", "B", "C"]
    assert await waiting(db) == []
    await to_audit.close()


async def test_a_record_that_audit_never_takes_holds_up_nothing(serve: Serve, db: Database) -> None:
    audit = Audit()
    audit.refuses = "BAD"
    to_audit = await start(serve, audit)
    await add(db, "A", "BAD", "B", "C")

    relay = OutboxRelay(db, to_audit)
    while await relay.relay_once():
        pass

    assert [record.action for record in audit.records.values()] == ["A", "B", "C"]
    assert await waiting(db) == ["BAD"]
    await to_audit.close()


async def test_the_relay_wakes_on_commit_and_outlives_audits_absence(serve: Serve, db: Database) -> None:
    audit = Audit()
    audit.after = Unavailable("DEPENDENCY_UNAVAILABLE", "away")
    to_audit = await start(serve, audit)
    task = asyncio.create_task(OutboxRelay(db, to_audit).run())

    async with asyncio.timeout(20):
        await add(db, "A")
        while audit.deliveries == 0:
            await asyncio.sleep(0.01)
        audit.after = None
        await add(db, "B")
        while await waiting(db):
            await asyncio.sleep(0.02)

    assert {record.action for record in audit.records.values()} == {"A", "B"}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await to_audit.close()


async def test_what_is_committed_leaves_at_once_and_never_waits_a_second(
    serve: Serve, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_IDLE_SECONDS", 3600.0)  # so that nothing is found by looking now and then
    audit = Audit()
    to_audit = await start(serve, audit)
    lags = _lags()
    task = asyncio.create_task(OutboxRelay(db, to_audit).run())

    for number in range(200):
        await add(db, f"A{number}")
    async with asyncio.timeout(20):
        while await waiting(db):
            await asyncio.sleep(0.02)

    assert len(audit.records) == audit.deliveries == 200
    assert _lags() == lags + 200  # the figure that /metrics shows
    assert relay.GATHER <= 0.6  # what is committed meanwhile waits so long, and then leaves with others
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await to_audit.close()


def _lags() -> float:
    """How many records' lags were measured."""
    found = [one for metric in OUTBOX_LAG.collect() for one in metric.samples if one.name.endswith("_count")]
    return found[0].value
