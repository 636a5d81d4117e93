"""Filters and orders: read as AIP-160 says, compiled to conditions that PostgreSQL agrees with."""

import string
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url

from chassis import filtering
from chassis.errors import Invalid
from chassis.filtering import And, Comparison, Filter, Not, Or, Order, sql
from tests.support.servers import TestPostgres

metadata = MetaData()
rows = Table(
    "rows",
    metadata,
    Column("name", String, primary_key=True),
    Column("count", Integer),
    Column("active", Boolean),
    Column("at", DateTime(timezone=True)),
    Column("tags", ARRAY(String)),
    Column("labels", JSONB),
    Column("status", String),
    Column("role", String),
    Column("reason", String),
)
COLUMNS: dict[str, Any] = {
    "name": rows.c.name,
    "count": rows.c.count,
    "active": rows.c.active,
    "at": rows.c.at,
    "tags": rows.c.tags,
    "labels": rows.c.labels,
    "status": sql.Field(rows.c.status, sql.one_of(("RUNNING", "SUCCESS"))),
    "role": sql.Field(rows.c.role, sql.one_of(("Editor", "Viewer"))),
    "reason": sql.Field(rows.c.reason, sql.one_of(("RUN_NOT_FOUND", *(f"OTHER_{n}" for n in range(39))))),
}
DATA: list[dict[str, Any]] = [
    {"name": "alpha", "count": 1, "active": True, "tags": ["x", "y"], "labels": ["p"], "status": "RUNNING"},
    {"name": "alpine", "count": 5, "active": False, "tags": [], "labels": [], "status": "SUCCESS"},
    {"name": "beta_1", "count": 9, "active": True, "tags": ["y"], "labels": ["q"], "status": "SUCCESS"},
    {"name": "betaX1", "count": None, "active": None, "tags": None, "labels": None, "status": None},
]


