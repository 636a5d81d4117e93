"""The steps of a run in the order people read them: the plan's, each with what it is made of behind it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.plan import Plan, PlannedStep


@dataclass(frozen=True, slots=True)
class Entry:
    """A step of a run. `needs` are ids beside it."""

    path: str
    planned: PlannedStep
    needs: tuple[str, ...] = ()

    @property
    def inside(self) -> str:
        """The path of the step it is part of; empty at the top."""
        return parent(self.path)

    @property
    def needed(self) -> tuple[str, ...]:
        """The paths of the steps it needs."""
        prefix = self.path[: len(self.path) - len(self.path.rpartition("/")[2])]
        return tuple(prefix + one for one in self.needs)


def outline(plan: Plan, known: Iterable[str]) -> list[Entry]:
    """Every step of the plan, and what those among the `known` paths are made of."""
    inside: dict[str, list[str]] = {}
    for path in sorted(known, key=_order):
        inside.setdefault(parent(path), []).append(path)
    return list(_walk(plan, "", inside))


def _walk(plan: Plan, prefix: str, inside: Mapping[str, Sequence[str]]) -> Iterator[Entry]:
    for number, planned in enumerate(plan.steps):
        path = prefix + planned.id
        yield Entry(path, planned, tuple(plan.steps[need].id for need in planned.needs))
        items = [one for one in inside.get(path, ()) if one.endswith("]")]
        for one in items if planned.is_fan else [path]:
            if planned.is_fan:
                yield Entry(one, plan.items[number])
            if planned.sub is not None and one in inside:
                yield from _walk(planned.sub, f"{one}/", inside)


def parent(path: str) -> str:
    """What a step stands in: for an item its step, for a step of a sub-workflow the step that this is."""
    return path.rpartition("[")[0] if path.endswith("]") else path.rpartition("/")[0]


def _order(path: str) -> tuple[int, str]:
    """Items in the order of their indices."""
    return (int(path[path.rindex("[") + 1 : -1]) if path.endswith("]") else -1, path)
