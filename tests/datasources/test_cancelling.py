"""A query that nobody wants any more is gone from the database's server, whichever way it was ended."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio
import pytest

from chassis.errors import Cancelled, DeadlineExceeded, Exhausted, NotFound, ServiceError
from chassis.statuses import from_rpc_error
from datasources.connectors import valve
from mcpanel.datasources.v1 import datasources_pb2 as pb
from mcpanel.datasources.v1 import datasources_pb2_grpc
from tests.datasources.calls import answer, connected, until_open
from tests.datasources.conftest import Target, World, run
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, VIEWER, as_caller
from tests.support.servers import TestPostgres

SLOW = "SELECT pg_sleep(600), 'slow'"


async def until_running(target: Target, text: str, count: int = 1) -> None:
    """Returns when the server executes `count` of our queries with this text."""
    async with asyncio.timeout(20):
        while await target.running(text) != count:
            await asyncio.sleep(0.02)


@pytest.fixture
async def sample(world: World, target: Target) -> World:
    """The service with a data source named sample."""
    await world.create(target.data_source())
    return world


def start(world: World, sql: str = SLOW, **fields: Any) -> Any:
    """A query's call, begun."""
    request = pb.ExecuteQueryRequest(data_source_id="sample", sql=sql, **fields)
    return world.stub.ExecuteQuery(request, metadata=as_caller(EDITOR))


async def test_a_query_past_its_timeout_is_cancelled_on_the_server(sample: World, target: Target) -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        await sample.query(SLOW, timeout=timedelta(seconds=0.3))

    assert caught.value.reason == "QUERY_TIMED_OUT"
    await until_running(target, "FETCH", 0)
    assert (await sample.records())[-1]["outcome"] == "QUERY_TIMED_OUT"


async def test_a_function_that_lifts_the_servers_timeout_does_not_lift_ours(
    sample: World, target: Target
) -> None:
    await target.execute(
        "CREATE FUNCTION lifted() RETURNS text LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM set_config('statement_timeout', '0', true); PERFORM pg_sleep(600); RETURN 'x'; END $$"
    )

    with pytest.raises(DeadlineExceeded):
        await sample.query("SELECT lifted()", timeout=timedelta(seconds=0.3))

    await until_running(target, "FETCH", 0)


async def test_a_client_that_goes_away_takes_its_query_with_it(sample: World, target: Target) -> None:
    call = start(sample)
    columns = await call.read()
    await until_running(target, "FETCH")

    call.cancel()

    assert columns.columns.query_id
    await until_running(target, "FETCH", 0)
    async with asyncio.timeout(10):
        while not any(one["outcome"] == "QUERY_CANCELLED" for one in await sample.records()):
            await asyncio.sleep(0.02)


async def test_a_client_whose_connection_breaks_takes_its_query_with_it(
    sample: World, target: Target
) -> None:
    async with grpc.aio.insecure_channel(str(sample.config.listen)) as channel:
        stub = datasources_pb2_grpc.DataSourceServiceStub(channel)
        call = stub.ExecuteQuery(
            pb.ExecuteQueryRequest(data_source_id="sample", sql=SLOW), metadata=as_caller(EDITOR)
        )
        await call.read()
        await until_running(target, "FETCH")

    await until_running(target, "FETCH", 0)


async def test_a_deadline_of_the_call_ends_the_query(sample: World, target: Target) -> None:
    request = pb.ExecuteQueryRequest(data_source_id="sample", sql=SLOW)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in sample.stub.ExecuteQuery(request, metadata=as_caller(EDITOR), timeout=0.5):
            pass

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until_running(target, "FETCH", 0)


async def test_cancel_query_returns_when_the_query_is_gone(sample: World, target: Target) -> None:
    call = start(sample)
    query_id = (await call.read()).columns.query_id
    await until_running(target, "FETCH")

    await sample.stub.CancelQuery(pb.CancelQueryRequest(query_id=query_id), metadata=as_caller(EDITOR))

    assert await target.running("FETCH") == 0
    with pytest.raises(Cancelled) as caught:
        await drain(call)
    assert caught.value.reason == "QUERY_CANCELLED"
    actions = [one["action"] for one in await sample.records()]
    assert actions[-2:] == ["DATA_SOURCE_QUERY_CANCELLED", "DATA_SOURCE_QUERIED"]


