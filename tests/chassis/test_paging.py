"""Page tokens belong to one list and one filter, and cannot be made up."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

from chassis import fieldmask, paging
from chassis.errors import Invalid
from mcpanel.registry.v1 import component_pb2


@dataclass(frozen=True)
class Request:
    page_size: int = 0
    page_token: str = ""


def token_of(bound: object = "f", keys: tuple[Any, ...] = ("a", 1)) -> str:
    page = paging.parse(Request(1), bound=bound)
    return page.cut(["x", "y"], key=lambda _: keys)[1]


@pytest.mark.parametrize(("asked", "size"), [(0, 50), (7, 7), (1000, 1000), (5000, 1000)])
def test_the_page_size_has_a_default_and_a_limit(asked: int, size: int) -> None:
    page = paging.parse(Request(asked))

    assert (page.size, page.limit, page.after) == (size, size + 1, None)


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        paging.parse(Request(-1))
    assert caught.value.fields[0].field == "page_size"


def test_the_last_page_has_no_token() -> None:
    page = paging.parse(Request(2))

    assert page.cut([1, 2], key=lambda n: (n,)) == ([1, 2], "")
    items, token = page.cut([1, 2, 3], key=lambda n: (n,))
    assert items == [1, 2]
    assert paging.parse(Request(2, token)).after == (2,)


@given(
    st.lists(
        st.one_of(
            st.text(),
            st.integers(-(2**53), 2**53),
            st.booleans(),
            st.none(),
            st.datetimes(timezones=st.just(UTC)),
        ),
        max_size=4,
    ).map(tuple)
)
def test_keys_come_back_as_they_went(keys: tuple[Any, ...]) -> None:
    assert paging.parse(Request(1, token_of("f", keys)), bound="f").after == keys


def test_a_token_belongs_to_its_filter() -> None:
    with pytest.raises(Invalid, match="another filter") as caught:
        paging.parse(Request(1, token_of("name = 1")), bound="name = 2")
    assert (caught.value.reason, caught.value.fields[0].field) == ("INVALID_PAGE_TOKEN", "page_token")


@given(st.integers(0, 200), st.sampled_from("abcXYZ019-_"))
def test_a_token_changed_anywhere_is_refused(position: int, letter: str) -> None:
    good = token_of()
    position %= len(good)
    bad = good[:position] + letter + good[position + 1 :]
    if base64.urlsafe_b64decode(bad + "==") == base64.urlsafe_b64decode(good + "=="):
        return

    with pytest.raises(Invalid):
        paging.parse(Request(1, bad), bound="f")


@pytest.mark.parametrize(
    "text",
    ["x", "====", "eyJ9", "ünd", base64.b64encode(b"[1]").decode(), base64.b64encode(b'{"k":1}').decode()],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        paging.parse(Request(1, text))


def test_keys_put_into_a_token_by_hand_are_refused() -> None:
    body = json.loads(base64.urlsafe_b64decode(token_of() + "=="))
    body["k"] = ["somewhere else"]

    with pytest.raises(Invalid):
        paging.parse(Request(1, base64.urlsafe_b64encode(json.dumps(body).encode()).decode()), bound="f")


def test_a_time_without_zone_or_a_list_is_no_key() -> None:
    with pytest.raises(TypeError):
        token_of("f", (b"bytes",))
    assert token_of("f", (datetime(2026, 1, 1, tzinfo=UTC),))


KNOWN = ("name", "description", "tags", "display_name")


def test_an_update_without_mask_changes_what_is_present() -> None:
    definition = component_pb2.Definition(name="a", tags=["x"], id="7")

    assert fieldmask.paths(FieldMask(), definition, KNOWN) == ("name", "tags")


def test_a_mask_names_what_changes_and_may_clear_it() -> None:
    definition = component_pb2.Definition(name="a")

    assert fieldmask.paths(FieldMask(paths=["description", "displayName"]), definition, KNOWN) == (
        "description",
        "display_name",
    )
    assert fieldmask.paths(FieldMask(paths=["*"]), definition, KNOWN) == tuple(sorted(KNOWN))


def test_an_unknown_path_is_refused_naming_those_known() -> None:
    with pytest.raises(Invalid, match="owner_id; known: description") as caught:
        fieldmask.paths(FieldMask(paths=["name", "owner_id"]), component_pb2.Definition(), KNOWN)
    assert caught.value.reason == "INVALID_UPDATE_MASK"
