"""Circles, and the steps that can never run."""

from collections.abc import Mapping, Sequence

from chassis.expressions import ExpressionError
from registry import graph
from registry.domain.content import Step
from registry.domain.problems import Problem
from registry.graph import Needs
from registry.references import Leaf


def problems(steps: Sequence[Step], needs: Needs, conditions: Mapping[str, Leaf]) -> dict[str, list[Problem]]:
    """The problems by the step they are told of; `needs` and `conditions` are those of the first of each id."""
    index = {step.id: number for number, step in reversed(list(enumerate(steps)))}
    found: dict[str, list[Problem]] = {}
    circling: set[str] = set()
    for walked in graph.cycles(needs):
        first = min(walked, key=lambda one: index[one])
        at = walked.index(first)
        cycle = (*walked[at:-1], *walked[: at + 1]) if at else walked
        message = f"these steps form a cycle: {' → '.join(cycle)}"
        found[first] = [Problem(first, f"steps[{index[first]}]", message, "remove one of these references")]
        circling |= set(walked)
    never = {one for one, condition in conditions.items() if _is_false(condition)}
    for one in never:
        message = f"step {one!r} is unreachable: its condition is always false"
        fix = "change the condition or remove the step"
        found.setdefault(one, []).append(Problem(one, f"steps[{index[one]}].if", message, fix))
    for one, through in _skipped(steps, needs, circling, never).items():
        why = "is part of a cycle" if through in circling else "is unreachable itself"
        why = "never runs" if through in never - circling else why
        message = f"step {one!r} is unreachable: it needs {through!r}, which {why}"
        problem = Problem(one, f"steps[{index[one]}]", message, f"mend or remove {through!r}")
        found.setdefault(one, []).append(problem)
    return found


def _skipped(steps: Sequence[Step], needs: Needs, circling: set[str], never: set[str]) -> dict[str, str]:
    """The steps that are not reached, and through which other: no step of a circle ends, and one that never runs
    is skipped, which `join` may not mind.
    """
    joins = {step.id: step.join for step in reversed(steps)}
    minding = {one: before if joins[one] != "ended" else frozenset[str]() for one, before in needs.items()}
    patient = [one for one, join in joins.items() if join == "any"]
    stuck = graph.downstream(needs, circling)
    roots = never | circling | set(stuck)
    found = graph.downstream(minding, roots, patient) | stuck
    return {one: through for one, through in found.items() if one not in never}


def _is_false(condition: Leaf) -> bool:
    """Whether a condition is false whatever happens."""
    if not condition.whole or condition.expressions[0].references:
        return False
    try:
        return condition.expressions[0].evaluate({}) is False
    except ExpressionError:
        return False
