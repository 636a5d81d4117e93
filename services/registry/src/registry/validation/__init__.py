"""Everything that can be wrong with a workflow, found at once, in the order of the document."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from registry import fitting, schemas
from registry.domain.content import Absent, Content, Step
from registry.domain.problems import Problem
from registry.references import INPUT_ROOTS, Leaf, Scope, is_constant, leaves
from registry.resolution import did_you_mean
from registry.validation import reachability, reading, running, shape, yields
from registry.validation.catalog import Catalog, Interface, component_names, pinned, workflow_names

__all__ = ["Catalog", "Interface", "check", "component_names", "pinned", "workflow_names"]

MAX_STEPS: Final = 100
"""The contract's own limit, minded before anything is done with the steps."""
MAX_EXPRESSIONS: Final = 1000
"""The most expressions in a workflow. Compiling them holds the process for about a fifth of a second."""
MAX_PROBLEMS: Final = 500
"""The most problems told at once."""


def check(content: Content, catalog: Catalog, name: str = "") -> list[Problem]:
    """Every problem of a `pinned` content, up to MAX_PROBLEMS; empty when it can be saved as the workflow `name`."""
    if len(content.steps) > MAX_STEPS:
        return [Problem("", "steps", f"there are more than {MAX_STEPS} steps", "split the workflow")]
    if reading.expressions(content) > MAX_EXPRESSIONS:
        return [Problem("", "steps", f"there are more than {MAX_EXPRESSIONS} expressions", "use fewer")]
    return list(islice(_Check(content, catalog, name).problems(), MAX_PROBLEMS))


class _Check:
    """One validation: the content beside what is known of it."""

    def __init__(self, content: Content, catalog: Catalog, name: str) -> None:
        self.content = content
        self.catalog = catalog
        self.name = name
        self.scope = reading.scope(content, catalog)
        self.readings = [
            reading.of_step(step, f"steps[{index}]", self.scope) for index, step in enumerate(content.steps)
        ]

    def problems(self) -> Iterator[Problem]:
        yield from self._inputs()
        if not self.content.steps:
            yield Problem("", "steps", "a workflow has at least one step", "add a step with id and component")
        yield from running.steps(self.content, self.catalog)
        in_graph = reachability.problems(self.content.steps, self._needs(), self._conditions())
        seen: dict[str, int] = {}
        for index, step in enumerate(self.content.steps):
            first = seen.setdefault(step.id, index)
            if step.id and first != index:
                text = f"the id {step.id!r} is that of steps[{first}] too"
                yield Problem(step.id, f"steps[{index}].id", text, "choose another")
            yield from self._step(index, step)
            if first == index:
                yield from in_graph.get(step.id, ())
        yield from self._outputs()
        yield from self._concurrency()

    def _needs(self) -> dict[str, frozenset[str]]:
        """What each step needs, of the steps there are; itself left out, which is a problem of its own."""
        needs: dict[str, frozenset[str]] = {}
        for step, found in zip(self.content.steps, self.readings, strict=True):
            before = (found.named() | set(step.needs)) & set(self.scope.outputs) - {step.id}
            needs[step.id] = needs.get(step.id, frozenset()) | before
        return needs

    def _conditions(self) -> dict[str, Leaf]:
        found: dict[str, Leaf] = {}
        for index, step in reversed(list(enumerate(self.content.steps))):
            found.pop(step.id, None)
            if step.if_:
                found[step.id] = self.scope.read(step.if_, f"steps[{index}].if")
        return found

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
        path, found = f"steps[{index}]", self.readings[index]
        interface = self.catalog.interface(step)
        waits = bool(step.needs or found.named())
        yield from running.component(step, f"{path}.component", self.catalog)
        yield from running.workflow(step, f"{path}.workflow", self.catalog, self.name)
        yield from shape.problems(
            step,
            path,
            interface.effect,
            waits=waits,
            is_package=self.catalog.is_package(step),
            has_program=interface.has_program,
        )
        yield from self._approvers(step, f"{path}.approval.approvers")
        for leaf in found.inside:
            yield from self._leaf(leaf, step.id, found.inner)
        for leaf in found.outside:
            yield from self._leaf(leaf, step.id, self.scope)
        if interface.input_schema is not None:
            for one in fitting.findings(step.with_, interface.input_schema, found.inner, f"{path}.with"):
                yield Problem(step.id, one.path, one.message, one.fix)
        yield from yields.condition(step, f"{path}.if", self.scope)
        yield from yields.items(step, f"{path}.for_each", self.scope)
        yield from self._needed(step, f"{path}.needs")

    def _approvers(self, step: Step, path: str) -> Iterator[Problem]:
        for number, name in enumerate(step.approval.approvers if step.approval is not None else ()):
            if name in self.catalog.strangers:
                yield Problem(step.id, f"{path}[{number}]", *self.catalog.strangers[name])

    def _needed(self, step: Step, path: str) -> Iterator[Problem]:
        for number, need in enumerate(step.needs):
            where = f"{path}[{number}]"
            if need == step.id:
                yield Problem(step.id, where, f"step {need!r} needs itself", "remove it")
            elif need not in self.scope.outputs:
                others = [one for one in self.scope.outputs if one != step.id]
                fix = did_you_mean(need, others) or "remove it"
                yield Problem(step.id, where, f"there is no step {need!r}", fix)

    def _leaf(self, leaf: Leaf, own: str | None, scope: Scope) -> Iterator[Problem]:
        if leaf.error:
            yield Problem(own or "", leaf.path, leaf.error, leaf.fix)
        for one in scope.findings(leaf, own):
            yield Problem(own or "", one.path, one.message, one.fix)

    def _outputs(self) -> Iterator[Problem]:
        for name, value in self.content.outputs.items():
            for leaf in leaves(value, f"outputs.{name}"):
                yield from self._leaf(leaf, None, self.scope)

    def _concurrency(self) -> Iterator[Problem]:
        if self.content.concurrency is not None:
            for leaf in leaves(self.content.concurrency.key, "concurrency.key", INPUT_ROOTS):
                yield from self._leaf(leaf, None, self.scope)
