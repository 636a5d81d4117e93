"""Schema scans and connection tests against a real catalogue."""

from typing import Any

import pytest
from google.protobuf import json_format

from chassis.errors import Denied, NotFound, Precondition, ServiceError
from mcpanel.datasources.v1 import datasources_pb2 as pb
from tests.datasources.calls import answer, scan, try_out
from tests.datasources.conftest import Target, World
from tests.support.callers import ADMIN, VIEWER, as_caller

_SETUP = """
CREATE SCHEMA shop;
CREATE TYPE shop.state AS ENUM ('open', 'paid', 'sent');
CREATE TABLE shop.customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email varchar(200) NOT NULL UNIQUE,
    tags text[] DEFAULT '{}'
);
COMMENT ON TABLE shop.customers IS 'Who buys';
COMMENT ON COLUMN shop.customers.email IS 'Where to write to';
CREATE TABLE shop.orders (
    customer bigint NOT NULL REFERENCES shop.customers (id),
    number int NOT NULL,
    state shop.state NOT NULL DEFAULT 'open',
    total numeric(10,2),
    dropped int,
    history shop.state[],
    PRIMARY KEY (number, customer)
);
ALTER TABLE shop.orders DROP COLUMN dropped;
CREATE INDEX orders_by_total ON shop.orders (abs(number), total) INCLUDE (customer);
CREATE TABLE shop.payments (
    order_number int, order_customer bigint,
    CONSTRAINT paid FOREIGN KEY (order_number, order_customer) REFERENCES shop.orders (number, customer)
);
CREATE VIEW shop.open_orders AS SELECT * FROM shop.orders WHERE state = 'open';
CREATE MATERIALIZED VIEW shop.totals AS SELECT customer, sum(total) AS total FROM shop.orders GROUP BY 1;
CREATE TABLE shop.events (at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE shop.events_2024 PARTITION OF shop.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE SCHEMA hidden;
CREATE TABLE hidden.secrets (id int);
GRANT USAGE ON SCHEMA shop TO test;
"""


async def test_a_scan_finds_tables_views_keys_indexes_comments_and_labels(
    world: World, target: Target
) -> None:
    await target.execute(_SETUP)
    await world.create(target.data_source())

    schema = await scan(world)

    tables = {f"{one.schema}.{one.name}": one for one in schema.tables}
    assert list(tables) == [
        "shop.customers",
        "shop.events",
        "shop.open_orders",
        "shop.orders",
        "shop.payments",
        "shop.totals",
    ]
    assert schema.server_version.startswith("18")
    customers, orders = tables["shop.customers"], tables["shop.orders"]
    assert (customers.comment, list(customers.primary_key)) == ("Who buys", ["id"])
    assert json_format.MessageToDict(customers.columns[1]) == {
        "name": "email",
        "type": "character varying(200)",
        "comment": "Where to write to",
    }
    assert json_format.MessageToDict(customers.columns[2]) == {
        "name": "tags",
        "type": "text[]",
        "nullable": True,
        "default": "'{}'::text[]",
    }
    assert {(one.name, tuple(one.columns), one.unique) for one in customers.indexes} == {
        ("customers_pkey", ("id",), True),
        ("customers_email_key", ("email",), True),
    }
    assert [one.name for one in orders.columns] == ["customer", "number", "state", "total", "history"]
    assert list(orders.primary_key) == ["number", "customer"]
    assert list(orders.columns[2].enum_values) == ["open", "paid", "sent"]
    assert list(orders.columns[4].enum_values) == ["open", "paid", "sent"]
    assert next((one.name, list(one.columns)) for one in orders.indexes) == (
        "orders_by_total",
        ["abs(number)", "total"],
    )
    (paid,) = tables["shop.payments"].foreign_keys
    assert json_format.MessageToDict(paid) == {
        "name": "paid",
        "columns": ["order_number", "order_customer"],
        "referencedSchema": "shop",
        "referencedTable": "orders",
        "referencedColumns": ["number", "customer"],
    }
    assert tables["shop.open_orders"].kind == pb.Table.VIEW
    assert tables["shop.totals"].kind == pb.Table.MATERIALIZED_VIEW
    assert [one.name for one in tables["shop.totals"].columns] == ["customer", "total"]


