"""YAML as bundles are written in."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis import source
from registry.bundles import writing

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")) | st.sampled_from(
    [
        "no",
        "null",
        "1.0",
        "1e3",
        "0x1f",
        "~",
        "",
        " a",
        "a ",
        "a: b",
        "a #b",
        "- a",
        "a\nb",
        "a\n\n",
        "\n",
        "a\n  ",
        "|",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def read(text: str) -> Any:
    """What the suite reads there."""
    return source.plain(source.read(text))


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_what_was_written_is_read_back_and_written_alike_again(value: Any) -> None:
    text = writing.write({"value": value})

    found = read(text)

    assert found == {"value": value}
    assert writing.write(found) == text


def test_code_stands_as_it_is() -> None:
    text = writing.write({"steps": [{"code": "def main():\n    return 1\n", "count": 1}]})

    assert text == "steps:\n  - code: |\n      def main():\n          return 1\n    count: 1\n"


@pytest.mark.parametrize("key", ["k" * 5000, "a\nb", "no", ""])
def test_any_key_can_be_read_again(key: str) -> None:
    value: dict[str, Any] = {"outer": {key: [{"deep": {"x": "a, b"}}, "text"]}}

    assert read(writing.write(value)) == value


def test_a_number_beyond_those_that_are_exact_stays_the_number_it_is() -> None:
    assert read(writing.write({"n": 10**22})) == {"n": 1e22}


def test_mappings_are_sorted_at_every_depth_when_they_are_tidied() -> None:
    assert list(writing.tidy({"b": 1, "a": [{"d": 1, "c": 2}]})) == ["a", "b"]  # type: ignore[arg-type]  # a mapping
    assert writing.write({"x": writing.tidy([{"d": 1, "c": 2}])}) == "x:\n  - c: 2\n    d: 1\n"
