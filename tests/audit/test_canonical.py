"""Canonical bytes: frozen, and the same before and after the database."""

import dataclasses
import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical, log, merkle
from audit.domain import Entry, Json

ENTRY = Entry(
    index=7,
    format=1,
    record_id="r7",
    time=datetime(2026, 1, 31, 13, 0, 0, 5, tzinfo=timezone(timedelta(hours=1))),
    recorded_at=datetime(2026, 1, 31, 12, 0, 1, tzinfo=UTC),
    service="registry",
    action="MCP_CREATED",
    outcome="OK",
    actor_id="u1",
    actor_name="Zoë \u2028",
    details={
        "new": {"n": 3.0, "x": 0.1, "big": 1e20, "ok": True, "none": None},
        "a": ["é", "e\u0301", '"\\\n'],
    },
)


def test_the_bytes_of_format_1_never_change() -> None:
    assert canonical.encode(ENTRY).decode() == (
        "mcpanel-audit-entry/1\n"
        '{"action":"MCP_CREATED","actor_id":"u1","actor_kind":"","actor_name":"Zoë \u2028","api_key_id":"",'
        '"client_address":"","details":{"a":["é","e\u0301","\\"\\\\\\n"],'
        '"new":{"big":1e+20,"n":3,"none":null,"ok":true,"x":0.1}},"entity_id":"","entity_type":"","index":7,'
        '"method":"","on_behalf_of_id":"","on_behalf_of_name":"","outcome":"OK","record_id":"r7",'
        '"recorded_at":"2026-01-31T12:00:01.000000Z","service":"registry","time":"2026-01-31T12:00:00.000005Z",'
        '"trace_id":""}'
    )


def test_the_bytes_of_format_2_never_change() -> None:
    entry = dataclasses.replace(
        ENTRY, format=2, request_id="q1", session_id="s1", user_agent="c2:00", run_id="run1", details={}
    )

    assert canonical.encode(entry).decode() == (
        "mcpanel-audit-entry/2\n"
        '{"action":"MCP_CREATED","actor_id":"u1","actor_kind":"","actor_name":"Zoë \u2028","api_key_id":"",'
        '"client_address":"","details":{},"entity_id":"","entity_type":"","index":7,'
        '"method":"","on_behalf_of_id":"","on_behalf_of_name":"","outcome":"OK","record_id":"r7",'
        '"recorded_at":"2026-01-31T12:00:01.000000Z","request_id":"q1","run_id":"run1","service":"registry",'
        '"session_id":"s1","time":"2026-01-31T12:00:00.000005Z","trace_id":"","user_agent":"c2:00"}'
    )


@pytest.mark.parametrize("field", ["request_id", "session_id", "user_agent", "run_id"])
def test_an_entry_of_format_1_has_nothing_that_its_bytes_do_not_cover(field: str) -> None:
    changes: Any = {field: "x"}

    with pytest.raises(canonical.UnknownFormat, match="an entry of format 1 has no"):
        canonical.encode(dataclasses.replace(ENTRY, **changes))


def test_a_leaf_hash_is_over_a_zero_byte_and_the_canonical_bytes() -> None:
    expected = hashlib.sha256(b"\x00" + canonical.encode(ENTRY)).digest()

    assert log.leaf_of(ENTRY) == merkle.leaf_hash(canonical.encode(ENTRY)) == expected


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(canonical.UnknownFormat, match="no entry format 3"):
        canonical.encode(dataclasses.replace(ENTRY, format=3))


@pytest.mark.parametrize(
    "field", [field.name for field in dataclasses.fields(Entry) if field.name != "format"]
)
def test_every_field_is_part_of_the_bytes(field: str) -> None:
    value = getattr(ENTRY, field)
    others: dict[type, Any] = {str: f"{value}!", int: 8, dict: {"x": 1}}
    other: Any = value + timedelta(microseconds=1) if isinstance(value, datetime) else others[type(value)]

    entry = dataclasses.replace(ENTRY, format=canonical.NEWEST)

    assert canonical.encode(dataclasses.replace(entry, **{field: other})) != canonical.encode(entry)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_numbers_are_normal_once_and_for_all(details: dict[str, Json]) -> None:
    once = canonical.normal(details)

    assert canonical.normal(once) == once
    assert canonical.normal(json.loads(json.dumps(once, allow_nan=False))) == once