async def test_a_snapshot_is_what_was_scanned_and_never_touches_the_database(
    world: World, target: Target
) -> None:
    await target.execute("CREATE TABLE first (id int)")
    await world.create(target.data_source())
    request = pb.GetSchemaRequest(data_source_id="sample")
    with pytest.raises(Precondition) as caught:
        await answer(world.stub.GetSchema(request, metadata=as_caller(VIEWER)))
    assert caught.value.reason == "SCHEMA_NOT_SCANNED"

    scanned = await scan(world)
    await target.execute("DROP TABLE first")

    kept = (await world.stub.GetSchema(request, metadata=as_caller(VIEWER))).schema
    assert kept == scanned
    assert [one.name for one in (await scan(world)).tables] == []
    source = (
        await world.stub.GetDataSource(
            pb.GetDataSourceRequest(data_source_id="sample"), metadata=as_caller(VIEWER)
        )
    ).data_source
    assert source.scanned_at.ToDatetime() > scanned.scanned_at.ToDatetime()


async def test_a_repeated_scan_is_answered_without_scanning_again(world: World, target: Target) -> None:
    await world.create(target.data_source())

    first = await scan(world, request_id="one")
    await target.execute("CREATE TABLE later (id int)")

    assert await scan(world, request_id="one") == first
    assert len((await scan(world, request_id="two")).tables) == 1
    records = [one for one in await world.records() if one["action"] == "DATA_SOURCE_SCANNED"]
    assert [one["details"]["tables"] for one in records] == [0, 1]


async def test_who_may_not_scan_scans_nothing(world: World, target: Target) -> None:
    await world.create(target.data_source())

    with pytest.raises(Denied) as caught:
        await scan(world, VIEWER)

    assert caught.value.metadata["permission"] == "datasources.scan"


async def test_a_scan_of_a_database_that_is_not_there_fails(world: World, target: Target) -> None:
    with pytest.raises(NotFound):
        await scan(world)
    await world.create(target.data_source(port=1))

    with pytest.raises(Precondition) as caught:
        await scan(world)

    assert (caught.value.reason, caught.value.message) == ("CONNECTION_FAILED", "nothing listens there")


async def test_a_connection_test_says_what_it_found(world: World, target: Target) -> None:
    await target.execute("CREATE ROLE harmless LOGIN PASSWORD 'harmless'")
    try:
        await target.execute(f'GRANT CONNECT ON DATABASE "{target.url.rpartition("/")[2]}" TO harmless')
        await world.create(target.data_source(username="harmless", secret_value="harmless"))

        found = await try_out(world)
    finally:
        await target.execute("DROP OWNED BY harmless; DROP ROLE harmless")

    assert found.ok
    assert found.server_version.startswith("18")
    assert found.latency.ToTimedelta().total_seconds() > 0
    assert list(found.warnings) == []
    assert (await world.records())[-1]["action"] == "DATA_SOURCE_TESTED"


async def test_a_login_that_may_write_is_warned_about(world: World, target: Target) -> None:
    await target.execute("CREATE TABLE ledger (id int); GRANT INSERT ON ledger TO test")
    await world.create(target.data_source())

    found = await try_out(world)

    assert found.ok
    assert any("may change data" in one for one in found.warnings)
    assert any("may create tables" in one for one in found.warnings)


async def test_a_login_that_may_write_is_right_where_writing_is_allowed_and_one_that_may_not_is_warned_about(
    world: World, target: Target
) -> None:
    await world.create(target.data_source(allow_writes=True))

    lacks = (await try_out(world)).warnings
    await target.execute("CREATE TABLE ledger (id int); GRANT INSERT ON ledger TO test")
    fine = (await try_out(world)).warnings

    assert any("may not change data" in one for one in lacks)
    assert not any("change data" in one for one in fine)


async def test_a_superusers_login_is_warned_about(world: World, target: Target) -> None:
    await world.create(target.privileged())

    assert any("superuser" in one for one in (await try_out(world)).warnings)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"secret_value": "wrong"}, "the database refused the login: wrong user name or password"),
        ({"username": "nobody"}, "the database refused the login: wrong user name or password"),
        ({"database": "missing"}, "the database does not exist"),
        ({"port": 1}, "nothing listens there"),
        (
            {"tls_mode": pb.DataSource.REQUIRE_VERIFIED},
            "the server does not offer TLS, which this data source requires",
        ),
    ],
)
async def test_a_failed_connection_is_an_answer_in_neutral_words(
    fields: dict[str, Any], message: str, world: World, target: Target
) -> None:
    await world.create(target.data_source(**fields))

    found = await try_out(world)

    assert (found.ok, found.message) == (False, message)


async def test_a_runs_token_tests_only_its_data_sources(world: World, target: Target) -> None:
    await world.create(target.data_source())

    with pytest.raises(ServiceError) as caught:
        await try_out(world, world.callers.with_run_token())

    assert caught.value.reason == "PERMISSION_MISSING"
    assert (await try_out(world, ADMIN)).ok
