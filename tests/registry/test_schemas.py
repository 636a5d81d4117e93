"""JSON Schemas as types."""

from typing import Any

import pytest

from chassis.jsonschema import is_recursive
from registry import schemas
from registry.schemas import Unknown

ROWS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "rows": {"type": "array", "items": {"$ref": "#/$defs/row"}},
        "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
        "either": {"anyOf": [{"type": "object"}, {"type": "null"}]},
        "open": {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
        "text": {"type": "string"},
    },
    "$defs": {"row": {"type": "object", "properties": {"day": {"type": "string"}}}},
}


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        (("rows",), {"array"}),
        (("rows", 0), {"object"}),
        (("rows", 3, "day"), {"string"}),
        (("pair", 0), {"integer"}),
        (("pair", 1), {"string"}),
    ],
)
def test_what_lies_at_a_path_is_found(path: tuple[str | int, ...], kinds: set[str]) -> None:
    found = schemas.at((ROWS, ROWS), path)

    assert isinstance(found, tuple)
    assert schemas.types(*found) == frozenset(kinds)


@pytest.mark.parametrize(
    ("path", "known"),
    [
        (("row",), tuple(ROWS["properties"])),
        (("rows", 0, "dya"), ("day",)),
        (("text", "x"), None),
        (("rows", "x"), None),
    ],
)
def test_a_name_that_is_not_there_is_told_with_those_that_are(
    path: tuple[str | int, ...], known: object
) -> None:
    found = schemas.at((ROWS, ROWS), path)

    assert isinstance(found, Unknown)
    assert found.known == known


@pytest.mark.parametrize("path", [("either", "x"), ("open", "b"), ("pair", 7)])
def test_where_the_schema_says_nothing_nothing_is_said(path: tuple[str | int, ...]) -> None:
    assert schemas.at((ROWS, ROWS), path) is None


@pytest.mark.parametrize(
    ("given", "wanted", "fits"),
    [
        ({"type": "integer"}, {"type": "number"}, True),
        ({"type": "number"}, {"type": "integer"}, True),
        ({"type": "string"}, {"type": "integer"}, False),
        ({"type": ["string", "null"]}, {"type": "string"}, True),
        ({}, {"type": "string"}, True),
        ({"type": "string"}, {}, True),
        ({"enum": ["a"]}, {"type": "integer"}, False),
        ({"const": 1}, {"type": "integer"}, True),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "array"}, False),
        (
            {"type": "array", "items": {"type": "string"}},
            {"type": "array", "items": {"type": "integer"}},
            False,
        ),
        ({"type": "array"}, {"type": "array", "items": {"type": "integer"}}, True),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"a": {"type": "integer"}}},
            False,
        ),
        (
            {"allOf": [{"type": ["string", "integer"]}, {"type": ["integer", "null"]}]},
            {"type": "string"},
            False,
        ),
    ],
)
def test_a_mismatch_is_only_what_can_never_fit(
    given: dict[str, Any], wanted: dict[str, Any], fits: bool
) -> None:
    assert (schemas.mismatch(given, given, wanted, wanted) is None) is fits


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": True}},
        {"items": {"$ref": "#"}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "format": "date"},
    ],
)
def test_a_sound_schema_has_no_problems(schema: dict[str, Any]) -> None:
    assert schemas.problems(schema) == []


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"$ref": "#"}, "refers to itself for the same value"),
        ({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}, "refers to itself for the same value"),
    ],
)
def test_a_schema_that_no_value_can_be_matched_with_is_refused(schema: dict[str, Any], why: str) -> None:
    ((path, message),) = schemas.problems(schema)

    assert path == ""
    assert why in message


@pytest.mark.parametrize("schema", [{"type": "array"}, {"anyOf": [{"type": "string"}, {"type": "null"}]}])
def test_inputs_are_an_object(schema: dict[str, Any]) -> None:
    ((path, message),) = schemas.input_problems(schema)

    assert path == ".type"
    assert "inputs are an object" in message


@pytest.mark.parametrize("schema", [{}, {"type": ["object", "null"]}, {"properties": {"a": {}}}])
def test_what_inputs_may_be_is_an_object(schema: dict[str, Any]) -> None:
    assert schemas.input_problems(schema) == []


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_a_schema_that_unfolds_without_end_is_refused(keyword: str) -> None:
    doubling: dict[str, Any] = {
        f"d{n}": {"allOf": [{keyword: f"#/$defs/d{n + 1}"}, {keyword: f"#/$defs/d{n + 1}"}]}
        for n in range(40)
    }
    schema: dict[str, Any] = {"$ref": "#/$defs/d0", "$defs": doubling | {"d40": {"type": "string"}}}

    ((path, message),) = schemas.problems(schema)

    assert path == ""
    assert "unfolds" in message


def test_a_value_is_checked_against_references_and_without_regular_expressions() -> None:
    root: dict[str, Any] = {
        "properties": {"n": {"$ref": "#/$defs/n"}, "s": {"type": "string", "pattern": "^(a+)+$"}},
        "$defs": {"n": {"type": "integer", "minimum": 3}},
    }

    low = list(schemas.Values(root).problems(1, root["properties"]["n"]))
    word = list(schemas.Values(root).problems("x", root["properties"]["n"]))
    evil = list(schemas.Values(root).problems("a" * 50 + "!", root["properties"]["s"]))

    assert low == [((), "1 is less than the minimum of 3")]
    assert word == [((), "expected an integer, found a string")]
    assert evil == []


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_a_recursive_schema_is_left_to_the_run(keyword: str) -> None:
    tree: dict[str, Any] = {"type": "object", "properties": {"next": {keyword: "#"}}}

    assert is_recursive(tree)
    assert list(schemas.Values(tree).problems(3, tree)) == []
    assert not is_recursive(ROWS)
