"""Steps as a graph."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from registry import graph

NAMES = "abcdef"
graphs = st.dictionaries(st.sampled_from(NAMES), st.frozensets(st.sampled_from(NAMES)), max_size=6).map(
    lambda needs: {step: before & frozenset(needs) for step, before in needs.items()}
)


def test_a_cycle_is_told_as_it_is_walked() -> None:
    needs = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a"), "d": frozenset("a")}

    assert graph.cycle(needs) == ("a", "b", "c", "a")
    assert graph.cycle({"a": frozenset("a")}) == ("a", "a")
    assert graph.cycle({"a": frozenset(), "b": frozenset("a")}) == ()


def test_cycles_apart_are_all_found() -> None:
    needs = {"a": frozenset("b"), "b": frozenset("a"), "c": frozenset("d"), "d": frozenset("c")}

    assert graph.cycles(needs) == (("a", "b", "a"), ("c", "d", "c"))


def test_what_comes_after_is_found_with_the_step_through_which_it_does() -> None:
    needs = {"a": frozenset(), "b": frozenset("a"), "c": frozenset("b"), "d": frozenset()}

    assert graph.downstream(needs, ["a"]) == {"b": "a", "c": "b"}


@given(graphs)
def test_a_graph_has_either_an_order_or_a_cycle(needs: dict[str, frozenset[str]]) -> None:
    walked = graph.cycle(needs)
    try:
        order = graph.order(needs)
    except ValueError:
        assert walked
        assert walked[0] == walked[-1]
        assert all(later in needs[earlier] for earlier, later in itertools.pairwise(walked))
    else:
        assert not walked
        assert sorted(order) == sorted(needs)
        assert all(order.index(one) < order.index(step) for step, before in needs.items() for one in before)


@given(graphs)
def test_the_rest_of_a_graph_without_its_cycles_has_an_order(needs: dict[str, frozenset[str]]) -> None:
    walked = {step for found in graph.cycles(needs) for step in found}

    graph.order({step: before - walked for step, before in needs.items() if step not in walked})
