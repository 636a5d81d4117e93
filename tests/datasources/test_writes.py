"""Rows that steps write: what arrives in the table, what is refused with row and column, and who may."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
import pytest

from chassis import jsonvalue
from chassis.context import Caller
from chassis.errors import DeadlineExceeded, Denied, Exhausted, Invalid, NotFound, Precondition, ServiceError
from chassis.statuses import from_rpc_error
from datasources import writes
from mcpanel.datasources.v1 import datasources_pb2 as pb
from tests.datasources.conftest import Target, World, new_target, run
from tests.support.callers import ADMIN, as_caller
from tests.support.servers import TestPostgres

REPLACE = pb.WriteRowsRequest.REPLACE
Rows = Sequence[dict[str, Any]]


@pytest.fixture(scope="module")
def target(postgres: TestPostgres) -> Target:
    """The database of `sample`."""
    return new_target(postgres)


@pytest.fixture(scope="module")
async def world(
    postgres: TestPostgres, target: Target, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A service with a data source named sample, which allows writing, and `only-read`, which does not."""
    settings = {"MCPANEL_ALLOWED_NETWORKS": "127.0.0.1"}
    async for world in run(postgres, tmp_path_factory.mktemp("writes"), settings):
        await world.create(target.data_source(allow_writes=True))
        await world.create(target.data_source("only-read"))
        yield world


@pytest.fixture(autouse=True)
async def orders(target: Target) -> None:
    """An empty table named orders, of the login's own."""
    await target.execute(
        "DROP TABLE IF EXISTS orders; CREATE TABLE orders ("
        ' id int PRIMARY KEY, "who" varchar(5) NOT NULL, paid numeric(6, 2) CHECK (paid >= 0), at timestamptz,'
        " tags text[], extra jsonb, photo bytea, note text DEFAULT 'none')"
    )
    owner = (await target.execute("SELECT rolname FROM pg_roles WHERE oid = (SELECT datdba FROM pg_database"
                                  " WHERE datname = current_database())"))[0][0]  # fmt: skip
    await target.execute(f'ALTER TABLE orders OWNER TO "{owner}"')


def batch(rows: Rows) -> pb.WriteRowsRequest:
    """Rows that have the same columns."""
    columns = list(rows[0])
    values = [jsonvalue.to_list(list(row.values())) for row in rows]
    return pb.WriteRowsRequest(rows=pb.WriteRowsRequest.Rows(columns=columns, rows=values))


async def write(
    world: World,
    *batches: Rows,
    source: str = "sample",
    caller: Caller | None = None,
    ends: bool = True,
    **header: Any,
) -> int:
    """Writes into orders with a run's token; how many rows. Raises the error as the chassis names it."""
    request = pb.GetDataSourceRequest(data_source_id=source)
    found = (await world.stub.GetDataSource(request, metadata=as_caller(ADMIN))).data_source
    caller = caller or world.callers.with_run_token(found.id)
    given = pb.WriteRowsRequest.Header(**{"data_source_id": found.id, "table": "orders"} | header)
    end = [pb.WriteRowsRequest(end=pb.WriteRowsRequest.End())] if ends else []
    sent = [pb.WriteRowsRequest(header=given), *map(batch, batches), *end]
    try:
        return (await world.stub.WriteRows(iter(sent), metadata=as_caller(caller))).row_count
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, "datasources") from None