@pytest.fixture(scope="module")
def database(postgres: TestPostgres) -> Any:
    engine = create_engine(make_url(postgres.create_database("filters")).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        metadata.create_all(connection)
        at = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 5)]
        connection.execute(insert(rows), [row | {"at": moment} for row, moment in zip(DATA, at, strict=True)])
        connection.execute(update(rows).where(rows.c.name == "alpha").values(role="Editor"))
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["alpha", "alpine", "beta_1", "betaX1"]),
        ('name = "alpha"', ["alpha"]),
        ("name = alp*", ["alpha", "alpine"]),
        ('name = "*a"', ["alpha"]),
        ('name = "beta_*"', ["beta_1"]),
        ("name:ALP", ["alpha", "alpine"]),
        ("name != alpha", ["alpine", "beta_1", "betaX1"]),
        ("count > 1", ["alpine", "beta_1"]),
        ("count != 1", ["alpine", "beta_1", "betaX1"]),
        ("NOT count > 1", ["alpha", "betaX1"]),
        ("-active = true", ["alpine", "betaX1"]),
        ("count:*", ["alpha", "alpine", "beta_1"]),
        ('at >= "2026-01-03T00:00:00Z"', ["beta_1", "betaX1"]),
        ('at < "2026-01-02"', ["alpha"]),
        ("tags:y", ["alpha", "beta_1"]),
        ('tags = "x"', ["alpha"]),
        ("labels:q", ["beta_1"]),
        ("status = success", ["alpine", "beta_1"]),
        ("status = SUC*", ["alpine", "beta_1"]),
        ("status:*ing", ["alpha"]),
        ("status != suc*", ["alpha", "betaX1"]),
        ("role = editor", ["alpha"]),
        ("active = true AND count = 1 OR count = 9", ["alpha", "beta_1"]),
        ("(active = true AND count = 1) OR count = 5", ["alpha", "alpine"]),
        ("active = true count < 5", ["alpha"]),
        ("name = \"x' OR '1'='1\"", []),
    ],
)
def test_a_filter_finds_its_rows(database: Any, text: str, names: list[str]) -> None:
    condition = sql.where(filtering.parse(text), COLUMNS)

    with database.connect() as connection:
        found = connection.execute(
            select(rows.c.name).where(condition).order_by(rows.c.name.collate("C"))
        ).scalars()

    assert sorted(found) == sorted(names)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "colour = red",
            "unknown field 'colour' (known: active, at, count, labels, name, reason, role, status, tags)"
            " at position 1",
        ),
        ("name = a AND colour = b", "unknown field 'colour'"),
        ("count > many", "count: expected a whole number at position 1"),
        ("active > true", "has no order"),
        ("active = yes", "expected true or false"),
        ('at > "yesterday"', "expected a time"),
        ("status = DONE", "status: expected one of RUNNING, SUCCESS at position 1"),
        ("status:DONE", "status: expected one of RUNNING, SUCCESS"),
        ("status = DON*", "status: expected one of RUNNING, SUCCESS"),
        ("status > RUNNING", "status is a word and has no order"),
        ("role = Owner", "role: expected one of Editor, Viewer"),
        ("reason = RUN_NOT_FOND", "expected one of 40 words such as RUN_NOT_FOUND"),
        ("tags > x", "use tags:value"),
        ("count > 99999999999999999999", "too large"),
        ("name", "expected an operator after 'name', but the filter ends at position 5"),
        ("name =", "expected a value after '='"),
        ('name = "open', "a string that is not closed at position 8"),
        ("(name = a", "expected ')'"),
        ("name = a)", "unexpected ')' at position 9"),
        ("= a", "expected a field, not '=' at position 1"),
        ("(" * 60 + "name = a" + ")" * 60, "nested too deeply"),
        ("name = " + "a" * 5000, "longer than"),
        ("name = a ; drop", "expected a field, not ';' at position 10"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_saying_where(text: str, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        sql.where(filtering.parse(text), COLUMNS)

    assert told in caught.value.message
    assert (caught.value.reason, caught.value.fields[0].field) == ("INVALID_FILTER", "filter")


def test_or_binds_more_tightly_than_and() -> None:
    found = filtering.parse("a = 1 AND b = 2 OR c = 3")

    assert isinstance(found, And)
    assert isinstance(found.parts[1], Or)


def written(found: Filter) -> str:
    """The filter as text, so that parsing it again must give it back."""
    if isinstance(found, Comparison):
        quoted = found.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{found.field} {found.operator} "{quoted}"'
    if isinstance(found, Not):
        return f"NOT ({written(found.part)})"
    return (" AND " if isinstance(found, And) else " OR ").join(f"({written(part)})" for part in found.parts)


def shape(found: Filter | None) -> Any:
    """The filter without positions."""
    if isinstance(found, Comparison):
        return (found.field, found.operator, found.value)
    if isinstance(found, Not):
        return ("not", shape(found.part))
    assert found is not None
    return (type(found).__name__, *(shape(part) for part in found.parts))


comparisons = st.builds(
    Comparison,
    st.text(string.ascii_lowercase + "_", min_size=1, max_size=8).filter(lambda name: name[0] != "_"),
    st.sampled_from(["=", "!=", "<", "<=", ">", ">=", ":"]),
    st.text(max_size=12),
    st.just(True),
    st.just(1),
)
filters: st.SearchStrategy[Filter] = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=8,
)


@given(filters)
def test_what_is_written_is_what_is_read(found: Filter) -> None:
    assert shape(filtering.parse(written(found))) == shape(found)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        filtering.parse(text)
    except Invalid as refused:
        assert refused.reason == "INVALID_FILTER"  # noqa: PT017  # either outcome is right


DEFAULT = (Order("at", descending=True), Order("name"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", DEFAULT),
        ("name", (Order("name"), Order("at"))),
        ("count desc", (Order("count", True), Order("at", True), Order("name", True))),
        (" count DESC , name asc", (Order("count", True), Order("name"), Order("at"))),
    ],
)
def test_an_order_is_made_total(text: str, expected: tuple[Order, ...]) -> None:
    assert filtering.parse_order(text, COLUMNS, DEFAULT) == expected


@pytest.mark.parametrize("text", ["colour", "name up", "name desc desc", "name, name"])
def test_an_order_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        filtering.parse_order(text, COLUMNS, DEFAULT)
    assert caught.value.fields[0].field == "order_by"


@pytest.mark.parametrize("text", ["active desc, name", "name desc", "active, name desc"])
def test_pages_by_keyset_are_the_whole_list_cut_into_pieces(database: Any, text: str) -> None:
    orders = filtering.parse_order(text, COLUMNS, (Order("name"),))
    columns = {"active": rows.c.active, "name": rows.c.name}
    chosen = [columns[order.field] for order in orders]
    listed = select(*chosen).where(rows.c.active.is_not(None)).order_by(*sql.order_by(orders, columns))

    with database.connect() as connection:
        whole = [tuple(row) for row in connection.execute(listed)]
        pieces: list[Any] = []
        after: Any = None
        while page := connection.execute(listed.where(sql.after(orders, columns, after)).limit(1)).all():
            pieces += [tuple(row) for row in page]
            after = pieces[-1]

    assert pieces == whole
    assert len(whole) == 3
