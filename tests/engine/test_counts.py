"""How many runs there are and how they went: the same numbers as the runs themselves, whatever their number."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from engine.api import counts
from engine.counting import BASE, Count, summed
from engine.tally import Tally
from mcpanel.engine.v1 import engine_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.calls import Gate, until
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, as_caller


async def count(engine: Engine, filter_: str = "", caller: Any = EDITOR, **fields: Any) -> Any:
    request = engine_pb2.CountRunsRequest(filter=filter_, **fields)
    return await engine.stub.CountRuns(request, metadata=as_caller(caller))


async def fold(engine: Engine) -> None:
    while await Tally(engine.built.db, most=3).round():
        pass


async def broken(attempt: Attempt) -> Any:
    raise StepFailed


async def test_runs_are_counted_by_status_and_workflow_before_and_after_they_are_tallied(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, name="good")
    peers.registry.workflow({"id": "b"}, name="bad")
    mine = peers.registry.workflow({"id": "c"}, name="mine", visibility=2)
    gate = Gate()
    worker.code |= {"b": broken, "c": gate}
    ended = [await engine.start_run(name) for name in ("good", "good", "good", "bad")]
    for run in ended:
        await engine.ended(run.id)
    live = await engine.start_run("mine")
    await until(lambda: gate.entered)

    before = await count(engine, by_workflow=True)
    await fold(engine)
    after = await count(engine, by_workflow=True)
    others = await count(engine, caller=OTHER_EDITOR, by_workflow=True)
    good = await count(engine, 'workflow_name = "good" AND status != "FAILED"')
    scanned = await count(engine, 'workflow_name = "good" AND created_at > "2020-01-01T00:00:00Z"')
    of_version = await count(engine, 'workflow_name = "good" AND workflow_version = 1')
    of_another = await count(engine, 'workflow_name = "good" AND workflow_version = 2')
    hers = await count(engine, f'started_by = "{OTHER_EDITOR.id}"')
    gate.open.set()
    await engine.ended(live.id)
    await fold(engine)
    private = [await count(engine, caller=one, by_workflow=True) for one in (EDITOR, OTHER_EDITOR, ADMIN)]

    assert before == after
    assert dict(before.total.statuses) == {"SUCCESS": 3, "FAILED": 1, "RUNNING": 1}
    assert (before.total.ended, before.total.succeeded, before.total.success_rate) == (4, 3, 0.75)
    by_name = {one.workflow_name: one for one in before.workflows}
    assert before.workflows[0].workflow_name == "good"
    assert by_name["bad"].success_rate == 0
    assert not by_name["bad"].HasField("p50")
    assert not by_name["mine"].HasField("success_rate")
    assert by_name["mine"].workflow_id == mine.id
    assert dict(others.total.statuses) == {"SUCCESS": 3, "FAILED": 1}
    assert good.total == scanned.total == of_version.total
    assert not of_another.total.statuses
    assert dict(good.total.statuses) == {"SUCCESS": 3}
    assert not hers.total.statuses
    assert [len(one.workflows) for one in private] == [3, 2, 3]


async def test_durations_are_told_to_within_five_percent(engine: Engine, engines: Engines) -> None:
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        await connection.execute(
            """INSERT INTO run_ends
               SELECT 'w', 'w', true, '', '', 'SUCCESS', now() - n / 10 * interval '1 minute', n * 100
               FROM generate_series(1, 1000) AS n"""
        )
        await connection.execute(
            "INSERT INTO run_ends VALUES ('w', 'w', true, '', '', 'SUCCESS', now() - interval '30 days', 1)"
        )

    before = await count(engine)
    await Tally(engine.built.db).round()
    after = await count(engine, by_workflow=True)

    assert before.total == after.total
    assert dict(after.total.statuses) == {"SUCCESS": 1001}
    assert after.total.ended == 1000
    assert after.total.p50.ToTimedelta().total_seconds() == pytest.approx(50, rel=0.05)
    assert after.total.p95.ToTimedelta().total_seconds() == pytest.approx(95, rel=0.05)
    assert after.since.ToDatetime(UTC) <= datetime.now(UTC) - timedelta(days=7)


async def test_a_window_counts_whole_hours_and_beyond_two_days_whole_days(
    engine: Engine, engines: Engines
) -> None:
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        await connection.execute(
            """INSERT INTO run_ends
               SELECT 'w', 'w', true, '', '', 'FAILED', now() - ago * interval '1 hour', 1
               FROM unnest(ARRAY[0, 3, 30, 80, 720]) AS ago"""
        )

    async def ended() -> list[int]:
        found = []
        for hours in (1, 4, 36, 120, 800):
            request = engine_pb2.CountRunsRequest()
            request.window.seconds = hours * 3600
            found.append((await engine.stub.CountRuns(request, metadata=as_caller(EDITOR))).total.ended)
        return found

    before = await ended()
    await fold(engine)

    assert before == await ended() == [1, 2, 3, 4, 5]


async def test_replicas_that_tally_at_once_count_every_run_once(engines: Engines) -> None:
    one, two = await engines.start(), await engines.start()
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        await connection.execute(
            """INSERT INTO run_ends SELECT 'w', 'w', false, 'o', 's' || n % 7, 'FAILED', now(), 5
               FROM generate_series(1, 500) AS n"""
        )
    await asyncio.gather(*(fold(engine) for engine in (one, two, one, two)))

    assert dict((await count(one, caller=ADMIN)).total.statuses) == {"FAILED": 500}


async def test_what_cannot_be_counted_is_refused(
    engine: Engine, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "_MOST_SCANNED", 500)
    unknown = await refused(count(engine, "colour = 1"))
    broken_filter = await refused(count(engine, "status = "))
    window = engine_pb2.CountRunsRequest()
    window.window.seconds = 60
    short = await refused(engine.stub.CountRuns(window, metadata=as_caller(EDITOR)))
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        await connection.execute(
            """INSERT INTO runs (id, workflow_id, workflow_name, workflow_version, is_public, owner_id, plan,
                   started_by, started_by_kind, started_by_name, trace_id, status, inputs, created_at, ended_at,
                   step_count, last_seq, status_seq, unaudited)
               SELECT gen_random_uuid(), 'w', 'w', 1, true, '', '', 's', 'user', '', '', 'SUCCESS', '', now(), now(), 1,
                   0, 0, false
               FROM generate_series(0, 500)"""
        )
    broad = await refused(count(engine, 'started_by = "s"'))

    assert (unknown.reason, broken_filter.reason) == ("INVALID_FILTER", "INVALID_FILTER")
    assert (short.code, list(short.fields)) == ("INVALID_ARGUMENT", ["window"])
    assert (broad.code, broad.reason) == ("INVALID_ARGUMENT", "FILTER_TOO_BROAD")


def test_percentiles_are_by_nearest_rank() -> None:
    total, _ = summed([Count("w", "SUCCESS", lately=True, bucket=bucket, runs=1) for bucket in (0, 10, 20)])

    assert [total.percentile(share) for share in (0.3, 0.5, 0.95)] == [
        timedelta(milliseconds=BASE ** (bucket + 0.5)) for bucket in (0, 10, 20)
    ]
    assert summed([])[0].percentile(0.5) is None
