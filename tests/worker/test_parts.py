"""Parts of a JSON document, found without reading it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker import parts

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def pointers(value: object, at: str = "") -> list[tuple[str, object]]:
    """Every part of a value with its pointer."""
    inside: list[tuple[str, object]] = []
    if isinstance(value, dict):
        inside = [(key.replace("~", "~0").replace("/", "~1"), one) for key, one in value.items()]
    if isinstance(value, list):
        inside = [(str(index), one) for index, one in enumerate(value)]
    return [(at, value), *(found for key, one in inside for found in pointers(one, f"{at}/{key}"))]


@given(values, st.sampled_from([None, 1]), st.booleans())
def test_every_part_of_every_document_is_found(
    value: object, indent: int | None, ascii_only: bool
) -> None:  # drawn
    data = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    known: dict[str, dict[str, parts.Span]] = {}

    for pointer, part in pointers(value):
        for memory in (None, known):
            start, end = parts.find(data, pointer, memory)
            assert json.loads(data[start:end]) == part


@pytest.mark.parametrize("pointer", ["/rows", "/list/3", "/list/-", "/list/01", "/text/0", "/"])
def test_a_part_that_is_not_there_is_named(pointer: str) -> None:
    data = b'{"list": [1, 2, 3], "text": "[1]"}'

    with pytest.raises(parts.NoSuchPartError, match=f"there is no '{pointer.rpartition('/')[2]}'"):
        parts.find(data, pointer)


def test_of_a_key_that_is_there_twice_the_last_counts_as_in_python() -> None:
    start, end = parts.find(b'{"a": 1, "a": [2]}', "/a")

    assert (start, end) == (14, 17)


@pytest.mark.parametrize(
    "data", [b"", b"]]]", b"[1", b'{"a"', b'"abc', b"{,,}", b"[[[[[", b'{"a": 1, "admin": }']
)
def test_what_is_no_json_is_nobodys_trouble_but_its_own(data: bytes) -> None:
    with pytest.raises(parts.NoSuchPartError):
        parts.find(data, "/rows/0")
