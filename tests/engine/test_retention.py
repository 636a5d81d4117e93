"""How long things are kept: weeks of events are made ahead, and go when nothing needs them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from chassis import migrations
from chassis.ids import uuid7
from engine.retention import AHEAD, Retention
from engine.store import partitions
from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import FakeWorker
from tests.support.callers import EDITOR, as_caller
from tests.support.servers import TestPostgres

MONTH = timedelta(days=30)


async def sql(engine: Engine, statement: str, **values: Any) -> list[Any]:
    async with engine.built.db.begin(idempotent=False, audited=False) as tx:
        result = await tx.execute(text(statement), values)
        return list(result.all()) if result.returns_rows else []


async def old_run(engine: Engine, age: timedelta = timedelta(days=100)) -> str:
    """A run that ended, with all it left, as if it had been made so long ago; audit has its events."""
    now = datetime.now(UTC)
    await sql(engine, "DROP TABLE run_events_before")
    async with engine.built.db.begin(idempotent=False, audited=False) as tx:
        for moment in (now - age, now):
            await partitions.create(tx, partitions.week_of(moment))
    run = await engine.ended((await engine.start_run()).id)
    await audited(engine)
    old = uuid7(now - age)
    for table, column in (
        ("runs", "id"),
        ("run_events", "run_id"),
        ("run_steps", "run_id"),
        ("attempts", "run_id"),
    ):
        await sql(
            engine,
            f"UPDATE {table} SET {column} = CAST(:new AS uuid) WHERE {column} = CAST(:old AS uuid)",  # ours
            new=old,
            old=run.id,
        )
    await sql(
        engine,
        "UPDATE runs SET created_at = created_at - :age, ended_at = ended_at - :age WHERE id = CAST(:id AS uuid)",
        age=age,
        id=old,
    )
    return old


async def covered(engine: Engine, age: timedelta) -> bool:
    """Whether a partition has the runs that were made so long ago."""
    async with engine.built.db.read() as tx:
        week = partitions.week_of(datetime.now(UTC) - age)
        return any(one.first <= week.first < one.last for one in await partitions.listed(tx))


async def audited(engine: Engine) -> None:
    async with asyncio.timeout(10):
        while await sql(engine, "SELECT FROM runs WHERE unaudited"):
            await asyncio.sleep(0.05)


def keeping(engine: Engine, keep: timedelta = MONTH) -> Retention:
    return Retention(engine.built.db, keep, most=2)


@pytest.fixture
def flow(peers: Peers, worker: FakeWorker) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})


async def test_an_old_run_leaves_its_summary_and_nothing_else(engine: Engine, flow: None) -> None:
    old = await old_run(engine)
    young = await engine.ended((await engine.start_run()).id)

    dropped = await keeping(engine).round()

    assert dropped == [partitions.week_of(datetime.now(UTC) - timedelta(days=100)).name]
    run = await engine.get(old)
    assert (run.status, run.steps_ended) == (run_pb2.Run.SUCCESS, 2)
    assert await engine.steps(old) == {}
    assert (await refused(engine.events(old))).reason == "POSITION_OUT_OF_RANGE"
    watching = engine.watch(old)
    assert (await refused(anext(aiter(watching)))).code == "OUT_OF_RANGE"
    for table in ("run_steps", "attempts", "artifacts"):
        rows = await sql(engine, f"SELECT FROM {table} WHERE run_id = CAST(:id AS uuid)", id=old)  # ours
        assert rows == []
    assert [one.seq for one in await engine.events(young.id)] == list(range(1, young.last_seq + 1))
    again = engine_pb2.RerunRunRequest(run_id=old)
    rerun = (await engine.stub.RerunRun(again, metadata=as_caller(EDITOR))).run
    assert (await engine.ended(rerun.id)).status == run_pb2.Run.SUCCESS


@pytest.mark.parametrize(
    "needed",
    ["ended_at = NULL, status = 'PAUSED'", "unaudited = true, status_seq = 1000", "ended_at = now()"],
)
async def test_what_a_run_of_the_week_still_needs_keeps_the_whole_week(
    engine: Engine, flow: None, needed: str
) -> None:
    old = await old_run(engine)
    count = len(await sql(engine, "SELECT FROM run_events WHERE run_id = CAST(:id AS uuid)", id=old))
    await sql(engine, f"UPDATE runs SET {needed} WHERE id = CAST(:id AS uuid)", id=old)  # ours

    dropped = await keeping(engine).round()

    assert dropped == []
    assert (
        len(await sql(engine, "SELECT FROM run_events WHERE run_id = CAST(:id AS uuid)", id=old)) == count > 0
    )


async def test_without_a_limit_everything_is_kept(engine: Engine, flow: None) -> None:
    await old_run(engine)

    assert await keeping(engine, timedelta()).round() == []


async def test_the_weeks_to_come_are_there_and_replicas_make_each_once(
    engine: Engine, engines: Engines
) -> None:
    other = await engines.start()
    for week in range(1, AHEAD + 1):
        name = partitions.week_of(datetime.now(UTC) + week * partitions.WEEK).name
        await sql(engine, f"DROP TABLE IF EXISTS {name}")

    weeks = [-week * partitions.WEEK for week in range(AHEAD + 1)]
    async with asyncio.timeout(10):  # a replica at it already may have looked before they were gone
        while not all([await covered(engine, week) for week in weeks]):
            await asyncio.gather(*(keeping(one).round() for one in (engine, other)))


async def test_the_migration_keeps_the_events_there_are(postgres: TestPostgres) -> None:
    url = postgres.create_database("engine", migrate="engine")
    migrations.downgrade(url, "engine", "0004")
    ids = [uuid7(datetime.now(UTC) - timedelta(days=days)) for days in (400, 3, 0)] + [
        "f" * 8 + "-0000-4000-8000-" + "0" * 12
    ]
    import psycopg  # noqa: PLC0415

    with psycopg.connect(url) as connection:
        for one in ids:
            connection.execute("INSERT INTO run_events VALUES (%s, 1, now(), 'log', '')", [one])
    migrations.upgrade(url, "engine")
    migrations.check(url, "engine")

    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT run_id::text, tableoid::regclass::text FROM run_events ORDER BY 1"
        ).fetchall()
    migrations.downgrade(url, "engine", "0004")
    with psycopg.connect(url) as connection:
        kept = connection.execute("SELECT count(*) FROM run_events").fetchone()
    postgres.drop_database(url)

    assert [row[0] for row in rows] == sorted(ids)
    assert [row[1] for row in rows] == ["run_events_before"] * 3 + ["run_events_default"]
    assert kept == (4,)
