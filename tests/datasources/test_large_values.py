"""What is too large is refused before it is here: cells, rows, error messages, catalogues, whatever a server sends."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import jsonvalue
from chassis.access import Subject
from chassis.errors import Exhausted
from datasources import store, wire
from datasources.connectors import scanning
from datasources.connectors.querying import started
from datasources.credentials import Stored
from datasources.statements import check
from tests.datasources.calls import scan, until_open
from tests.datasources.conftest import Target, World, new_target, run
from tests.support.servers import TestPostgres

MIB = 1024 * 1024
ALLOWED = 48 * MIB
"""How much this process (the service and its client) may grow where it is offered more than twice that."""

NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)


@pytest.fixture(scope="module")
def target(postgres: TestPostgres) -> Target:
    """The database of `sample`."""
    return new_target(postgres)


@pytest.fixture(scope="module")
async def sample(
    postgres: TestPostgres, target: Target, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A service that the tests share, with a data source named sample."""
    folder = tmp_path_factory.mktemp("shared")
    async for world in run(postgres, folder, {"MCPANEL_ALLOWED_NETWORKS": "127.0.0.1"}):
        await world.create(target.data_source())
        await world.value("SELECT 1")
        yield world


class Memory:
    """How much this process grows."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the highest mark begins anew
        self._before = self._read("VmRSS")

    @property
    def grown(self) -> int:
        """By how many bytes it was larger at most."""
        return self._read("VmHWM") - self._before

    def _read(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
        assert found is not None
        return int(found.group(1)) * 1024


async def refusal(world: World, sql: str, **fields: Any) -> Exhausted:
    """The error of a query for something too large."""
    with pytest.raises(Exhausted) as caught:
        await world.query(sql, **fields)
    assert caught.value.reason == "MESSAGE_TOO_LARGE"
    return caught.value


async def test_a_huge_cell_is_refused_by_its_columns_name_before_it_is_in_memory(sample: World) -> None:
    memory = Memory()

    error = await refusal(sample, "SELECT 1 AS id, repeat('x', 100000000) AS body")

    assert memory.grown < ALLOWED
    assert (error.metadata["limit_bytes"], error.metadata["column"]) == (str(4 * MIB), "body")
    assert 'select less of column "body", e.g. left(…::text, 1000)' in error.message
    assert (await sample.records())[-1]["outcome"] == "MESSAGE_TOO_LARGE"
    assert await sample.value("SELECT 1") == 1.0


async def test_the_huge_rows_number_is_right_and_all_columns_that_may_be_to_blame_are_named(
    sample: World,
) -> None:
    sql = "SELECT i, {} FROM generate_series(1, 999) i"

    few = await refusal(
        sample, sql.format("'a' AS a, CASE WHEN i = 700 THEN repeat('x', 9000000) ELSE 'b' END AS b")
    )
    many = await refusal(sample, sql.format(", ".join(f"repeat('x', 999999) AS c{n}" for n in range(9))))

    assert few.message.startswith(
        "row 700, or the database's complaint about it, is larger than 4194304 bytes"
    )
    assert 'column "a" or column "b",' in few.message
    assert 'column "c4" or another,' in many.message
    assert "column" not in many.metadata


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT repeat('x', 100000000)::int", "the database's complaint is larger than 4194304 bytes"),
        ("SELECT repeat('x', 99999999 + i)::int FROM generate_series(1, 9) i", "the database's complaint about it"),
    ],
)  # fmt: skip
async def test_a_huge_error_message_is_refused_before_it_is_in_memory(
    sql: str, says: str, sample: World
) -> None:
    memory = Memory()

    error = await refusal(sample, sql)

    assert memory.grown < ALLOWED
    assert says in error.message
    assert error.metadata["limit_bytes"] == str(4 * MIB)


async def test_a_row_too_large_for_a_message_names_its_largest_column_and_keeps_the_connection(
    sample: World,
) -> None:
    first = await sample.value("SELECT pg_backend_pid()")

    error = await refusal(
        sample, "SELECT i AS id, repeat('x', 9 * i) AS a, repeat('x', 700000 * i) AS b FROM generate_series(1, 2) i"
    )  # fmt: skip

    assert error.message.startswith('row 2 is larger than 1048576 bytes; select less of column "b"')
    assert (error.metadata["limit_bytes"], error.metadata["column"]) == (str(MIB), "b")
    assert await sample.value("SELECT pg_backend_pid()") == first


async def test_many_large_rows_are_gathered_neither_here_nor_on_the_server(
    sample: World, target: Target
) -> None:
    before = await spilled(sample, target)
    memory = Memory()

    answer = await sample.query(
        "SELECT repeat('x', CASE WHEN i < 16 THEN 9 ELSE 900000 END) FROM generate_series(1, 500) i"
    )

    assert answer.end is not None
    assert answer.end.truncated
    assert 15 * MIB < sum(answer.batches) <= 16 * MIB
    assert memory.grown < 2 * ALLOWED  # the client of this test keeps them all
    # a server writes what it gathers to a file: 450 MB, were it told to fetch all of them
    assert await spilled(sample, target) - before < 32 * MIB


async def spilled(world: World, target: Target) -> int:
    """How many bytes the server has written to temporary files for queries."""
    await world.service.pools.close()  # the server counts when a connection ends
    await until_open(target, 0)
    rows = await target.execute("SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()")
    return int(rows[0][0])


async def test_rows_that_are_taken_slowly_wait_on_the_server(sample: World) -> None:
    async with sample.service.db.read() as tx:
        source = await store.get(tx, "sample", Subject("", reaches_all=True))
        stored = Stored(source, await store.find_secret(tx, source.id))
    sizes = []

    async with (
        sample.service.connections.session(stored, lambda session: session.begin(30_000)) as session,
        started(session, check("SELECT repeat('x', 900000) FROM generate_series(1, 20)"), []) as result,
    ):
        async for row in result.rows(20):
            await asyncio.sleep(0.05)
            sizes.append(len(str(row[0])))
            assert session.valve.came < sum(sizes) + 2 * MIB

    assert sizes == [900_000] * 20


def test_a_document_of_a_million_numbers_is_refused_without_being_encoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(jsonvalue, "to_list")

    row, size = wire.row([1, {"numbers": [1] * 1_000_000}], MIB)

    assert row is None
    assert size > MIB


@given(st.lists(JSON, max_size=4))
def test_what_a_row_takes_at_least_is_never_more_than_it_takes(values: list[Any]) -> None:
    many = values * 9
    encoded = jsonvalue.to_list(many)
    size = encoded.ByteSize() + 8

    assert wire.row(many, size) == (encoded, size)
    assert wire.row(many, size - 1)[0] is None


async def test_a_catalogue_that_fits_no_message_is_refused_before_it_is_in_memory(
    sample: World, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "CATALOGUE_BYTES", 100_000)
    await target.execute(
        "DO $$ BEGIN FOR i IN 1..2000 LOOP EXECUTE format('CREATE TABLE %I (a int)', repeat('t', 50) || i);"
        " END LOOP; END $$"
    )

    with pytest.raises(Exhausted) as caught:
        await scan(sample)

    assert caught.value.reason == "MESSAGE_TOO_LARGE"
    assert "fewer schemas" in caught.value.message
    assert await sample.value("SELECT 1") == 1.0
