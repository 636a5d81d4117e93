"""Payloads: a value, its bytes, and the references in it, which nothing but the engine can make."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.domain import Payload, Reference

references = st.builds(
    Reference,
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.integers(0, 2**40),
    st.sampled_from(["", "/rows", "/a~1b/0"]),
    st.dictionaries(st.sampled_from(["", "/rows"]), st.integers(0, 10)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.just("\x01{}")
)


def trees(leaves: Any) -> Any:
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
            | st.fixed_dictionaries({"$artifact": inner, "references": inner, "value": inner})
        ),
    )


@given(trees(plain | references))
def test_a_value_with_references_comes_back_as_it_was(value: Any) -> None:
    payload = Payload.of(value)

    again = Payload(payload.raw)

    assert again.value == value
    assert again == payload
    assert again.references == payload.references
    assert payload.is_inline == (not payload.references)


@given(trees(plain))
def test_no_value_without_references_is_read_as_one_with_them(value: Any) -> None:
    payload = Payload(Payload.of(value).raw)

    assert (payload.is_inline, payload.references, payload.value) == (True, (), value)


def test_a_part_is_named_by_its_pointer_and_knows_its_length() -> None:
    whole = Reference("0" * 64, 1, items={"": 1, "/a~1b": 7, "/~0": 2}, preview="{")

    part = whole.part("a/b")

    assert (part.pointer, part.total, part.part("3").pointer) == ("/a~1b", 7, "/a~1b/3")
    assert (whole.part("~").total, whole.part("c").total, whole.total) == (2, None, 1)


def test_a_part_knows_what_it_is_and_which_fields_it_has_and_so_does_what_was_stored_of_it() -> None:
    kinds = {"": "object", "/a~1b": "object", "/a~1b/~0": "null", "/a~1b/c": "", "/a": "list"}
    whole = Reference("0" * 64, 1, kinds=kinds)

    value: Any = {"x": whole, "list": [whole]}
    stored = Payload(Payload.of(value).raw)
    again, listed = (one for _, one in sorted(stored.references, key=lambda one: len(one[0])))

    assert (again.kind, sorted(again.fields)) == ("object", ["a", "a/b"])
    assert (again.part("a/b").kind, sorted(again.part("a/b").fields)) == ("object", ["c", "~"])
    assert (again.part("a/b").part("c").kind, again.part("a").kind, listed.kind) == ("", "list", "")