async def test_a_cancellation_that_overtakes_its_query_is_repeated(
    sample: World, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server forgets one that comes while it waits for a statement; it takes another way than the statement."""
    pass_on = valve._End.data_received

    def late(end: valve._End, data: bytes) -> None:
        asyncio.get_running_loop().call_later(0.4 * (b"FETCH" in data), pass_on, end, data)

    monkeypatch.setattr(valve._End, "data_received", late)
    call = start(sample)
    query_id = (await call.read()).columns.query_id

    await cancel(sample, query_id, EDITOR)

    assert await target.running("FETCH") == 0
    with pytest.raises(Cancelled):
        await drain(call)


async def test_cancelling_is_for_who_started_it_and_for_who_may_change_data_sources(
    sample: World, target: Target
) -> None:
    call = start(sample)
    query_id = (await call.read()).columns.query_id
    stranger = sample.callers.with_run_token()

    for caller, reason in ((VIEWER, "PERMISSION_MISSING"), (other(stranger), "QUERY_NOT_FOUND")):
        sample.callers.admit(caller)
        with pytest.raises(ServiceError) as caught:
            await cancel(sample, query_id, caller)
        assert caught.value.reason == reason
    await cancel(sample, query_id, ADMIN)

    with pytest.raises(Cancelled):
        await drain(call)


def other(caller: Any) -> Any:
    """The same rights in another person's hands."""
    return dataclasses.replace(caller, id=OTHER_EDITOR.id, credential="stranger-token")


async def test_a_query_that_has_ended_cannot_be_cancelled(sample: World) -> None:
    answer = await sample.query("SELECT 1")

    with pytest.raises(NotFound) as caught:
        await cancel(sample, answer.query_id, EDITOR)

    assert caught.value.reason == "QUERY_NOT_FOUND"


async def test_a_repeated_cancel_gets_the_same_answer(sample: World) -> None:
    call = start(sample)
    query_id = (await call.read()).columns.query_id
    request = pb.CancelQueryRequest(query_id=query_id, request_id="once")

    first = await sample.stub.CancelQuery(request, metadata=as_caller(EDITOR))
    second = await sample.stub.CancelQuery(request, metadata=as_caller(EDITOR))

    assert first == second
    with pytest.raises(Cancelled):
        await drain(call)


async def test_a_client_that_reads_slowly_holds_its_query_up_and_then_loses_it(
    sample: World, target: Target
) -> None:
    call = start(
        sample,
        "SELECT repeat('x', 100000) FROM generate_series(1, 1000)",
        max_rows=1000,
        timeout=timedelta(seconds=1.5),
    )
    await call.read()

    await until_open(target, 0)

    with pytest.raises(DeadlineExceeded):
        await drain(call)


async def test_a_server_that_stops_leaves_no_query_behind(
    postgres: TestPostgres, target: Target, tmp_path: Any
) -> None:
    async for world in one(postgres, tmp_path):
        await world.create(target.data_source())
        call = start(world)
        await call.read()
        await until_running(target, "FETCH")

    assert await target.running("FETCH") == 0


async def test_the_queries_of_one_data_source_are_limited(
    postgres: TestPostgres, target: Target, tmp_path: Any
) -> None:
    async for world in one(postgres, tmp_path, {"MCPANEL_POOL_SIZE": "1", "MCPANEL_POOL_WAIT": "0.2"}):
        await world.create(target.data_source())
        call = start(world)
        await call.read()

        with pytest.raises(Exhausted) as caught:
            await world.query("SELECT 1")

        assert caught.value.reason == "TOO_MANY_REQUESTS"
        assert caught.value.retry_after is not None
        call.cancel()


async def test_idle_connections_make_room_and_go_away(
    postgres: TestPostgres, target: Target, tmp_path: Any
) -> None:
    async for world in one(postgres, tmp_path, {"MCPANEL_POOL_TOTAL": "1"}):
        for name in ("sample", "another"):
            await world.create(target.data_source(name))
            assert await world.value("SELECT 1", source=name) == 1.0

        assert world.service.pools.open == 1
        assert await connected(target) == 1
        await world.service.pools.close()
        assert await connected(target) == 0


async def one(
    postgres: TestPostgres, folder: Any, settings: dict[str, str] | None = None
) -> AsyncIterator[World]:
    """A service with settings of its own."""
    async for world in run(postgres, folder, {"MCPANEL_ALLOWED_NETWORKS": "127.0.0.0/8", **(settings or {})}):
        yield world


async def cancel(world: World, query_id: str, caller: Any) -> None:
    """Cancels a query. Raises the error as the chassis names it."""
    await answer(world.stub.CancelQuery(pb.CancelQueryRequest(query_id=query_id), metadata=as_caller(caller)))


async def drain(call: Any) -> None:
    """Reads a call to its end. Raises the error as the chassis names it."""
    try:
        while (await call.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined]  # missing in the stubs
            pass
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, "datasources") from None
