"""Semantic versions: parsing and precedence."""

from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import semver

numbers = st.integers(0, 10**12).map(str)
words = st.text(f"-{ascii_letters}{digits}", min_size=1, max_size=8).filter(lambda word: not word.isdigit())
dotted = st.lists(numbers | words, max_size=3).map(".".join)
versions = st.builds(
    lambda core, pre, build: ".".join(core) + (f"-{pre}" if pre else "") + (f"+{build}" if build else ""),
    st.tuples(numbers, numbers, numbers),
    dotted,
    dotted,
)

SPECIFIED = (
    *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"),
    *("1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1"),
)
"""The order that semver.org §11 prints."""


def test_the_specifications_own_order_is_kept() -> None:
    parsed = [semver.parse(text) for text in SPECIFIED]

    assert parsed == sorted(parsed)
    assert len(set(parsed)) == len(parsed)


@pytest.mark.parametrize(
    "text", ["1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "v1.0.0", "", "1.0.0 "]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"semantic version|leading zero"):
        semver.parse(text)


@given(versions)
def test_a_version_is_written_as_it_was_read(text: str) -> None:
    assert str(semver.parse(text)) == text


@given(versions, versions, versions)
def test_precedence_is_a_total_order(a: str, b: str, c: str) -> None:
    one, two, three = semver.parse(a), semver.parse(b), semver.parse(c)

    assert (one < two) + (one == two) + (two < one) == 1
    assert not (one < two < three) or one < three
    assert one != two or hash(one) == hash(two)


@given(versions, dotted)
def test_build_metadata_does_not_count(text: str, build: str) -> None:
    bare = text.partition("+")[0]

    assert semver.parse(f"{bare}+{build or 'x'}") == semver.parse(bare)


@given(st.lists(versions, max_size=4))
def test_the_newest_is_one_of_them_and_none_is_newer(many: list[str]) -> None:
    newest = semver.newest(many)

    assert (newest in many) if many else newest == ""
    assert all(semver.parse(one) <= semver.parse(newest) for one in many)
