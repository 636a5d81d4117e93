"""List filters."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Column, DateTime, MetaData, String, Table
from sqlalchemy.dialects import postgresql

from chassis import errors, filters
from chassis.filters import Condition, Kind

FIELDS: dict[str, Kind] = {
    "action": str,
    "count": int,
    "is_active": bool,
    "time": datetime,
    "status": ("RUNNING", "FAILED"),
    "tags": str,
}


def test_conditions_joined_by_and_are_read_in_order() -> None:
    found = filters.parse(
        'action = "MCP \\"X\\"" AND time >= "2026-01-01T00:00:00Z" '
        "AND is_active=true AND count<5 AND tags:a-b",
        FIELDS,
        ["tags"],
    )

    assert found == (
        Condition("action", "=", 'MCP "X"'),
        Condition("time", ">=", datetime(2026, 1, 1, tzinfo=UTC)),
        Condition("is_active", "=", True),
        Condition("count", "<", 5),
        Condition("tags", ":", "a-b"),
    )


def test_an_empty_filter_asks_for_nothing() -> None:
    assert filters.parse("  ", FIELDS) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("acton = x", "unknown field 'acton' at 1; known are action, count, is_active, status, tags, time"),
        ("action = x OR action = y", "expected AND at 12, found 'OR'"),
        ("action", "expected a field, an operator and a value at 1"),
        ("action = x AND", "expected a field, an operator and a value at 15 (the end)"),
        ("action < x", "action does not take < (at 8); use = or !="),
        ("tags = x", "tags does not take = (at 6); use :"),
        ("status = RUNING", "status at 10: expected one of RUNNING, FAILED"),
        ("count = many", "count at 9: expected a whole number"),
        ("time > yesterday", 'time at 8: expected a time such as "2026-01-31T12:00:00Z"'),
        ('action = "x', "cannot read '\"' at 10"),
        ("action = x (", "cannot read '(' at 12"),
        ("action = =", "expected a value at 10, found '='"),
    ],
)
def test_a_filter_that_cannot_be_read_says_where(text: str, message: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        filters.parse(text, FIELDS, ["tags"])

    assert (caught.value.reason, caught.value.message) == ("INVALID_FILTER", message)
    assert caught.value.fields[0].field == "filter"


def test_conditions_become_sql_with_bound_values() -> None:
    table = Table("t", MetaData(), Column("action", String), Column("time", DateTime(timezone=True)))
    conditions = filters.parse("action != 'x' AND time < '2026-01-01'", FIELDS)

    clauses = filters.where(conditions, {"action": table.c.action, "time": table.c.time})

    compiled = [str(clause.compile(dialect=postgresql.dialect())) for clause in clauses]  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are untyped
    assert compiled == ["t.action != %(action_1)s::VARCHAR", "t.time < %(time_1)s::TIMESTAMP WITH TIME ZONE"]
