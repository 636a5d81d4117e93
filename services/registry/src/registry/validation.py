"""Everything that can be wrong with a workflow, found at once, in the order of the document."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from chassis.expressions import ExpressionError
from registry import fitting, graph, resolution, schemas
from registry.domain.workflows import Absent, Content, Pin, Problem, Step
from registry.references import Leaf, Scope, is_constant, leaves, opened, read
from registry.resolution import Component, UnresolvedError, did_you_mean
from registry.schemas import Schema

MAX_STEPS: Final = 100
"""The contract's own limit, minded before anything is done with the steps."""
MAX_EXPRESSIONS: Final = 1000
"""The most expressions in a workflow. Compiling them holds the process for about a fifth of a second."""
MAX_PROBLEMS: Final = 500
"""The most problems told at once."""
_BOOLEAN: Final[Schema] = {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Interface:
    """What a version takes and answers; None where it does not say."""

    input_schema: Schema | None = None
    output_schema: Schema | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the workflow's author may use: components by name, the interfaces of versions by id."""

    components: Mapping[str, Component] = field(default_factory=dict)
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    names: Sequence[str] = ()
    """Every name there is, to suggest from."""


def names(content: Content) -> tuple[str, ...]:
    """The names of the components that the steps ask for."""
    return tuple(sorted({step.component.partition("@")[0] for step in content.steps}))


def pinned(content: Content, components: Mapping[str, Component]) -> Content:
    """The content with every component resolved that can be."""
    return replace(content, steps=tuple(_pinned(step, components) for step in content.steps))


def _pinned(step: Step, components: Mapping[str, Component]) -> Step:
    try:
        reference = resolution.parse(step.component)
        component = components.get(reference.name)
        if component is None:
            return replace(step, pin=None)
        found = resolution.resolve(reference, component)
    except UnresolvedError:
        return replace(step, pin=None)
    return replace(step, pin=Pin(found.id, found.version, component.type, component.definition_id))


def check(content: Content, catalog: Catalog) -> list[Problem]:
    """Every problem of a `pinned` content, up to MAX_PROBLEMS; empty when it can be saved."""
    if len(content.steps) > MAX_STEPS:
        return [Problem("", "steps", f"there are more than {MAX_STEPS} steps", "split the workflow")]
    count = sum(map(opened, (value for step in content.steps for value in (dict(step.with_), step.if_))))
    if count + opened(dict(content.outputs)) > MAX_EXPRESSIONS:
        return [Problem("", "steps", f"there are more than {MAX_EXPRESSIONS} expressions", "use fewer")]
    return list(islice(_Check(content, catalog).problems(), MAX_PROBLEMS))


class _Check:
    """One validation: the content beside what is known of it."""

    def __init__(self, content: Content, catalog: Catalog) -> None:
        self.content = content
        self.catalog = catalog
        outputs: dict[str, Schema | None] = {}
        for step in content.steps:
            outputs.setdefault(step.id, self._interface(step).output_schema)
        self.scope = Scope(content.inputs, outputs)
        self.leaves = [self._leaves(index, step) for index, step in enumerate(content.steps)]
        self.needs = self._needs()

    def _interface(self, step: Step) -> Interface:
        found = self.catalog.interfaces.get(step.pin.version_id) if step.pin is not None else None
        return found or Interface()

    def _leaves(self, index: int, step: Step) -> tuple[Leaf, ...]:
        found = tuple(leaves(dict(step.with_), f"steps[{index}].with"))
        condition = (read(step.if_, f"steps[{index}].if"),) if step.if_ else ()
        return (*found, *condition)

    def _needs(self) -> dict[str, frozenset[str]]:
        """What each step needs, of the steps there are; itself left out, which is a problem of its own."""
        needs: dict[str, frozenset[str]] = {}
        for step, found in zip(self.content.steps, self.leaves, strict=True):
            named = {
                path[1]
                for leaf in found
                for expression in leaf.expressions
                for path in expression.references
                if path[0] == "steps" and len(path) > 1
            }
            before = (named | set(step.needs)) & set(self.scope.outputs) - {step.id}
            needs[step.id] = needs.get(step.id, frozenset()) | before
        return needs

    def problems(self) -> Iterator[Problem]:
        yield from self._inputs()
        if not self.content.steps:
            yield Problem("", "steps", "a workflow has at least one step", "add a step with id and component")
        in_graph = self._graph()
        seen: dict[str, int] = {}
        for index, step in enumerate(self.content.steps):
            first = seen.setdefault(step.id, index)
            if step.id and first != index:
                yield Problem(
                    step.id,
                    f"steps[{index}].id",
                    f"the id {step.id!r} is that of steps[{first}] too",
                    "choose another",
                )
            yield from self._step(index, step)
            if first == index:
                yield from in_graph.get(step.id, ())
        yield from self._outputs()

    def _inputs(self) -> Iterator[Problem]:
        for name, declared in self.content.inputs.items():
            if isinstance(declared.default, Absent):
                continue
            path = f"inputs.{name}.default"
            if not is_constant(declared.default):
                yield Problem("", path, "a default is a value, not an expression", "write the value itself")
            elif declared.type in schemas.TYPES:
                kind = schemas.type_of(declared.default)
                if not schemas.fits(kind, frozenset({declared.type})):
                    fix = f"give a default of type {declared.type}, or change the type"
                    yield Problem("", path, f"expected {declared.type}, found {kind}", fix)

    def _step(self, index: int, step: Step) -> Iterator[Problem]:
        path = f"steps[{index}]"
        yield from self._component(step, f"{path}.component")
        for leaf in self.leaves[index]:
            yield from self._leaf(leaf, step.id)
        schema = self._interface(step).input_schema
        if schema is not None:
            for one in fitting.findings(step.with_, schema, self.scope, f"{path}.with"):
                yield Problem(step.id, one.path, one.message, one.fix)
        if step.if_:
            yield from self._condition(step, f"{path}.if")
        for number, need in enumerate(step.needs):
            where = f"{path}.needs[{number}]"
            if need == step.id:
                yield Problem(step.id, where, f"step {need!r} needs itself", "remove it")
            elif need not in self.scope.outputs:
                others = [one for one in self.scope.outputs if one != step.id]
                fix = did_you_mean(need, others) or "remove it"
                yield Problem(step.id, where, f"there is no step {need!r}", fix)

    def _component(self, step: Step, path: str) -> Iterator[Problem]:
        if step.pin is not None:
            return
        if not step.component:
            yield Problem(step.id, path, "a step says what runs", "add component: name@1")
            return
        try:
            reference = resolution.parse(step.component)
            component = self.catalog.components.get(reference.name)
            if component is not None:
                resolution.resolve(reference, component)
        except UnresolvedError as error:
            yield Problem(step.id, path, error.message, error.fix)
            return
        if component is None:
            fix = did_you_mean(reference.name, self.catalog.names) or "create it first"
            yield Problem(step.id, path, f"there is no component {reference.name!r}", fix)

    def _leaf(self, leaf: Leaf, own: str | None) -> Iterator[Problem]:
        if leaf.error:
            yield Problem(own or "", leaf.path, leaf.error, "correct the expression")
        for one in self.scope.findings(leaf, own):
            yield Problem(own or "", one.path, one.message, one.fix)

    def _condition(self, step: Step, path: str) -> Iterator[Problem]:
        leaf = read(step.if_, path)
        if leaf.error:
            return
        if not leaf.whole:
            fix = 'write it as one expression: "${{ … }}"'
            yield Problem(step.id, path, f"{step.if_[:100]!r} is text, not a condition", fix)
            return
        typed = self.scope.type_of(leaf)
        found = schemas.mismatch(*typed, _BOOLEAN, _BOOLEAN) if typed is not None else None
        if found is not None:
            yield Problem(
                step.id, path, f"a condition is a boolean, found {found[0]}", "compare it, e.g. … != ''"
            )

    def _graph(self) -> dict[str, list[Problem]]:
        """Circles, and the steps that can never run, by the step they are told of."""
        index = {step.id: number for number, step in reversed(list(enumerate(self.content.steps)))}
        found: dict[str, list[Problem]] = {}
        blocked: dict[str, str] = {}
        for walked in graph.cycles(self.needs):
            first = min(walked, key=lambda one: index[one])
            at = walked.index(first)
            cycle = (*walked[at:-1], *walked[: at + 1]) if at else walked
            message = f"these steps form a cycle: {' → '.join(cycle)}"
            found[first] = [
                Problem(first, f"steps[{index[first]}]", message, "remove one of these references")
            ]
            blocked |= dict.fromkeys(walked, "is part of a cycle")
        for number, step in enumerate(self.content.steps):
            if index[step.id] == number and self._never(self.leaves[number], number):
                message = f"step {step.id!r} is unreachable: its condition is always false"
                problem = Problem(
                    step.id, f"steps[{number}].if", message, "change the condition or remove the step"
                )
                found.setdefault(step.id, []).append(problem)
                blocked.setdefault(step.id, "never runs")
        for step_id, through in graph.downstream(self.needs, blocked).items():
            why = blocked.get(through, "is unreachable itself")
            message = f"step {step_id!r} is unreachable: it needs {through!r}, which {why}"
            problem = Problem(step_id, f"steps[{index[step_id]}]", message, f"mend or remove {through!r}")
            found.setdefault(step_id, []).append(problem)
        return found

    def _never(self, found: Sequence[Leaf], index: int) -> bool:
        """Whether the step's condition is false whatever happens."""
        condition = next((leaf for leaf in found if leaf.path == f"steps[{index}].if"), None)
        if condition is None or not condition.whole or condition.expressions[0].references:
            return False
        try:
            return condition.expressions[0].evaluate({}) is False
        except ExpressionError:
            return False

    def _outputs(self) -> Iterator[Problem]:
        for name, value in self.content.outputs.items():
            for leaf in leaves(value, f"outputs.{name}"):
                yield from self._leaf(leaf, None)
