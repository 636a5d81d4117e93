"""How many runs one user may have."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from chassis.errors import Exhausted
from engine.quotas import Quota
from mcpanel.engine.v1 import engine_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.errors import Refusal, refused
from tests.engine.support.peers import Peers
from tests.support.callers import EDITOR, OTHER_EDITOR, as_caller

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def waiting(peers: Peers) -> None:
    """A public workflow whose runs do not end by themselves."""
    peers.registry.workflow({"id": "go", "alone": True, "approval": {"message": "?"}})


async def start(engine: Engine, caller: Any = EDITOR, **fields: Any) -> str:
    request = engine_pb2.StartRunRequest(workflow="flow", **fields)
    return (await engine.stub.StartRun(request, metadata=as_caller(caller))).run.id


async def attempts(engines: list[Engine], number: int, caller: Any = EDITOR) -> list[str | BaseException]:
    """So many starts at once, at the engines in turn."""
    starts = [start(engines[one % len(engines)], caller) for one in range(number)]
    return await asyncio.gather(*starts, return_exceptions=True)


async def test_of_many_that_start_at_two_replicas_at_once_as_many_begin_as_may(
    engines: Engines, peers: Peers
) -> None:
    waiting(peers)
    both = [await engines.start(active_runs_per_user=3) for _ in range(2)]

    mine, others = await asyncio.gather(attempts(both, 10), attempts(both, 2, OTHER_EDITOR))

    refusals = [Refusal(one) for one in mine if isinstance(one, Exception)]  # type: ignore[arg-type]
    assert len(mine) - len(refusals) == 3
    assert {(one.code, one.reason) for one in refusals} == {("RESOURCE_EXHAUSTED", "RUN_QUOTA_EXCEEDED")}
    assert [one for one in others if isinstance(one, BaseException)] == []


async def test_a_run_that_ends_makes_room_for_another(engines: Engines, peers: Peers) -> None:
    waiting(peers)
    engine = await engines.start(active_runs_per_user=1)
    first = await start(engine, request_id="once")

    again = await start(engine, request_id="once")
    over = await refused(start(engine))
    await engine.cancel(first)
    await engine.ended(first)

    assert (again, over.reason) == (first, "RUN_QUOTA_EXCEEDED")
    assert await start(engine) != first


async def test_within_an_hour_only_so_many_start_whatever_became_of_them(
    engines: Engines, peers: Peers
) -> None:
    waiting(peers)
    engine = await engines.start(runs_per_user_and_hour=2)
    first = await start(engine)
    for run_id in (first, await start(engine)):
        await engine.cancel(run_id)
        await engine.ended(run_id)

    over = await refused(start(engine))
    repeat = engine_pb2.RerunRunRequest(run_id=first, from_start=True)
    again = await refused(engine.stub.RerunRun(repeat, metadata=as_caller(EDITOR)))
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        await connection.execute("UPDATE runs SET created_at = created_at - interval '1 hour'")

    assert over.reason == again.reason == "RUN_QUOTA_EXCEEDED"
    assert await start(engine)


@pytest.mark.parametrize(
    ("quota", "active", "is_over"),
    [(Quota(), 99, False), (Quota(active=2), 1, False), (Quota(active=2), 2, True)],
)
def test_as_many_as_may_be_may_be(quota: Quota, active: int, is_over: bool) -> None:
    if is_over:
        with pytest.raises(Exhausted, match="cancel one"):
            quota.check_active("ada", active)
    else:
        quota.check_active("ada", active)


def test_who_started_too_many_is_told_when_the_next_may_start() -> None:
    quota = Quota(hourly=2)
    quota.check_hourly("ada", None, NOW)
    quota.check_hourly("ada", NOW - timedelta(hours=1), NOW)

    with pytest.raises(Exhausted) as caught:
        quota.check_hourly("ada", NOW - timedelta(minutes=45), NOW)

    assert caught.value.retry_after == timedelta(minutes=15)
    assert caught.value.quota == {"user/ada": "2 runs started within an hour"}
    assert "12:15:00" in caught.value.message
