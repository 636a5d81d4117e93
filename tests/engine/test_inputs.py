"""What a run is given, against what its workflow declares."""

from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2

from chassis.errors import Invalid
from engine.inputs import Declared, resolve
from engine.wire import plans


@pytest.mark.parametrize(
    ("kind", "given", "taken"),
    [
        ("integer", 3, 3),
        ("integer", "9007199254740993", 9007199254740993),
        ("number", 3, 3.0),
        ("integer", "-9007199254740993", -9007199254740993),
        ("integer", 2**53 - 1, 2**53 - 1),
        ("number", 2.5, 2.5),
        ("number", 1e300, 1e300),
        ("number", 2**53, 2.0**53),
        ("array", [2**53 - 1, 0.5], [2**53 - 1, 0.5]),
        ("string", "3", "3"),
        ("boolean", True, True),
        ("array", [1, "a"], [1, "a"]),
        ("object", {"a": 1}, {"a": 1}),
        ("", None, None),
    ],
)
def test_a_value_is_taken_in_its_declared_type(kind: str, given: Any, taken: Any) -> None:
    value = resolve({"x": Declared(kind)}, {"x": given}).value

    assert isinstance(value, dict)
    assert value["x"] == taken
    assert type(value["x"]) is type(taken)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("integer", 2.5),
        ("integer", True),
        ("integer", "three"),
        ("number", "3"),
        ("number", True),
        ("string", 3),
        ("boolean", "true"),
        ("array", {}),
        ("object", []),
        ("string", None),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, given: Any) -> None:
    with pytest.raises(Invalid) as caught:
        resolve({"x": Declared(kind)}, {"x": given})

    assert caught.value.reason == "RUN_INPUT_INVALID"
    assert [one.field for one in caught.value.fields] == ["inputs.x"]


@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        ("integer", 9007199254740993, "inputs.x"),
        ("integer", -9007199254740993, "inputs.x"),
        ("integer", 10**30, "inputs.x"),
        ("", 9007199254740993, "inputs.x"),
        ("array", [1, {"ids": [9007199254740993]}], "inputs.x[1].ids[0]"),
        ("object", {"id": 9007199254740993}, "inputs.x.id"),
    ],
)
def test_a_json_number_that_lost_digits_on_the_way_is_refused(kind: str, given: Any, field: str) -> None:
    struct = struct_pb2.Struct()
    json_format.ParseDict({"x": given}, struct)

    with pytest.raises(Invalid, match="send it as a string") as caught:
        resolve({"x": Declared(kind)}, plans.given(struct))

    assert [(one.field, one.reason) for one in caught.value.fields] == [(field, "INEXACT")]


def test_a_default_stands_in_for_what_is_not_given() -> None:
    declared = {"city": Declared("string", True, "Seattle"), "n": Declared("number", True, 1)}

    assert resolve(declared, {"n": 2}).raw == b'{"city":"Seattle","n":2.0}'


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        resolve({"a": Declared("string"), "b": Declared("integer")}, {"b": "x", "c": 1})

    assert {one.field: one.reason for one in caught.value.fields} == {
        "inputs.a": "REQUIRED",
        "inputs.b": "WRONG_TYPE",
        "inputs.c": "UNKNOWN",
    }


def test_an_unknown_input_is_told_all_that_there_are_and_the_nearest() -> None:
    declared = {
        "days": Declared("integer", True, 3),
        "city": Declared("string"),
        "unit": Declared(optional=True),
    }

    with pytest.raises(Invalid) as caught:
        resolve(declared, {"city": "Bergen", "citty": "Oslo", "zzz": 1}, "component")

    near, far = (one.description for one in caught.value.fields)
    assert near == (
        "the component has no such input; did you mean 'city'? It takes: city (required), days, unit"
    )
    assert far == "the component has no such input; it takes: city (required), days, unit"


def test_inputs_beyond_the_limit_are_refused() -> None:
    with pytest.raises(Invalid, match="at most 262,144"):
        resolve({"x": Declared("string")}, {"x": "y" * 300_000})
