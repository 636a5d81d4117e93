"""What the registry infers from a hint, and what a step makes of it, agree: the same values fit."""

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from registry.inference.python import infer
from worker.inside import usercode

DECLARED = """
import collections, datetime, decimal, enum, uuid
from dataclasses import dataclass, field
from typing import *
from annotated_types import Ge, Len
from pydantic import BaseModel, ConfigDict, Field

class Color(enum.Enum):
    RED = "red"
    ONE = 1

class Level(enum.IntEnum):
    LOW = enum.auto()
    HIGH = 7

@dataclass
class Point:
    x: float
    y: float = 0.0
    near: "list[Point]" = field(default_factory=list)
    key: str = field(init=False, default="k")

@dataclass
class Named(Point):
    name: str = None

class Row(TypedDict, total=False):
    day: Required[str]
    celsius: float

class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(alias="fullName", min_length=1)
    age: Annotated[int, Field(ge=0)] = 18
    friends: "list[Person]" = []
    level: Literal["a", "b"] | None = None

T = TypeVar("T")
U = TypeVar("U")

@dataclass
class Box(Generic[T]):
    v: T
    more: "list[Box[T]]" = field(default_factory=list)

@dataclass
class Pair(Box[list[T]], Generic[U, T]):
    w: U | None = None
    boxed: Box[U] | None = None

@dataclass
class Deeper(Pair[int, str]):
    n: int = 0

class Line(TypedDict, Generic[T]):
    cells: list[T]

Place = NewType("Place", str)
Tree = dict[str, "Tree"] | int
"""

HINTS: list[tuple[str, list[Any], list[Any]]] = [
    ("int", [0, -3, 2.0, 2**40], ["1", 1.5, True, None, [], {}]),
    ("float", [0, 1.5, -2], ["1", False, None]),
    ("str", ["", "x"], [1, None, ["x"]]),
    ("bool", [True, False], [0, 1, "true", None]),
    ("None", [None], [0, "", False]),
    ("Any", [None, 1, "x", [], {}], []),
    ("bytes", [None, 1, "x"], []),
    ("Optional[int]", [None, 1], ["x", 1.5]),
    ("int | str | None", [None, 1, "x"], [1.5, [], True]),
    ("Union[list[int], dict[str, int]]", [[1], {"a": 1}], [1, ["x"], {"a": "x"}]),
    ("list", [[], [1, "x"]], ["x", {}, None]),
    ("list[int]", [[], [1, 2.0]], [["x"], [None], "12"]),
    ("List[list[bool]]", [[], [[True]]], [[True], [[1]]]),
    ("set[str]", [[], ["a", "a"]], ["a", [1], {}]),
    ("frozenset", [[1]], [{}]),
    ("Sequence[float]", [[1, 2.5]], [["x"], 1]),
    ("Iterable[int]", [[1]], [1, ["x"]]),
    ("Collection[int]", [[1]], [{}]),
    ("AbstractSet[int]", [[1, 2]], [[None]]),
    ("tuple[int, str]", [[1, "x"]], [[1], [1, "x", 2], ["x", 1], {}]),
    ("tuple[int, ...]", [[], [1, 2]], [["x"], 1]),
    ("tuple", [[], [1, "x"]], [1]),
    ("dict", [{}, {"a": 1}], [[], 1]),
    ("dict[str, float]", [{}, {"a": 1}], [{"a": "x"}, []]),
    ("Mapping[str, list[int]]", [{"a": [1]}], [{"a": 1}, []]),
    ("collections.OrderedDict[str, int]", [{"a": 1}], [{"a": "x"}, []]),
    ("collections.defaultdict[str, int]", [{"a": 1}], [{"a": "x"}]),
    ('Literal["a", 1, None]', ["a", 1, None], ["b", True, 2, ["a"]]),
    ("Literal[True]", [True], [1, False]),
    ("Literal[Color.RED, 'x']", ["red", "x"], ["RED", 1]),
    ("Color", ["red", 1], ["RED", True, None, []]),
    ("Level", [1, 7], [2, True, "LOW"]),
    ("decimal.Decimal", [1, 1.5, "1.50"], [None, True, []]),
    ("datetime.date", ["2026-01-31"], [1, None]),
    ("datetime.datetime", ["2026-01-31T12:00:00", "2026-01-31T12:00:00+02:00"], [1, None]),
    ("datetime.time", ["12:30:00"], [1]),
    ("uuid.UUID", ["12345678-1234-5678-1234-567812345678"], [1, None]),
    ("Point", [{"x": 1}, {"x": 1, "y": 2, "near": [{"x": 3}]}],
     [{}, {"x": "1"}, {"x": 1, "z": 2}, {"x": 1, "key": "k"}, {"x": 1, "near": [{}]}, [1]]),
    ("Named", [{"x": 1}, {"x": 1, "name": "n"}], [{"name": "n"}, {"x": 1, "name": 5}, {"x": 1, "name": None}]),
    ("list[Point] | None", [None, [{"x": 1}]], [[{}], {}]),
    ("Row", [{"day": "x"}, {"day": "x", "celsius": 1, "more": True}], [{}, {"day": 1}, {"day": "x", "celsius": ""}, 5]),
    ("Person", [{"fullName": "A"}, {"fullName": "A", "age": 3, "level": "a", "friends": [{"fullName": "B"}]}],
     [{}, {"name": "A"}, {"fullName": ""}, {"fullName": "A", "age": -1}, {"fullName": "A", "level": "c"},
      {"fullName": "A", "more": 1}, {"fullName": "A", "friends": [{}]}, "A"]),
    ("Annotated[int, Field(ge=0, lt=10)]", [0, 9, 3.0], [-1, 10, "3"]),
    ("Annotated[float, Field(gt=0, le=1, multiple_of=0.5)]", [0.5, 1], [0, 1.5, 0.7]),
    ("Annotated[str, Field(min_length=2, max_length=3, pattern='^a')]", ["ab", "abc"], ["a", "abcd", "bb", 1]),
    ("Annotated[list[int], Len(1, 2)]", [[1], [1, 2]], [[], [1, 2, 3], ["x"]]),
    ("Annotated[int | None, Ge(1)]", [None, 1], [0]),
    ("dict[str, Annotated[int, Ge(1)]]", [{"a": 1}], [{"a": 0}]),
    ("Box[int]", [{"v": 1}, {"v": 1, "more": [{"v": 2}]}], [{"v": "x"}, {}, {"v": 1, "more": [{"v": "x"}]}, 5]),
    ("Box[Box[str]]", [{"v": {"v": "x"}}], [{"v": "x"}, {"v": {"v": 1}}]),
    ("Box[int] | Box[str]", [{"v": 1}, {"v": "x"}], [{"v": []}]),
    ("Box", [{"v": 1}, {"v": "x"}], [{}, {"v": 1, "w": 2}]),
    ("Pair[int, str]", [{"v": ["x"], "w": 1, "boxed": {"v": 2}}],
     [{"v": [1]}, {"v": [], "w": "x"}, {"v": [], "boxed": {"v": "x"}}]),
    ("Deeper", [{"v": ["x"], "w": 1, "n": 2}], [{"v": [1]}, {"v": [], "w": "x"}, {"v": [], "n": "x"}]),
    ("Line[int]", [{"cells": [1]}], [{"cells": ["x"]}, {}]),
    ("Place", ["x"], [1]),
    ("Tree", [1, {"a": 1}], ["x", []]),
]  # fmt: skip


