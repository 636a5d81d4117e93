"""Workflows, packages of components and assistants as steps: which version is meant, and what lies inside it.

The components that an assistant may call lie inside it as those of a package do, each as a step of its content.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from chassis.jsonvalue import Json
from registry.domain.content import Absent, Content, Step, WorkflowPin
from registry.kinds import ASSISTANT, PACKAGE
from registry.resolution import UnresolvedError
from registry.schemas import Schema

HOLDERS: Final = frozenset({PACKAGE, ASSISTANT})
"""The types of components of which some hold others."""
MAX_DEPTH: Final = 5
"""How many workflows, packages and assistants may lie inside each other, the outermost not counted."""
MAX_STEPS: Final = 1000
"""The most steps of a workflow and all that lies inside it."""
MAX_BYTES: Final = 16 * 1024 * 1024
"""How large the stored contents of all that lies inside a workflow may be together. Reading them holds the process."""
_REFERENCE: Final = re.compile(r"([a-z][a-z0-9-]{0,62})(?:@([1-9][0-9]{0,8}))?")

Nested = Mapping[WorkflowPin | str, Content]
"""The contents of the workflows inside a workflow, at every depth; one that was deleted is not among them. Those of
packages of components and of assistants are there too, by the ids of their versions.
"""


class TooLargeError(Exception):
    """What lies inside a workflow is larger than MAX_BYTES."""


@dataclass(frozen=True, slots=True)
class Callee:
    """A workflow that a step may run, with its newest version; there is every version below it."""

    id: str
    name: str
    newest: int


@dataclass(frozen=True, slots=True)
class Uses:
    """The ids of the definitions and workflows that a workflow runs, be it inside another; sorted."""

    definitions: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()


def parse(text: str) -> tuple[str, int]:
    """The name and version that a step's `workflow` means, 0 for the newest. Raises UnresolvedError."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UnresolvedError(
            f"{text!r} names no workflow", "write name or name@3, the name in lower case and a whole version"
        )
    return match[1], int(match[2] or 0)


def resolve(version: int, callee: Callee) -> WorkflowPin:
    """The exact version of a workflow, 0 being the newest. Raises UnresolvedError naming what there is."""
    if version > callee.newest:
        there = "only version 1" if callee.newest == 1 else f"versions 1 to {callee.newest}"
        raise UnresolvedError(
            f"workflow {callee.name!r} has no version {version}, {there}",
            f"write {callee.name}@{callee.newest}",
        )
    return WorkflowPin(callee.id, version or callee.newest)


def pins(content: Content) -> Iterator[WorkflowPin]:
    """The workflows that the content's own steps run."""
    return (step.workflow_pin for step in content.steps if step.workflow_pin is not None)


def holders(content: Content) -> Iterator[str]:
    """The ids of the versions that the content's own steps run and that may hold others: packages and assistants."""
    return (
        step.pin.version_id for step in content.steps if step.pin is not None and step.pin.type in HOLDERS
    )


def _keys(content: Content) -> Iterator[WorkflowPin | str]:
    yield from pins(content)
    yield from holders(content)


def _calls(step: Step) -> bool:
    """Whether what lies inside the step is called as a model decides, and is no step of the run."""
    return step.pin is not None and step.pin.type == ASSISTANT


def parts(content: Content) -> tuple[str, ...]:
    """What the content's own steps run, each once: the ids of versions of components, and `id@version` of workflows."""
    found = {step.pin.version_id for step in content.steps if step.pin is not None}
    return tuple(sorted(found | {f"{pin.workflow_id}@{pin.version}" for pin in pins(content)}))


def measure(content: Content, nested: Nested) -> tuple[int, int]:
    """How many workflows, packages and assistants lie inside each other (0 when it runs none), and how many steps there
    are in all.

    The steps of a workflow count wherever it is run; an assistant's tools are none. What was pinned existed before, so
    this comes to an end.
    """
    known: dict[WorkflowPin | str, tuple[int, int]] = {}

    def of(one: Content) -> tuple[int, int]:
        depth, steps = 0, len(one.steps)
        for step in one.steps:
            for pin in _keys(Content(steps=(step,))):
                if pin in nested:
                    if pin not in known:
                        known[pin] = of(nested[pin])
                    depth = max(depth, known[pin][0] + 1)
                    steps += 0 if _calls(step) else known[pin][1]
        return depth, steps

    return of(content)


def inside(content: Content, nested: Nested) -> set[WorkflowPin | str]:
    """The workflows, packages and assistants that lie inside, at every depth."""
    found: set[WorkflowPin | str] = set()
    ahead = set(_keys(content))
    while ahead:
        found |= ahead
        ahead = {inner for pin in ahead if pin in nested for inner in _keys(nested[pin])} - found
    return found


def uses(content: Content, nested: Nested, own_id: str = "") -> Uses:
    """What the content runs at any depth.

    The workflow's own id is left out: an older version of it may lie inside another, which is no reason to keep it.
    """
    found = inside(content, nested)
    contents = [content, *(nested[pin] for pin in found if pin in nested)]
    definitions = {step.pin.definition_id for one in contents for step in one.steps if step.pin is not None}
    workflows = {pin.workflow_id for pin in found if isinstance(pin, WorkflowPin)}
    return Uses(tuple(sorted(definitions)), tuple(sorted(workflows - {own_id})))


def deleted(content: Content, nested: Nested, gone: Collection[str]) -> str:
    """The first step in the content that runs what was deleted, in words; empty when there is none.

    `gone` are the ids of definitions that are no more.
    """
    known: dict[WorkflowPin, str] = {}

    def of(one: Content) -> str:
        for step in one.steps:
            pin = step.workflow_pin
            if step.pin is not None and step.pin.definition_id in gone:
                return f"{step.id!r} runs the component {step.component.partition('@')[0]!r}"
            if pin is not None and pin not in nested:
                return f"{step.id!r} runs the workflow {step.workflow.partition('@')[0]!r}"
            if pin is not None:
                if pin not in known:
                    known[pin] = of(nested[pin])
                if known[pin]:
                    return f"{step.id!r} runs a workflow of which {known[pin]}"
        return ""

    return of(content)


def input_schema(content: Content) -> Schema:
    """What a workflow takes, as the schema of a step's inputs."""
    properties: dict[str, Json] = {
        name: {"type": one.type} if one.type else {} for name, one in content.inputs.items()
    }
    required: list[Json] = [name for name, one in content.inputs.items() if isinstance(one.default, Absent)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def output_schema(content: Content) -> Schema:
    """What a workflow answers, as the schema of a step's output."""
    properties: dict[str, Json] = {name: {} for name in content.outputs}
    return {"type": "object", "properties": properties, "additionalProperties": False}
