"""YAML and JSON text with places."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.jsonvalue import MAX_EXACT
from chassis.source import MAX_DEPTH, UnreadableError, plain, read

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=30)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_EXACT, MAX_EXACT)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)


@given(values)
def test_json_is_read_as_json_whichever_way_it_is_written(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2)):
        assert plain(read(text)) == value


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    refused = None
    try:
        read(text)
    except UnreadableError as error:
        refused = error

    assert refused is None or (refused.line >= 1 and refused.column >= 1)


def test_words_are_words_and_only_true_and_false_are_booleans() -> None:
    text = "a: no\nb: on\nc: true\nd: ~\ne: 012\nf: 0x1f\ng: 1e3\nh: '5'\ni: 2026-01-01\nj: 1_000\nyes: 1.0\n"

    assert plain(read(text)) == {
        "a": "no",
        "b": "on",
        "c": True,
        "d": None,
        "e": 12,
        "f": 31,
        "g": 1000,
        "h": "5",
        "i": "2026-01-01",
        "j": "1_000",
        "yes": 1,
    }


@pytest.mark.parametrize(
    ("text", "words", "line", "column"),
    [
        ("", "empty", 1, 1),
        ("a: 1\nb: 2\na: 3\n", "'a' is given twice, first in line 1", 3, 1),
        ("a: 1\n---\nb: 1\n", "second document", 2, 1),
        ("a: !!python/object:os.system x\n", "tag", 1, 4),
        ("a: *nowhere\n", "*nowhere stands for nothing", 1, 4),
        ("a: &x [*x]\n", "*x stands for nothing", 1, 8),
        ("? [a]\n: 1\n", "a key is a string", 1, 3),
        ("a: .inf\n", "not JSON", 1, 4),
        ("a: 9007199254740993\n", "2^53", 1, 4),
        ("a: [1\nb: 2\n", "", 2, 2),
        ("a: \x07\n", "", 1, 4),
        ("[" * (MAX_DEPTH + 1), "nested deeper", 1, MAX_DEPTH + 1),
        ('{"a": {"b": 1, "b": 2}}', "'b' is given twice", 1, 16),
    ],
)
def test_what_would_surprise_is_refused_at_its_place(text: str, words: str, line: int, column: int) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(text)

    assert words in caught.value.message
    assert (caught.value.line, caught.value.column) == (line, column)


def test_aliases_stand_for_values_but_not_for_billions() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)
    )
    chain = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100))

    assert plain(read("a: &x {n: 1}\nb: *x\n")) == {"a": {"n": 1}, "b": {"n": 1}}
    with pytest.raises(UnreadableError, match="more than 50000 values"):
        read(bomb)
    with pytest.raises(UnreadableError, match="nested deeper"):
        read(chain)


def test_escaped_pairs_of_json_are_one_character() -> None:
    assert plain(read('{"a": "\\ud83d\\ude00!"}')) == {"a": "\N{GRINNING FACE}!"}
    assert plain(read('{"a": "\\\\ud83d\\\\ude00"}')) == {"a": "\\ud83d\\ude00"}
    with pytest.raises(UnreadableError):
        read('{"a": "\\\\ud83d\\ude00"}')


def test_nodes_know_their_places() -> None:
    root = read("name: x\nsteps:\n  - id: a\n    with: {rows: 1}\n")

    assert isinstance(root.value, dict)
    steps = root.value["steps"].node
    assert isinstance(steps.value, list)
    first = steps.value[0]
    assert isinstance(first.value, dict)
    entry = first.value["with"]
    assert (entry.line, entry.column) == (4, 5)
    assert (entry.node.line, entry.node.column) == (4, 11)
