"""What `name@1.2` means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import semver
from registry.resolution import Candidate, Component, Reference, UnresolvedError, did_you_mean, parse, resolve

HAVE = ("1.0.0", "1.2.0", "1.10.0", "1.11.0-rc.1", "2.0.0", "2.1.0")
DEPRECATED = ("2.1.0",)


def component(versions: tuple[str, ...] = HAVE, deprecated: tuple[str, ...] = DEPRECATED) -> Component:
    """A component with these versions."""
    found = tuple(Candidate(f"id-{one}", one, one in deprecated, "it lies") for one in versions)
    return Component("d1", "thing", "DATA", found)


@pytest.mark.parametrize(
    ("written", "version"),
    [
        ("thing", "2.0.0"),
        ("thing@1", "1.10.0"),
        ("thing@1.2", "1.2.0"),
        ("thing@1.2.0", "1.2.0"),
        ("thing@1.11.0-rc.1", "1.11.0-rc.1"),
        ("thing@2", "2.0.0"),
    ],
)
def test_the_newest_match_is_meant(written: str, version: str) -> None:
    assert resolve(parse(written), component()).version == version


@pytest.mark.parametrize(
    ("written", "message", "fix"),
    [
        ("thing@3", "no released version matching 3", "available: thing@2.0.0, thing@1.11.0-rc.1"),
        ("thing@1.11", "no released version matching 1.11", "thing@1.11.0-rc.1"),
        ("thing@1.2.1", "thing has no version 1.2.1", "thing@1.10.0"),
        ("thing@2.1.0", "thing@2.1.0 is deprecated: it lies", "thing@2.0.0"),
    ],
)
def test_what_does_not_exist_is_answered_with_what_does(written: str, message: str, fix: str) -> None:
    with pytest.raises(UnresolvedError) as caught:
        resolve(parse(written), component())

    assert message in caught.value.message
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    "written", ["", "Thing", "thing@", "thing@x", "thing@1.2.3.4", "thing@01", "a b", "@1"]
)
def test_what_is_no_reference_is_refused(written: str) -> None:
    with pytest.raises(UnresolvedError):
        parse(written)


triples = st.tuples(*(st.integers(0, 3),) * 3)
released = triples.map(lambda parts: ".".join(map(str, parts)))
histories = st.lists(released, unique=True, max_size=12)


@given(histories, st.sets(released), st.lists(st.integers(0, 3), max_size=2))
def test_the_resolved_version_matches_is_usable_and_has_no_better(
    history: list[str], deprecated: set[str], prefix: list[int]
) -> None:
    one = component(tuple(history), tuple(deprecated))
    matching = [
        text
        for text in history
        if text not in deprecated and text.split(".")[: len(prefix)] == [str(part) for part in prefix]
    ]

    try:
        found = resolve(Reference("thing", tuple(prefix)), one).version
    except UnresolvedError:
        assert not matching
    else:
        assert found == max(matching, key=semver.parse)


def test_a_near_name_is_suggested_and_else_what_there_is() -> None:
    assert did_you_mean("summarize", ["summarise", "extract"]) == "did you mean summarise?"
    assert did_you_mean("zzz", ["b", "a"]) == "there are a, b"
    assert did_you_mean("zzz", []) == ""
    assert did_you_mean("zzz", [f"n{n:02}" for n in range(12)]).endswith("and 2 more")
