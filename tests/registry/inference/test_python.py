"""Schemas inferred from a Python script's `main`."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import schemas
from registry.inference import DIALECT, NONE, ScriptError
from registry.inference.python import infer

DECLARED = """
from __future__ import annotations
import datetime as dt
from dataclasses import dataclass, field
from datetime import date as Day, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum, auto
from typing import *
from uuid import UUID
import typing as t
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, RootModel, field_validator, model_validator
from annotated_types import Ge, Len

class Row(TypedDict, total=False):
    day: Required[str]
    celsius: float

class Better(Row):
    station: str

@dataclass
class Node:
    value: int
    children: "list[Node]"
    note: str = ""
    count: ClassVar[int] = 0

Rows = list[Row]
class Other: ...

class Unit(Enum):
    C = "celsius"
    F = "fahrenheit"

class Level(IntEnum):
    LOW = auto()
    HIGH = 5
    HIGHER = auto()

class Word(StrEnum):
    YES = auto()

class Computed(Enum):
    A = compute()

class Guessing(Enum):
    A = 1
    @classmethod
    def _missing_(cls, value): return cls.A

Tree = dict[str, "Tree"] | int
Self = Union["Self", int]
Place = NewType("Place", str)
Names = RootModel[list[str]]
"""

ANNOTATIONS: list[tuple[str, dict[str, Any]]] = [
    ("int", {"type": "integer"}),
    ("float", {"type": "number"}),
    ("str", {"type": "string"}),
    ("bool", {"type": "boolean"}),
    ("None", {"type": "null"}),
    ("list", {"type": "array"}),
    ("list[int]", {"type": "array", "items": {"type": "integer"}}),
    ("t.List[str]", {"type": "array", "items": {"type": "string"}}),
    ("Sequence[float]", {"type": "array", "items": {"type": "number"}}),
    ("dict", {"type": "object"}),
    ("dict[str, bool]", {"type": "object", "additionalProperties": {"type": "boolean"}}),
    ("Mapping[str, Any]", {"type": "object"}),
    ("Optional[int]", {"type": ["integer", "null"]}),
    ("int | None", {"type": ["integer", "null"]}),
    ("Union[int, str, None]", {"type": ["integer", "string", "null"]}),
    ("list[int] | None", {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]}),
    ("int | Other", {}),
    ('Literal["a", 1, None]', {"enum": ["a", 1, None]}),
    ("tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}),
    (
        "tuple[int, str]",
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": False,
            "minItems": 2,
            "maxItems": 2,
        },
    ),
    ('Annotated[int, "how many"]', {"type": "integer", "description": "how many"}),
    (
        "Annotated[int, Field(ge=0, lt=10, description='few')]",
        {"type": "integer", "minimum": 0, "exclusiveMaximum": 10, "description": "few"},
    ),
    (
        "Annotated[str, Field(min_length=1, max_length=3, pattern='^a')]",
        {"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^a"},
    ),
    (
        "Annotated[list[int], Len(1, 2)]",
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
    ),
    ("Annotated[int | None, Ge(1)]", {"type": ["integer", "null"], "minimum": 1}),
    ("Annotated[str, Field(pattern='(')]", {"type": "string"}),
    ("PositiveInt", {"type": "integer", "exclusiveMinimum": 0}),
    ("Unit", {"enum": ["celsius", "fahrenheit"]}),
    ("Unit | None", {"anyOf": [{"enum": ["celsius", "fahrenheit"]}, {"type": "null"}]}),
    ("Level", {"enum": [1, 5, 6]}),
    ("Word", {"enum": ["yes"]}),
    ("Literal[Unit.C, 'other']", {"enum": ["celsius", "other"]}),
    ("Computed", {}),
    ("Guessing", {}),
    ("Day", {"type": "string", "format": "date"}),
    ("dt.datetime", {"type": "string", "format": "date-time"}),
    ("time", {"type": "string", "format": "time"}),
    ("UUID", {"type": "string", "format": "uuid"}),
    ("Decimal", {"type": ["number", "string"]}),
    ("Place", {"type": "string"}),
    ("Tree", {"$ref": "#/$defs/Tree"}),
    ("Self", {}),
    ("tuple[()]", {"type": "array"}),
    ('"int"', {"type": "integer"}),
    ("Rows", {"type": "array", "items": {"$ref": "#/$defs/Row"}}),
    ("Node", {"$ref": "#/$defs/Node"}),
    ("Other", {}),
    ("Any", {}),
    ("object", {}),
    ("np.ndarray", {}),
    ("list[Unknown]", {"type": "array"}),
    ("(lambda: int)()", {}),
]


@pytest.mark.parametrize(("annotation", "schema"), ANNOTATIONS)
def test_an_annotation_becomes_a_schema(annotation: str, schema: dict[str, Any]) -> None:
    found = infer(f"{DECLARED}\ndef main(x: {annotation}) -> {annotation}: ...\n")

    assert found.input_schema is not None
    assert found.input_schema["properties"]["x"] == schema
    assert schemas.problems(found.input_schema) == []
    output = {} if found.output_schema is None else dict(found.output_schema)
    assert {key: value for key, value in output.items() if key not in ("$schema", "$defs")} == schema


def test_classes_of_the_script_become_objects() -> None:
    found = infer(f"{DECLARED}\ndef main(a: Better, b: Node): ...\n").input_schema

    assert found is not None
    assert found["$defs"] == {
        "Better": {
            "type": "object",
            "properties": {
                "day": {"type": "string"},
                "celsius": {"type": "number"},
                "station": {"type": "string"},
            },
            "required": ["day", "station"],
        },
        "Node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                "note": {"type": "string", "default": ""},
            },
            "required": ["value", "children"],
            "additionalProperties": False,
        },
    }


def test_defaults_make_inputs_optional_and_docstrings_describe_them() -> None:
    found = infer(
        '''
async def main(city: str, days: int = 3, *, unit: str = "c", note: str = None, later=compute()) -> None:
    """Fetch.

    Args:
        city: where to look
        days (int): how far back

    :param unit: c or f
    """
'''
    )

    assert found.input_schema == {
        "$schema": DIALECT,
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "where to look"},
            "days": {"type": "integer", "default": 3, "description": "how far back"},
            "unit": {"type": "string", "default": "c", "description": "c or f"},
            "note": {"type": ["string", "null"], "default": None},
            "later": {},
        },
        "required": ["city"],
        "additionalProperties": False,
        "description": "Fetch.",
    }


def test_the_fields_of_a_dataclass_are_those_that_may_be_given() -> None:
    found = infer(
        '''
@dataclass
class Base:
    """What all have.

    More of it.
    """

    id: int
    """The number."""

@dataclass(kw_only=True)
class Order(Base):
    customer: str = "nobody"
    lines: list[int] = field(default_factory=list)
    total: float = field(init=False)
    key: str = field(repr=False)
    note: str = None

class Below(Order):
    seen: bool

def main(one: Order, other: Below) -> Order: ...
'''
    )

    assert found.input_schema is not None
    assert found.output_schema is not None
    assert found.input_schema["$defs"]["Order"] == {
        "type": "object",
        "properties": {
            "id": {"type": "integer", "description": "The number."},
            "customer": {"type": "string", "default": "nobody"},
            "lines": {"type": "array", "items": {"type": "integer"}, "default": []},
            "key": {"type": "string"},
            "note": {"type": "string"},
        },
        "required": ["id", "key"],
        "additionalProperties": False,
    }
    assert found.input_schema["$defs"]["Below"] == found.input_schema["$defs"]["Order"]
    answered = found.output_schema["$defs"]["Order"]
    assert answered["properties"]["total"] == {"type": "number"}
    assert answered["properties"]["note"] == {"type": ["string", "null"]}
    assert "additionalProperties" not in answered


def test_a_model_says_what_its_fields_take() -> None:
    found = infer(
        '''
class Address(BaseModel):
    """Where."""
    model_config = ConfigDict(extra="forbid")
    town: str = Field(min_length=1, description="Its town")

class Person(BaseModel):
    name: str = Field(..., alias="fullName", max_length=20)
    age: int = Field(default=18, ge=0, le=150)
    mail: EmailStr | None = None
    tags: Annotated[list[str], Field(max_length=3)] = []
    address: Address
    friends: "list[Person]" = Field(default_factory=list)
    size: Literal["s", "m"] = "s"
    free: int = 1
    _secret: int = 3
    LIMIT: ClassVar[int] = 3

    @field_validator("free", mode="before")
    def anything(cls, value): ...

class Any1(BaseModel):
    x: int
    @model_validator(mode="before")
    def anything(cls, value): ...

class Imported(somewhere.Base, BaseModel):
    x: int

def main(person: Person, any: Any1, imported: Imported) -> Person: ...
'''
    )

    assert found.input_schema is not None
    definitions = found.input_schema["$defs"]
    assert definitions["Address"] == {
        "type": "object",
        "properties": {"town": {"type": "string", "minLength": 1, "description": "Its town"}},
        "required": ["town"],
        "additionalProperties": False,
        "description": "Where.",
    }
    assert definitions["Person"] == {
        "type": "object",
        "properties": {
            "fullName": {"type": "string", "maxLength": 20},
            "age": {"type": "integer", "minimum": 0, "maximum": 150, "default": 18},
            "mail": {
                "anyOf": [{"type": "string", "format": "email"}, {"type": "null"}],
                "default": None,
            },
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3, "default": []},
            "address": {"$ref": "#/$defs/Address"},
            "friends": {"type": "array", "items": {"$ref": "#/$defs/Person"}, "default": []},
            "size": {"enum": ["s", "m"], "default": "s"},
            "free": {},
        },
        "required": ["fullName", "address"],
    }
    assert definitions["Any1"] == {}
    assert definitions["Imported"]["additionalProperties"] is True
    assert found.output_schema is not None
    assert "name" in found.output_schema["$defs"]["Person"]["properties"]


def test_a_default_may_be_a_constant_or_a_member() -> None:
    found = infer(
        f"{DECLARED}\nDAYS = 7\ndef main(days: int = DAYS, unit: Unit = Unit.F): ...\n"
    ).input_schema

    assert found is not None
    assert found["properties"]["days"]["default"] == 7
    assert found["properties"]["unit"]["default"] == "fahrenheit"


def test_a_decorator_may_change_what_main_takes() -> None:
    assert infer("@with_database\ndef main(a: int): ...") == NONE
    assert infer("@functools.cache\ndef main(a: int): ...") != NONE


def test_an_input_by_position_is_given_by_name() -> None:
    found = infer("def main(a: int, /, b: str = ''): ...").input_schema

    assert found is not None
    assert list(found["properties"]) == ["a", "b"]
    assert found["required"] == ["a"]


@pytest.mark.parametrize(
    ("rest", "more"), [("**more", True), ("**more: int", {"type": "integer"}), ("*many", False)]
)
def test_a_rest_of_names_allows_others(rest: str, more: object) -> None:
    found = infer(f"def main({rest}): ...").input_schema

    assert found is not None
    assert found["additionalProperties"] == more


@pytest.mark.parametrize(
    "code",
    [
        "",
        "x = 1",
        "class main: ...",
        "def other(a): ...",
        "def other():\n  def main(a): ...",
        "if __name__ == '__main__':\n  def main(a): ...",
    ],
)
def test_a_script_without_main_says_nothing(code: str) -> None:
    assert infer(code) == NONE


def test_the_last_main_is_the_one() -> None:
    found = infer("def main(a): ...\ndef main(b): ...\n").input_schema

    assert found is not None
    assert list(found["properties"]) == ["b"]


@pytest.mark.parametrize(
    "code",
    [
        "if x:\n  def main(b): ...",
        "if x: ...\nelif y:\n  async def main(b): ...",
        "try:\n  import x\nexcept ImportError:\n  def main(b): ...",
        "with x:\n  for y in z:\n    def main(b): ...",
        "match x:\n  case 1:\n    def main(b): ...",
        "if x:\n  def main(a): ...\ndef main(b): ...",
    ],
)
def test_the_only_main_counts_under_a_condition_too(code: str) -> None:
    found = infer(code).input_schema

    assert found is not None
    assert list(found["properties"]) == ["b"]


@pytest.mark.parametrize(
    "code",
    [
        "if x:\n  def main(a): ...\nelse:\n  def main(b): ...",
        "def main(a): ...\nif x:\n  def main(b): ...",
        "try:\n  from fast import main\nexcept ImportError:\n  def main(b): ...",
        "def main(a): ...\nmain = other(main)",
        "def main(a): ...\nclass main: ...",
    ],
)
def test_which_main_it_is_may_be_known_only_when_it_runs(code: str) -> None:
    assert infer(code) == NONE


@pytest.mark.parametrize(
    "code",
    [
        "def main(:",
        "  x = 1",
        "(" * 5000,
        "-" * 100_000 + "1",
        "a" + ".b" * 100_000,
        "[" * 100_000,
        "a\0b",
        "é = 'unclosed",
    ],
)
def test_what_cannot_be_read_is_refused_with_a_place(code: str) -> None:
    with pytest.raises(ScriptError) as caught:
        infer(code)

    assert caught.value.line >= 1
    assert caught.value.column >= 1


@given(st.text(max_size=100), st.text(max_size=30))
def test_no_text_brings_it_down(code: str, annotation: str) -> None:
    for text in (code, f"def main(a: {annotation}) -> {annotation}: ..."):
        try:
            found = infer(text)
        except ScriptError:
            continue
        if found.input_schema is not None:
            assert schemas.problems(found.input_schema) == []


def test_each_way_a_generic_class_is_given_has_its_own_schema() -> None:
    code = (
        "T = TypeVar('T')\n@dataclass\nclass Box(Generic[T]):\n  v: T\nclass Box_int: ...\n"
        "def main(a: Box[int], b: Box[Literal['a-b']], c: Box[Literal['a_b']], d: Box): ..."
    )

    found = infer(code).input_schema

    assert found is not None
    assert {name: one["properties"]["v"] for name, one in found["$defs"].items()} == {
        "Box_int_2": {"type": "integer"},
        "Box_Literal_a_b": {"enum": ["a-b"]},
        "Box_Literal_a_b_2": {"enum": ["a_b"]},
        "Box": {},
    }


def _named(levels: int, one: str) -> str:
    return "".join(one.format(name=f"T{level}", below=f"T{level - 1}") for level in range(1, levels))


@pytest.mark.parametrize(
    "code",
    [
        "T0 = int\n" + _named(10, "{name} = tuple[" + "{below}," * 30 + "]\n") + "def main(a: T9): pass\n",
        "@dataclass\nclass T0: x: int\n"
        + _named(18, "class {name}(" + "{below}," * 30 + "): pass\n")
        + "def main(a: T17): pass\n",
        "T = TypeVar('T')\n@dataclass\nclass Box(Generic[T]):\n  v: 'Box[tuple[T, T]]'\ndef main(a: Box[int]): pass\n",
    ],
    ids=["aliases", "bases", "generics"],
)
def test_types_that_unfold_into_very_much_are_anything(code: str) -> None:
    assert infer(code) == NONE