async def until_open(target: Target) -> None:
    """Returns when a write waits for more rows."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
        " AND query LIKE 'RELEASE%'"
    )
    async with asyncio.timeout(20):
        while not await target.execute(waiting):
            await asyncio.sleep(0.02)


async def refusal(world: World, *batches: Rows, **header: Any) -> Invalid:
    """Why the rows were refused."""
    with pytest.raises(Invalid) as caught:
        await write(world, *batches, **header)
    assert caught.value.reason == "WRITE_REFUSED"
    return caught.value


async def test_rows_arrive_as_their_columns_types_say(world: World, target: Target) -> None:
    row = {
        "id": 1,
        "who": "Ada",
        "paid": "12.30",
        "at": "2026-01-02T03:04:05+00:00",
        "tags": ["a", 'b "c"\\,', None],
        "extra": {"deep": [1, "x"]},
        "photo": "aGk=",
    }

    assert await write(world, [row], [{"who": "Bob", "id": 2, "extra": "text", "note": None}]) == 2

    found = await target.execute(
        "SELECT id, who, paid::text, at = '2026-01-02 03:04:05Z', tags, extra, photo, note FROM orders ORDER BY id"
    )
    assert found == [
        (1, "Ada", "12.30", True, ["a", 'b "c"\\,', None], {"deep": [1, "x"]}, b"hi", "none"),
        (2, "Bob", None, None, None, "text", None, None),
    ]


async def test_appending_keeps_what_is_there_and_replacing_does_not(world: World, target: Target) -> None:
    await write(world, [{"id": 1, "who": "a"}])
    await write(world, [{"id": 2, "who": "b"}], table="public.orders")
    kept = await target.execute("SELECT id FROM orders ORDER BY id")
    await write(world, [{"id": 2, "who": "c"}], mode=REPLACE)

    assert kept == [(1,), (2,)]
    assert await target.execute("SELECT id, who FROM orders") == [(2, "c")]


@pytest.mark.parametrize(
    ("row", "column", "why"),
    [
        ({"id": "seven", "who": "a"}, "id", "invalid input syntax for type integer"),
        ({"id": 7, "who": None}, "who", "may not be NULL"),
        ({"id": 7, "who": "far too long"}, "who", "value too long for type character varying(5)"),
        ({"id": 7, "who": "a", "paid": 123456.5}, "paid", "numeric field overflow"),
        ({"id": 7, "who": "a", "at": "yesteryear"}, "at", "invalid input syntax for type timestamp"),
        ({"id": 7, "who": "a", "tags": "a"}, "tags", "text[] takes a list"),
        ({"id": 7, "who": ["a"]}, "who", "takes a single value"),
        ({"id": 7, "who": "a", "photo": "?"}, "photo", "base64"),
        ({"id": 7, "who": "a", "none": 1}, "none", "there is no such column; the table has id, who, paid"),
        ({"id": 7, "who": "a", "paid": -1}, "", 'violates the constraint "orders_paid_check"'),
        ({"id": 1, "who": "a"}, "", "a row with the same key is there already"),
    ],
)
async def test_what_does_not_fit_is_named_with_row_and_column_and_nothing_is_written(
    world: World, target: Target, row: dict[str, Any], column: str, why: str
) -> None:
    good = [{"id": number, "who": "ok"} for number in range(1, 6)]
    wrong = {"paid": None, "at": None, "tags": None, "photo": None} | row
    fine: list[dict[str, Any]] = [
        dict.fromkeys(wrong) | {"id": number, "who": "ok"} for number in range(10, 15)
    ]
    batches = [good, [*fine, wrong, *({**one, "id": one["id"] + 10} for one in fine)]]

    refused = await refusal(world, *batches)

    assert why in refused.message
    assert "far too long" not in refused.message
    assert refused.metadata.get("column", "") == column
    assert refused.metadata["row"] == ("6" if column == "none" else "11")
    assert await target.execute("SELECT id FROM orders") == []


async def test_a_refused_replacement_leaves_the_rows_that_were_there(world: World, target: Target) -> None:
    await write(world, [{"id": 1, "who": "a"}])

    await refusal(world, [{"id": 2, "who": "b"}, {"id": 2, "who": "c"}], mode=REPLACE)

    assert await target.execute("SELECT id FROM orders") == [(1,)]


async def test_names_are_looked_up_and_never_run(world: World, target: Target) -> None:
    evil = 'orders"; DROP TABLE orders; --'

    table = await refusal(world, [{"id": 1, "who": "a"}], table=evil)
    column = await refusal(world, [{"id": 1, evil: "a"}])
    catalogue = await refusal(world, [{"rolname": "x"}], table="pg_catalog.pg_authid")
    await target.execute(f"""ALTER TABLE orders ADD COLUMN "{evil.replace('"', '""')}" text""")
    await write(world, [{"id": 1, "who": "a", evil: "kept"}])

    assert all("does not exist" in one.message for one in (table, catalogue))
    assert column.metadata["column"] == evil
    assert await target.execute("SELECT count(*) FROM orders") == [(1,)]


async def test_views_are_not_written_into_and_a_login_without_the_right_is_told(
    world: World, target: Target
) -> None:
    await target.execute(
        "CREATE VIEW seen AS SELECT id, who FROM orders; GRANT ALL ON seen TO PUBLIC; CREATE TABLE theirs (id int)"
    )

    view = await refusal(world, [{"id": 1}], table="seen")
    theirs = await refusal(world, [{"id": 1}], table="theirs")

    await target.execute("DROP VIEW seen; DROP TABLE theirs")
    assert "is no table" in view.message
    assert "grant it INSERT" in theirs.message


