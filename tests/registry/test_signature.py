"""Schemas inferred from a script's `main`."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import schemas
from registry.signature import DIALECT, NONE, ScriptError, infer

DECLARED = """
from __future__ import annotations
from dataclasses import dataclass
from typing import *
import typing as t

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
                "note": {"type": "string"},
            },
            "required": ["value", "children"],
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
    }


@pytest.mark.parametrize(
    ("rest", "more"), [("**more", True), ("**more: int", {"type": "integer"}), ("*many", False)]
)
def test_a_rest_of_names_allows_others(rest: str, more: object) -> None:
    found = infer(f"def main({rest}): ...").input_schema

    assert found is not None
    assert found["additionalProperties"] == more


@pytest.mark.parametrize(
    "code", ["", "x = 1", "class main: ...", "def other(a): ...", "if True:\n  def main(a): ..."]
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
        "def main(:",
        "  x = 1",
        "(" * 5000,
        "-" * 100_000 + "1",
        "a" + ".b" * 100_000,
        "[" * 100_000,
        "a\0b",
        "def main(a, /): ...",
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


def _named(levels: int, one: str) -> str:
    return "".join(one.format(name=f"T{level}", below=f"T{level - 1}") for level in range(1, levels))


@pytest.mark.parametrize(
    "code",
    [
        "T0 = int\n" + _named(10, "{name} = tuple[" + "{below}," * 30 + "]\n") + "def main(a: T9): pass\n",
        "@dataclass\nclass T0: x: int\n"
        + _named(18, "class {name}(" + "{below}," * 30 + "): pass\n")
        + "def main(a: T17): pass\n",
    ],
    ids=["aliases", "bases"],
)
def test_types_that_unfold_into_very_much_are_refused(code: str) -> None:
    with pytest.raises(ScriptError, match="unfold to more than"):
        infer(code)
