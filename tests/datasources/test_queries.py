"""Queries as clients see them: values, parameters, limits, errors, and the records they leave."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf import struct_pb2

from chassis.errors import Denied, Exhausted, Invalid, NotFound, Precondition, ServiceError
from mcpanel.datasources.v1 import datasources_pb2 as pb
from tests.datasources.conftest import Target, World, new_target, run
from tests.support.callers import ADMIN, VIEWER, as_caller
from tests.support.servers import TestPostgres

MIB = 1024 * 1024


@pytest.fixture
async def fresh(world: World, target: Target) -> World:
    """A service of the test's own, with a data source named sample."""
    await world.create(target.data_source())
    return world


@pytest.fixture(scope="module")
def shared_target(postgres: TestPostgres) -> Target:
    """The database of `sample`."""
    return new_target(postgres)


@pytest.fixture(scope="module")
async def sample(
    postgres: TestPostgres, shared_target: Target, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A service that many tests share, with a data source named sample."""
    await shared_target.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
        "CREATE TYPE pair AS (a int, b text)"
    )
    async for world in run(
        postgres, tmp_path_factory.mktemp("shared"), {"MCPANEL_ALLOWED_NETWORKS": "127.0.0.1"}
    ):
        await world.create(shared_target.data_source())
        yield world


@pytest.mark.parametrize(
    ("expression", "value", "type_"),
    [
        ("NULL::int", None, "integer"),
        ("true", True, "boolean"),
        ("9007199254740992::int8", 9007199254740992.0, "bigint"),
        ("9007199254740993::int8", "9007199254740993", "bigint"),
        ("'-9223372036854775808'::int8", "-9223372036854775808", "bigint"),
        ("'NaN'::float8", "NaN", "double precision"),
        ("'-Infinity'::float4", "-Infinity", "real"),
        ("1.1::float8", 1.1, "double precision"),
        ("0.1::numeric + 0.2::numeric", "0.3", "numeric"),
        ("12345678901234567890.123456789::numeric", "12345678901234567890.123456789", "numeric"),
        ("'NaN'::numeric(4,1)", "NaN", "numeric(4,1)"),
        ("'12.50'::numeric(4,2)", "12.50", "numeric(4,2)"),
        ("'12.50'::money", "$12.50", "money"),
        ("'ab'::char(3)", "ab ", "character(3)"),
        ("'ab'::varchar(9)", "ab", "character varying(9)"),
        ("date '2024-02-29'", "2024-02-29", "date"),
        ("date 'infinity'", "infinity", "date"),
        ("time '12:00:00.5'", "12:00:00.5", "time without time zone"),
        ("timetz '12:00+02'", "12:00:00+02:00", "time with time zone"),
        ("timestamp '2024-02-29 12:00'", "2024-02-29T12:00:00", "timestamp without time zone"),
        ("timestamptz '2024-02-29 12:00:00.123456+02'", "2024-02-29T10:00:00.123456+00:00", "timestamp with time zone"),
        ("timestamptz '294276-01-01 00:00+00'", "294276-01-01T00:00:00+00:00", "timestamp with time zone"),
        ("timestamp '0044-03-15 BC'", "0044-03-15 00:00:00 BC", "timestamp without time zone"),
        ("interval '1 year 2 days 03:04:05.6'", "P1Y2DT3H4M5.6S", "interval"),
        ("'\\x00ff10'::bytea", "AP8Q", "bytea"),
        ("''::bytea", "", "bytea"),
        ("'01a1fb5f-3390-7326-a4aa-8d00607d0a12'::uuid", "01a1fb5f-3390-7326-a4aa-8d00607d0a12", "uuid"),
        ("'10.1.2.3/8'::inet", "10.1.2.3/8", "inet"),
        ("'10.0.0.0/8'::cidr", "10.0.0.0/8", "cidr"),
        ("'08:00:2b:01:02:03'::macaddr", "08:00:2b:01:02:03", "macaddr"),
        ("'[1,5)'::int4range", "[1,5)", "int4range"),
        ("'{[1,2),[5,6)}'::int4multirange", "{[1,2),[5,6)}", "int4multirange"),
        ("'101'::bit(3)", "101", "bit(3)"),
        ("'(1,2)'::point", "(1,2)", "point"),
        ("'a'::tsvector", "'a'", "tsvector"),
        ("'{\"a\": [1, 1.5, \"x\", null, true]}'::json", {"a": [1.0, 1.5, "x", None, True]}, "json"),
        ("'{\"n\": 9007199254740993}'::jsonb", {"n": "9007199254740993"}, "jsonb"),
        ("'[0.12345678901234567890, 0.5]'::jsonb", ["0.12345678901234567890", 0.5], "jsonb"),
        ("'null'::jsonb", None, "jsonb"),
        ("'[]'::jsonb", [], "jsonb"),
        ("'{}'::jsonb", {}, "jsonb"),
        ("repeat('[', 30)::text || repeat(']', 30)", "[" * 30 + "]" * 30, "text"),
        ("(repeat('[', 30) || repeat(']', 30))::jsonb", "[" * 30 + "]" * 30, "jsonb"),
        ("ARRAY[[1,2],[3,NULL]]", [[1.0, 2.0], [3.0, None]], "integer[]"),
        ("ARRAY['a','b,\"c']", ["a", 'b,"c'], "text[]"),
        ("ARRAY[1.50::numeric]", ["1.50"], "numeric[]"),
        ("ARRAY[timestamptz '2024-01-01 00:00+00']", ["2024-01-01T00:00:00+00:00"], "timestamp with time zone[]"),
        ("'{}'::int[]", [], "integer[]"),
        ("'happy'::mood", "happy", "mood"),
        ("ARRAY['happy','sad']::mood[]", ["happy", "sad"], "mood[]"),
        ("5::positive", 5.0, "integer"),
        ("ROW(1, 'a')", "(1,a)", "record"),
        ("ROW(1, 'a')::pair", "(1,a)", "pair"),
        ("'ü€😀'", "ü€😀", "text"),
    ],
)  # fmt: skip
async def test_values_lose_nothing(expression: str, value: Any, type_: str, sample: World) -> None:
    answer = await sample.query(f"SELECT {expression} AS v")

    assert answer.rows == [[value]]
    assert answer.columns == [("v", type_)]


async def test_the_servers_own_settings_do_not_change_the_values(fresh: World, target: Target) -> None:
    database = target.url.rpartition("/")[2]
    for setting in (
        "standard_conforming_strings = off",
        "TimeZone = 'Asia/Tokyo'",
        "DateStyle = 'German'",
        "bytea_output = 'escape'",
        "IntervalStyle = 'postgres_verbose'",
    ):
        await target.execute(f'ALTER DATABASE "{database}" SET {setting}')

    row = (
        await fresh.query("SELECT '\\', timestamptz '2024-01-01 00:00Z', interval '1 day', '\\x01'::bytea")
    ).rows

    assert row == [["\\", "2024-01-01T00:00:00+00:00", "P1D", "AQ=="]]


@pytest.mark.parametrize(
    ("expression", "given", "value"),
    [
        ("%s", "text", "text"),
        ("%s::int + 1", 41, 42.0),
        ("%s * 2.5::float8", 2, 5.0),
        ("%s::numeric", "0.10", "0.10"),
        ("%s::bool", True, True),
        ("%s::text IS NULL", None, True),
        ("%s::timestamptz", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00+00:00"),
        ("%s::int[]", [1, 2], [1.0, 2.0]),
        ("%s::text[]", ["a", None], ["a", None]),
        ("%s->'a'", {"a": [1]}, [1.0]),
        ("%s::int8", "9223372036854775807", "9223372036854775807"),
    ],
)
async def test_parameters_are_bound(expression: str, given: Any, value: Any, sample: World) -> None:
    assert await sample.value(f"SELECT {expression}", given) == value


async def test_named_parameters_are_bound_by_name(sample: World) -> None:
    named = struct_pb2.Struct()
    named.update({"low": 2, "high": 3})

    answer = await sample.query(
        "SELECT i FROM generate_series(1, 9) i WHERE i BETWEEN %(low)s AND %(high)s", named_parameters=named
    )

    assert answer.rows == [[2.0], [3.0]]


@pytest.mark.parametrize(
    ("sql", "given"),
    [
        ("SELECT %s, %s", [1]),
        ("SELECT 1", [1]),
        ("SELECT %s", [1, 2]),
        ("SELECT %(a)s", [1]),
        ("SELECT %s", [[1, "a"]]),
    ],
)
async def test_parameters_that_do_not_fit_are_refused(sql: str, given: list[Any], sample: World) -> None:
    with pytest.raises(Invalid) as caught:
        await sample.query(sql, *given)

    assert caught.value.reason == "INVALID_FIELD"


async def test_as_many_rows_as_allowed_come_and_the_end_says_whether_there_are_more(sample: World) -> None:
    for there, wanted, sent, truncated in (
        (5, 5, 5, False), (6, 5, 5, True), (0, 5, 0, False), (2500, 2500, 2500, False), (2501, 2500, 2500, True)
    ):  # fmt: skip
        answer = await sample.query(f"SELECT i FROM generate_series(1, {there}) i", max_rows=wanted)

        assert len(answer.rows) == sent
        assert answer.end is not None
        assert (answer.end.row_count, answer.end.truncated) == (sent, truncated)


async def test_a_thousand_rows_are_the_default(sample: World) -> None:
    answer = await sample.query("SELECT i FROM generate_series(1, 1001) i")

    assert len(answer.rows) == 1000
    assert answer.end is not None
    assert answer.end.truncated


async def test_an_empty_result_has_its_columns_and_its_end(sample: World) -> None:
    answer = await sample.query("SELECT 1 AS a, 'x'::text AS b WHERE false")

    assert answer.columns == [("a", "integer"), ("b", "text")]
    assert answer.rows == []
    assert answer.end is not None


async def test_rows_stop_at_sixteen_mebibytes_in_batches_of_one_at_most(sample: World) -> None:
    answer = await sample.query("SELECT repeat('x', 400000) FROM generate_series(1, 100)", max_rows=100)

    assert answer.end is not None
    assert answer.end.truncated
    assert 15 * MIB < sum(answer.batches) <= 16 * MIB + 64
    assert max(answer.batches) <= MIB + 64


async def test_a_row_that_fits_no_message_is_an_error(sample: World) -> None:
    with pytest.raises(ServiceError) as caught:
        await sample.query("SELECT repeat('x', 2000000)")

    assert caught.value.reason == "MESSAGE_TOO_LARGE"


async def test_the_databases_complaint_names_its_place_in_the_callers_statement(sample: World) -> None:
    with pytest.raises(Invalid) as caught:
        await sample.query("SELECT %s::int,\n  missing", 1)

    assert caught.value.reason == "QUERY_FAILED"
    assert caught.value.metadata["sqlstate"] == "42703"
    assert (caught.value.metadata["line"], caught.value.metadata["column"]) == ("2", "3")
    assert 'column "missing" does not exist' in caught.value.message


async def test_the_databases_complaint_gives_no_data_away(sample: World, shared_target: Target) -> None:
    await shared_target.execute("CREATE TABLE people AS SELECT 'canary-4711'::text AS number")
    await shared_target.execute("GRANT SELECT ON people TO PUBLIC")

    for sql in ("SELECT number::int FROM people", "SELECT %s::int"):
        with pytest.raises(Invalid) as caught:
            await sample.query(sql, *(["canary-4711"] if "%s" in sql else []))

        assert caught.value.reason == "QUERY_FAILED"
        assert "canary" not in caught.value.message


async def test_an_error_after_some_rows_ends_the_stream_with_it(sample: World) -> None:
    with pytest.raises(Invalid) as caught:
        await sample.query("SELECT 1 / (1500 - i) FROM generate_series(1, 3000) i", max_rows=3000)

    assert caught.value.message == "division by zero"


async def test_a_query_leaves_a_record_without_its_parameters(fresh: World) -> None:
    await fresh.query("SELECT i FROM generate_series(1, %s) i", 3)
    with pytest.raises(ServiceError):
        await fresh.query("DELETE FROM ledger")
    with pytest.raises(ServiceError):
        await fresh.query("SELECT %s::text::int", "canary-0815")

    done, refused, failed = (one for one in await fresh.records() if one["action"] == "DATA_SOURCE_QUERIED")
    assert done["details"]["statement"] == "SELECT i FROM generate_series(1, %s) i"
    assert done["details"]["row_count"] == 3
    assert done["details"]["digest"].startswith("sha256:")
    assert done["outcome"] == "OK"
    assert done["actor"]["name"] == "editor@example.com"
    assert refused["outcome"] == "STATEMENT_REFUSED"
    assert failed["outcome"] == "QUERY_FAILED"
    assert "canary-0815" not in str(await fresh.records())


async def test_a_query_that_is_refused_for_the_others_that_wait_leaves_a_record(fresh: World) -> None:
    long = "SELECT " + ", ".join("1" * 20_000)
    waiting = [asyncio.create_task(fresh.query(long)) for _ in range(17)]

    done, rest = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
    for task in rest:
        task.cancel()
    await asyncio.wait(waiting)

    assert [type(task.exception()) for task in done] == [Exhausted]
    assert "TOO_MANY_REQUESTS" in [one["outcome"] for one in await fresh.records()]


async def test_who_may_not_query_is_told_so(sample: World) -> None:
    with pytest.raises(Denied) as caught:
        await sample.query("SELECT 1", caller=VIEWER)

    assert caught.value.metadata["permission"] == "datasources.query"


async def test_a_data_source_that_does_not_exist_is_not_found(sample: World) -> None:
    with pytest.raises(NotFound) as caught:
        await sample.query("SELECT 1", source="missing")

    assert caught.value.reason == "DATA_SOURCE_NOT_FOUND"


async def test_a_runs_token_reaches_its_data_sources_and_no_others(
    sample: World, shared_target: Target
) -> None:
    mine = await sample.create(shared_target.data_source("mine"))
    caller = sample.callers.with_run_token(mine.id)

    assert await sample.value("SELECT 1", source="mine", caller=caller) == 1.0
    for other in ("sample", "missing"):
        with pytest.raises(Denied) as caught:
            await sample.query("SELECT 1", source=other, caller=caller)
        assert caught.value.reason == "PERMISSION_MISSING"


async def test_a_runs_token_for_nothing_reaches_nothing(sample: World) -> None:
    with pytest.raises(Denied):
        await sample.query("SELECT 1", caller=sample.callers.with_run_token())


async def test_connections_are_kept_for_the_next_query_and_serve_one_at_a_time(fresh: World) -> None:
    pids = [await fresh.value("SELECT pg_backend_pid()") for _ in range(3)]

    assert len(set(pids)) == 1
    assert fresh.service.pools.open == 1


async def test_a_failed_query_does_not_cost_the_connection(fresh: World) -> None:
    first = await fresh.value("SELECT pg_backend_pid()")
    for sql in (
        "SELECT missing",
        "SELECT 1 / (5 - i) FROM generate_series(1, 9) i",
        "SELECT repeat('x', 2000000)",
    ):
        with pytest.raises(ServiceError):
            await fresh.query(sql)

    assert await fresh.value("SELECT pg_backend_pid()") == first


async def test_a_kept_connection_that_died_is_replaced(fresh: World, target: Target) -> None:
    first = await fresh.value("SELECT pg_backend_pid()")
    await target.execute("SELECT pg_terminate_backend(%s, 5000)", int(first))

    second = await fresh.value("SELECT pg_backend_pid()")

    assert second != first


async def test_a_changed_data_source_is_connected_to_anew(fresh: World, target: Target) -> None:
    await fresh.query("SELECT 1")
    wrong = pb.DataSource(database="missing")
    request = pb.UpdateDataSourceRequest(data_source_id="sample", data_source=wrong)
    await fresh.stub.UpdateDataSource(request, metadata=as_caller(ADMIN))

    with pytest.raises(Precondition) as caught:
        await fresh.query("SELECT 1")

    assert caught.value.reason == "CONNECTION_FAILED"
    assert caught.value.message == "the database does not exist"
    assert fresh.service.pools.open == 0


async def test_a_timeout_out_of_range_is_refused(sample: World) -> None:
    for timeout in (timedelta(seconds=0), timedelta(seconds=-1), timedelta(seconds=3601)):
        with pytest.raises(Invalid):
            await sample.query("SELECT 1", timeout=timeout)


async def test_a_fifth_query_at_once_waits_for_a_free_connection(sample: World) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(sample.value("SELECT pg_backend_pid(), pg_sleep(0.1)")) for _ in range(6)]

    assert len({task.result() for task in tasks}) <= 4
