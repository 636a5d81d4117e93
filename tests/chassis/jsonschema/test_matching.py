"""Values are matched with authors' schemas: what does not fit is named with its place, and no schema costs too much."""

import json
from typing import Any

import pytest

from chassis.jsonschema import MOST_LEVELS, Mismatch, Schema, SchemaError
from chassis.jsonschema.matching import nests_deeper


def told(schema: dict[str, Any], value: object) -> str:
    """Where a value does not fit, and why; empty when it does."""
    found = Schema(schema).mismatch(json.dumps(value).encode())
    return "" if found is None else f"{found.place} {found.why}".strip()


ROW = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "name": {"type": "string", "maxLength": 5}},
    "required": ["id"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "value", "sentence"),
    [
        ({"type": "integer"}, "x", "must be an integer, not a string"),
        ({"type": "integer"}, 1.5, "must be an integer, not the number 1.5"),
        ({"type": ["integer", "null"]}, True, "must be null or an integer, not true"),
        ({"enum": [1, "b"]}, "c", 'must be one of 1, "b", not "c"'),
        ({"const": {"a": 1}}, [], 'must be {"a":1}, not []'),
        ({"minimum": 3}, 1, "must be at least 3, not 1"),
        ({"exclusiveMaximum": 3}, 3, "must be less than 3, not 3"),
        ({"maxLength": 3}, "aaaaa", "must have at most 3 characters, not 5"),
        ({"minItems": 2}, [1], "must have at least 2 items, not 1"),
        ({"minProperties": 1}, {}, "must have at least 1 field, not 0"),
        ({"pattern": "^a"}, "bc", 'must match ^a, not be "bc"'),
        ({"multipleOf": 3}, 5, "does not fit: 5 is not a multiple of 3"),
        (
            {"type": "array", "items": ROW},
            [{"id": 1}, {"id": "2"}],
            "[1].id must be an integer, not a string",
        ),
        ({"type": "array", "items": ROW}, [{"name": "a"}], "[0] lacks 'id', which is required"),
        ({"type": "array", "items": ROW}, [{"id": 1, "z": 2}], "[0] may not have 'z'"),
        ({"properties": {"a": False}}, {"a": 1}, ".a is not allowed"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "x", "must be an integer or null, not a string"),
        (
            {"anyOf": [ROW, {"type": "null"}]},
            {"id": []},
            "fits none of what it may be: id must be an integer, not a list",
        ),
        ({"$defs": {"row": ROW}, "additionalProperties": {"$ref": "#/$defs/row"}}, {"a": {"id": 1}}, ""),
        ({}, {"anything": [1]}, ""),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_place(
    schema: dict[str, Any], value: object, sentence: str
) -> None:
    assert told(schema, value) == sentence


def test_a_long_value_is_cut_in_the_sentence() -> None:
    assert len(told({"enum": ["b"]}, "a" * 100_000)) < 200
    assert len(told({"multipleOf": 2, "contains": {}}, [["a" * 100_000]] * 3)) < 400


def test_a_whole_number_is_an_integer_however_it_is_written() -> None:
    assert Schema({"type": "integer"}).mismatch(b"3.0") is None
    assert Schema({"type": "integer"}).mismatch(b"123456789012345678901234567890") is None


def test_formats_are_words_for_people_and_not_checked() -> None:
    assert told({"type": "string", "format": "date-time"}, "tomorrow") == ""


TREE = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
EXPRESSION = {
    "anyOf": [
        {"type": "object", "properties": {"plus": {"$ref": "#"}}},
        {"type": "object", "properties": {"times": {"$ref": "#"}}},
    ]
}
TWO = {
    "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}},
    "$ref": "#/$defs/a",
    "properties": {"x": {"$ref": "#"}},
}
FANCY = {"type": "string", "pattern": "^(?=a)((a+)+)\\2$"}


def doubling(times: int) -> dict[str, Any]:
    """A schema that unfolds to two of itself so many times."""
    inner = {f"a{number}": {"allOf": [{"$ref": f"#/$defs/a{number + 1}"}] * 2} for number in range(times)}
    return {"$defs": inner | {f"a{times}": {}}, "$ref": "#/$defs/a0"}


@pytest.mark.parametrize("schema", [ROW, TREE, doubling(3), {"type": "string", "pattern": "^(a+)+$"}])
def test_a_schema_whose_cost_is_known_to_be_small_is_matched_at_once(schema: dict[str, Any]) -> None:
    assert Schema(schema).is_cheap(10_000)
    assert not Schema(schema).is_cheap(100_000_000)


@pytest.mark.parametrize("schema", [EXPRESSION, TWO, FANCY])
def test_a_schema_whose_cost_has_no_bound_is_not_matched_at_once(schema: dict[str, Any]) -> None:
    assert not Schema(schema).is_cheap(10)


def test_a_pattern_that_goes_back_and_forth_ends_as_not_matching() -> None:
    assert "must match" in told(FANCY, "a" * 60 + "b") or "does not fit" in told(FANCY, "a" * 60 + "b")


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"$ref": "#"}, "refers to itself"),
        (
            {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}},
            "refers to itself",
        ),
        ({"type": "whatever"}, "whatever"),
        ({"$ref": "https://example.com/schema"}, "Retrieval is disabled"),
        ({"$ref": "file:///etc/passwd"}, "Retrieval is disabled"),
        ({"pattern": "("}, "regex"),
    ],
)
def test_what_is_no_schema_is_refused_and_nothing_is_fetched(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(SchemaError, match=why):
        Schema(schema)


def test_deep_values_are_refused_before_they_are_looked_into() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000

    assert Schema({"items": {"$ref": "#"}}).mismatch(deep) == Mismatch(
        (), f"is nested more than {MOST_LEVELS} levels deep"
    )
    assert not nests_deeper(b'["' + b"[" * 1000 + b'"]', MOST_LEVELS)
    assert not nests_deeper(b"[" + b'{"a":[1]},' * 1000 + b"{}]", MOST_LEVELS)
