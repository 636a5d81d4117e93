"""What needs what: the steps of a workflow as a directed graph of their ids."""

from collections.abc import Collection, Iterable, Mapping

Needs = Mapping[str, frozenset[str]]
"""For each step the steps that must end before it."""


def cycle(needs: Needs) -> tuple[str, ...]:
    """One cycle as it is walked, first and last alike (`a, b, a`); empty when there is none.

    A step that needs itself is a cycle of one.
    """
    done: set[str] = set()
    for start in needs:
        trail: list[str] = []
        on_trail: set[str] = set()
        stack: list[tuple[str, Iterable[str]]] = []
        if start in done:
            continue
        trail.append(start)
        on_trail.add(start)
        stack.append((start, iter(sorted(needs[start]))))
        while stack:
            step, ahead = stack[-1]
            following = next((one for one in ahead if one in needs and one not in done), None)
            if following is None:
                stack.pop()
                done.add(step)
                on_trail.discard(trail.pop())
            elif following in on_trail:
                return (*trail[trail.index(following) :], following)
            else:
                trail.append(following)
                on_trail.add(following)
                stack.append((following, iter(sorted(needs[following]))))
    return ()


def cycles(needs: Needs) -> tuple[tuple[str, ...], ...]:
    """Cycles that share no step, until none is left in the rest of the graph."""
    found: list[tuple[str, ...]] = []
    rest = dict(needs)
    while walked := cycle(rest):
        found.append(walked)
        rest = {step: before - set(walked) for step, before in rest.items() if step not in walked}
    return tuple(found)


def downstream(needs: Needs, roots: Iterable[str], last: Collection[str] = ()) -> dict[str, str]:
    """Each step that needs one of `roots`, directly or not, with the needed step through which it does.

    The steps in `last` are reached only once all that they need is.
    """
    found: dict[str, str] = {}
    reached = set(roots)
    frontier = set(reached)
    while frontier:
        following: set[str] = set()
        for step, before in needs.items():
            if step in reached or not (through := sorted(before & frontier)):
                continue
            if step not in last or before <= reached:
                found[step] = through[0]
                following.add(step)
        reached |= following
        frontier = following
    return found


def order(needs: Needs) -> tuple[str, ...]:
    """The steps so that each follows what it needs, otherwise as given. Raises ValueError for a cycle."""
    left = {step: set(before) & set(needs) for step, before in needs.items()}
    found: list[str] = []
    while left:
        ready = [step for step, before in left.items() if not before]
        if not ready:
            raise ValueError("the graph has a cycle")
        for step in ready:
            del left[step]
            found.append(step)
        for before in left.values():
            before.difference_update(ready)
    return tuple(found)