async def test_only_a_run_that_links_a_data_source_which_allows_it_writes(
    world: World, target: Target
) -> None:
    rows = [{"id": 1, "who": "a"}]
    other = world.callers.with_run_token("01890000-0000-7000-8000-000000000001")

    outcomes = []
    for source, caller in (("only-read", None), ("sample", other), ("sample", ADMIN)):
        with pytest.raises(ServiceError) as caught:
            await write(world, rows, source=source, caller=caller)
        outcomes.append((type(caught.value), caught.value.reason))

    assert outcomes[0] == (Precondition, "WRITES_NOT_ALLOWED")
    assert [kind for kind, _ in outcomes[1:]] in ([Denied, Denied], [NotFound, Denied])
    assert await target.execute("SELECT id FROM orders") == []


async def test_queries_stay_read_only_where_writing_is_allowed(world: World) -> None:
    with pytest.raises(ServiceError):
        await world.query("WITH one AS (INSERT INTO orders VALUES (1, 'a') RETURNING id) SELECT * FROM one")

    await write(world, [{"id": 1, "who": "a"}])
    assert await world.value("SELECT current_setting('transaction_read_only')") == "on"


async def test_a_write_is_on_record_without_its_values_and_so_is_a_refused_one(world: World) -> None:
    await write(world, [{"id": 1, "who": "Ada"}], idempotency_key="run-1/save/1")
    await refusal(world, [{"id": 1, "who": "Eve"}])

    done, refused = (await world.records())[-2:]
    assert (done["action"], done["outcome"], refused["outcome"]) == (
        "DATA_SOURCE_WRITTEN",
        "OK",
        "WRITE_REFUSED",
    )
    told = done["details"]
    assert (told["table"], told["mode"], told["row_count"]) == ("orders", "APPEND", 1)
    assert (told["idempotency_key"], told["run_id"]) == ("run-1/save/1", "run-1")
    assert not any(name in str((done, refused)) for name in ("Ada", "Eve"))


async def test_a_write_that_nobody_wants_any_more_writes_nothing(world: World, target: Target) -> None:
    async def forever() -> AsyncIterator[pb.WriteRowsRequest]:
        header = pb.WriteRowsRequest.Header(data_source_id=id_, table="orders")
        yield pb.WriteRowsRequest(header=header)
        yield batch([{"id": 1, "who": "a"}])
        await asyncio.Event().wait()

    request = pb.GetDataSourceRequest(data_source_id="sample")
    id_ = (await world.stub.GetDataSource(request, metadata=as_caller(ADMIN))).data_source.id
    call = world.stub.WriteRows(forever(), metadata=as_caller(world.callers.with_run_token(id_)))
    await until_open(target)
    call.cancel()

    async with asyncio.timeout(20):
        while (await world.records())[-1]["outcome"] != "QUERY_CANCELLED":
            await asyncio.sleep(0.02)
    assert await target.execute("SELECT id FROM orders") == []


async def test_a_stream_that_breaks_off_writes_nothing(world: World, target: Target) -> None:
    with pytest.raises(Invalid) as caught:
        await write(world, [{"id": 1, "who": "a"}], ends=False)

    assert "end: is the last message" in caught.value.message
    assert await target.execute("SELECT id FROM orders") == []


async def test_a_write_past_its_timeout_ends_at_the_database(world: World, target: Target) -> None:
    await target.execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;"
        "CREATE TRIGGER slow BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION slow()"
    )

    with pytest.raises(DeadlineExceeded):
        await write(world, [{"id": 1, "who": "a"}], timeout={"nanos": 300_000_000})

    async with asyncio.timeout(20):
        while await target.running("INSERT"):
            await asyncio.sleep(0.02)
    await target.execute("DROP TRIGGER slow ON orders; DROP FUNCTION slow()")


async def test_a_constraint_that_waits_for_the_commit_refuses_all(world: World, target: Target) -> None:
    await target.execute("ALTER TABLE orders ADD UNIQUE (note) DEFERRABLE INITIALLY DEFERRED")

    refused = await refusal(world, [{"id": 1, "who": "a", "note": "x"}, {"id": 2, "who": "b", "note": "x"}])

    assert refused.metadata["constraint"] == "orders_note_key"
    assert await target.execute("SELECT id FROM orders") == []


async def test_a_write_takes_so_many_rows_and_no_more(
    world: World, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes, "MAX_ROWS", 3)
    rows = [{"id": number, "who": "a"} for number in range(4)]

    with pytest.raises(Exhausted):
        await write(world, rows[:2], rows[2:])

    assert await target.execute("SELECT id FROM orders") == []