@pytest.fixture(autouse=True)
def module_of_the_script() -> Iterator[None]:
    """Models and dataclasses look their own module up."""
    sys.modules[usercode.MODULE] = types.ModuleType(usercode.MODULE)
    yield
    sys.modules.pop(usercode.MODULE, None)


@pytest.mark.parametrize(("hint", "fitting", "others"), HINTS, ids=[hint for hint, _, _ in HINTS])
@pytest.mark.parametrize("before", ["", "from __future__ import annotations"], ids=["now", "later"])
def test_the_same_values_fit(before: str, hint: str, fitting: list[Any], others: list[Any]) -> None:
    code = f"{before}\n{DECLARED}\ndef main(value: {hint}, /, *, default: {hint} = None, **more: {hint}):\n    return 1"
    schema = infer(code).input_schema
    assert schema is not None
    validator = Draft202012Validator(schema)

    for value in fitting:
        assert validator.is_valid({"value": value}), f"the schema refuses {value!r}"
        assert usercode.call("script", code, {"value": value, "default": value, "more": value}) == 1
    for value in others:
        for inputs in ({"value": value}, {"value": fitting[0], "other": value}):
            assert not validator.is_valid(inputs), f"the schema takes {value!r}"
            with pytest.raises(usercode.BadInput):
                usercode.call("script", code, inputs)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters in brackets are new in Python 3.12")
def test_a_class_with_type_parameters_takes_the_same_values() -> None:
    declared = "from dataclasses import dataclass\n@dataclass\nclass Box[T]:\n    v: list[T]\n"
    code = f"{declared}def main(box: Box[int]): return box.v"
    schema = infer(code).input_schema
    assert schema is not None

    assert usercode.call("script", code, {"box": {"v": [1]}}) == [1]
    assert Draft202012Validator(schema).is_valid({"box": {"v": [1]}})
    assert not Draft202012Validator(schema).is_valid({"box": {"v": ["x"]}})
    with pytest.raises(usercode.BadInput, match=r"box\.v\[0\]"):
        usercode.call("script", code, {"box": {"v": ["x"]}})


def test_what_only_the_step_can_tell_passes_the_schema() -> None:
    code = "import datetime\ndef main(day: datetime.date): return day.year"
    schema = infer(code).input_schema
    assert schema is not None

    assert Draft202012Validator(schema).is_valid({"day": "yesterday"})
    with pytest.raises(usercode.BadInput, match="must be a date"):
        usercode.call("script", code, {"day": "yesterday"})
