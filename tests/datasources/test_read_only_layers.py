"""What holds when the check of the statement is taken away: wire call, cursor, transaction, rollback."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit

import pytest

from chassis.addresses import Target as Address
from chassis.context import utcnow
from chassis.errors import ServiceError
from datasources.connectors import postgresql
from datasources.connectors.postgresql import Session
from datasources.connectors.querying import started
from datasources.domain import DataSource
from datasources.statements import Statement
from tests.datasources.conftest import Target

Open = Callable[[], AbstractAsyncContextManager[Session]]


@pytest.fixture
def superuser(target: Target) -> Open:
    """Sessions of a superuser, in the transaction that queries run in."""
    parts = urlsplit(target.superuser_url)
    now = utcnow()
    source = DataSource(
        id="1",
        name="x",
        display_name="",
        description="",
        type="POSTGRESQL",
        host="127.0.0.1",
        port=parts.port or 0,
        database=parts.path[1:],
        username=parts.username or "",
        tls_mode="PREFER",
        secret_ref="",
        has_secret=True,
        owner_id="",
        revision=1,
        created_at=now,
        updated_at=now,
    )

    @asynccontextmanager
    async def connected() -> AsyncIterator[Session]:
        address = Address("127.0.0.1", "127.0.0.1")
        session = await postgresql.connect(source, address, parts.password or "", None)
        try:
            await session.begin(5000)
            yield session
        finally:
            await session.close()

    return connected


def unchecked(sql: str) -> Statement:
    """A statement that nobody has looked at."""
    return Statement(sql, sql, 0, (), ((0, 0),))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; DELETE FROM ledger",
        "SELECT 1; COMMIT; DELETE FROM ledger",
        "DELETE FROM ledger",
        "WITH d AS (DELETE FROM ledger RETURNING *) SELECT * FROM d",
        "SELECT * FROM ledger FOR UPDATE",
        "SELECT nextval('counter')",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SET TRANSACTION READ WRITE",
        "COPY ledger TO PROGRAM 'cat > /dev/null'",
        "SELECT * INTO stolen FROM ledger",
        "EXPLAIN ANALYZE DELETE FROM ledger",
        "DO $$ BEGIN DELETE FROM ledger; END $$",
        "SELECT lo_create(0)",
    ],
)
async def test_a_statement_that_passed_no_check_still_changes_nothing(
    sql: str, target: Target, superuser: Open
) -> None:
    await target.execute("CREATE TABLE ledger AS SELECT 1 AS id; CREATE SEQUENCE counter")

    async with superuser() as session:
        with pytest.raises(ServiceError) as caught:
            async with started(session, unchecked(sql), []) as result:
                assert [row async for row in result.rows(10)] == []

    assert caught.value.reason in ("STATEMENT_REFUSED", "QUERY_FAILED")
    assert await target.execute("SELECT count(*) FROM ledger") == [(1,)]
    assert await target.execute("SELECT is_called FROM counter") == [(False,)]


async def test_the_transaction_cannot_be_made_writable_after_its_first_query(superuser: Open) -> None:
    async with superuser() as session:
        rows = await session.connection.execute("SELECT current_setting('transaction_read_only')")

        assert await rows.fetchone() == ("on",)
        with pytest.raises(Exception, match="before any query"):
            await session.connection.execute("SET TRANSACTION READ WRITE")


async def test_what_a_query_left_in_the_session_is_gone_before_the_next(superuser: Open) -> None:
    async with superuser() as session:
        await session.connection.execute("SELECT pg_advisory_lock(7), set_config('work_mem', '9MB', false)")

        await session.reset()

        rows = await session.connection.execute(
            "SELECT current_setting('work_mem'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            " AND pid = pg_backend_pid())"
        )
        assert await rows.fetchone() != ("9MB", 0)
        assert session.is_idle
