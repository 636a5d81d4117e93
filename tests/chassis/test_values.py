"""Identifiers and JSON values."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from google.protobuf import struct_pb2
from hypothesis import given

from chassis import jsonvalue
from chassis.ids import is_uuid, uuid7
from chassis.outbox import masked
from tests.chassis.test_expressions import json_values

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def test_an_id_is_a_version_7_uuid_of_its_time() -> None:
    found = UUID(uuid7(NOW))

    assert (found.version, found.variant) == (7, "specified in RFC 4122")
    assert found.int >> 80 == int(NOW.timestamp() * 1000)
    assert is_uuid(str(found))
    assert not is_uuid(str(found).upper())


def test_ids_ascend_within_a_millisecond_and_over_time() -> None:
    ids = [uuid7(NOW) for _ in range(5000)] + [uuid7(NOW + timedelta(milliseconds=1))]

    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_an_id_needs_a_time_with_a_zone() -> None:
    with pytest.raises(ValueError, match="aware"):
        uuid7(datetime(2026, 1, 1))  # noqa: DTZ001  # that is the mistake


def same(left: Any, right: Any) -> bool:
    """Equal in value and type, but for integral floats, which come back as integers."""
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(same(left[k], right[k]) for k in left)
        )
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) and left.is_integer() and abs(left) <= 2**53:
        return isinstance(right, int) and left == right
    return type(left) is type(right) and bool(left == right)


@given(json_values)
def test_a_value_survives_the_struct_and_back(value: Any) -> None:
    assert same(value, jsonvalue.from_value(jsonvalue.to_value(value)))


@given(json_values)
def test_canonical_bytes_are_stable_and_read_back(value: Any) -> None:
    data = jsonvalue.canonical(value)

    assert jsonvalue.parse(data) == value
    assert jsonvalue.canonical(jsonvalue.parse(data)) == data


def test_integers_beyond_2_to_the_53_travel_as_strings() -> None:
    struct = jsonvalue.to_struct({"small": 2**53, "big": 2**53 + 1})

    assert jsonvalue.from_struct(struct) == {"small": 2**53, "big": str(2**53 + 1)}


def test_what_is_no_json_is_refused() -> None:
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="JSON"):
            jsonvalue.to_value(bad)
        with pytest.raises(ValueError, match="JSON"):
            jsonvalue.canonical(bad)
    with pytest.raises(ValueError, match="NaN is not JSON"):
        jsonvalue.parse("[NaN]")
    with pytest.raises(TypeError, match="bytes is not JSON"):
        jsonvalue.to_value(b"x")  # type: ignore[arg-type]  # that is the mistake
    with pytest.raises(ValueError, match="expected a JSON object"):
        jsonvalue.parse_object("[1]")


def test_empty_objects_and_lists_keep_their_kind() -> None:
    value: Any = {"o": {}, "l": [], "n": None}

    assert jsonvalue.from_struct(jsonvalue.to_struct(value)) == value
    assert jsonvalue.from_value(struct_pb2.Value()) is None


def test_records_hide_secrets_and_cut_long_texts() -> None:
    found = masked(
        {
            "password": "x",
            "apiKey": "y",
            "secret_value": "z",
            "secret_ref": "env:MCPANEL_SECRET_X",
            "secret_names": ["mail"],
            "empty_token": "",
            "has_secret": True,
            "nested": [{"authToken": 1}],
            "text": "a" * 10_000,
            "when": NOW,
            "data": b"12",
            "nul": "a\0b",
            "tags": frozenset({"b", "a"}),
            "nan": math.nan,
        }
    )

    assert isinstance(found, dict)
    assert found["has_secret"] is True
    assert found["password"] == found["apiKey"] == found["secret_value"] == "***"
    assert (found["secret_ref"], found["empty_token"]) == ("env:MCPANEL_SECRET_X", "")
    assert found["secret_names"] == ["mail"]
    assert found["nested"] == [{"authToken": "***"}]
    assert len(str(found["text"])) < 8300
    assert (found["when"], found["data"], found["nul"]) == (NOW.isoformat(), "2 bytes", "ab")
    assert (found["tags"], found["nan"]) == (["a", "b"], "nan")
