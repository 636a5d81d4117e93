"""What a workflow's author may use, and a workflow with each of its steps pinned to an exact version of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from registry import nesting, resolution
from registry.domain.content import Content, Pin, Step, WorkflowPin
from registry.kinds import PACKAGE
from registry.nesting import Callee, Nested
from registry.resolution import Component, UnresolvedError
from registry.schemas import Schema


@dataclass(frozen=True, slots=True)
class Interface:
    """What a version takes and answers, None where it does not say, and what running it again may do.

    `has_program`: of a type that the engine computes, whether it does something that needs a worker.
    """

    input_schema: Schema | None = None
    output_schema: Schema | None = None
    effect: str = ""
    has_program: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the author may use: components and workflows by name, the interfaces of versions by id."""

    components: Mapping[str, Component] = field(default_factory=dict)
    callees: Mapping[str, Callee] = field(default_factory=dict)
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    nested: Nested = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    """The ids of definitions that the workflows in `nested` run, and that were deleted."""
    strangers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """The approvers who cannot decide, by name: why not, and what to write instead."""
    component_names: Sequence[str] = ()
    """Every name there is, to suggest from."""
    workflow_names: Sequence[str] = ()

    def interface(self, step: Step) -> Interface:
        """What the step's component or workflow takes and answers, as far as that is known."""
        if step.component and step.workflow:
            return Interface()
        if step.workflow_pin is not None:
            content = self.nested.get(step.workflow_pin)
            if content is None:
                return Interface()
            return Interface(nesting.input_schema(content), nesting.output_schema(content))
        found = self.interfaces.get(step.pin.version_id) if step.pin is not None else None
        return found or Interface()

    def asks_for(self, step: Step, definition_id: str) -> bool:
        """Whether the step asks for the component with this id, be there a version of it to run or not."""
        found = self.components.get(step.component.partition("@")[0])
        return found is not None and found.definition_id == definition_id

    def is_package(self, step: Step) -> bool:
        """Whether the step's component is made of others."""
        pin = step.pin
        return pin is not None and pin.type == PACKAGE and pin.version_id in self.nested


def component_names(content: Content) -> frozenset[str]:
    """The names of the components that the steps ask for."""
    return frozenset(step.component.partition("@")[0] for step in content.steps if step.component)


def workflow_names(content: Content) -> frozenset[str]:
    """The names of the workflows that the steps ask for."""
    return frozenset(step.workflow.partition("@")[0] for step in content.steps if step.workflow)


def pinned(
    content: Content, components: Mapping[str, Component], callees: Mapping[str, Callee] | None = None
) -> Content:
    """The content with every component and workflow resolved that can be."""
    steps = (
        replace(step, pin=_pin(step, components), workflow_pin=_workflow_pin(step, callees or {}))
        for step in content.steps
    )
    return replace(content, steps=tuple(steps))


def _pin(step: Step, components: Mapping[str, Component]) -> Pin | None:
    try:
        reference = resolution.parse(step.component)
        component = components.get(reference.name)
        if component is None:
            return None
        found = resolution.resolve(reference, component)
    except UnresolvedError:
        return None
    return Pin(found.id, found.version, component.type, component.definition_id)


def _workflow_pin(step: Step, callees: Mapping[str, Callee]) -> WorkflowPin | None:
    try:
        name, version = nesting.parse(step.workflow)
        return nesting.resolve(version, callees[name]) if name in callees else None
    except UnresolvedError:
        return None
