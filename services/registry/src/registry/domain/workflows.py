"""Workflows: steps, what they need, and the immutable versions they are saved as."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from chassis.errors import AlreadyExists, FieldViolation, Invalid, NotFound
from chassis.jsonvalue import Json, canonical
from registry.domain.common import check_etag, check_immutable, etag, required, search_text

CONTENT: Final = ("inputs", "steps", "outputs")
CHANGEABLE: Final = ("display_name", "description", "tags", "visibility", *CONTENT)
_VIOLATIONS: Final = 25
_VIOLATION_BYTES: Final = 3_500
"""What fits into a status beside the message: peers refuse more than 8 KiB of metadata."""


class Absent(Enum):
    """The default that was not given, which is not the default null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a workflow, where, and what to do about it. Line and column are 0 when unknown."""

    step: str
    field: str
    message: str
    fix: str = ""
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Input:
    """What a run takes under one name."""

    type: str = ""
    default: "Json | Absent" = ABSENT
    description: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """How a failed attempt is repeated; what is None or 0 was not given."""

    max_attempts: int
    backoff: timedelta | None = None
    factor: float = 0.0
    max_backoff: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """The version a step runs."""

    version_id: str
    version: str
    type: str
    definition_id: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `pin` once its component is resolved."""

    id: str
    component: str
    with_: Mapping[str, Json] = field(default_factory=dict)
    if_: str = ""
    needs: tuple[str, ...] = ()
    retry: Retry | None = None
    timeout: timedelta | None = None
    pin: Pin | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What makes a version of a workflow."""

    inputs: Mapping[str, Input]
    steps: tuple[Step, ...]
    outputs: Mapping[str, Json]

    def digest(self) -> str:
        """Equal contents, pins included, have equal digests."""
        return hashlib.sha256(canonical(to_json(self))).hexdigest()

    def uses(self) -> tuple[str, ...]:
        """The ids of the definitions its steps run."""
        return tuple(sorted({step.pin.definition_id for step in self.steps if step.pin is not None}))


EMPTY: Final = Content({}, (), {})


@dataclass(frozen=True, slots=True)
class Draft:
    """A workflow as a caller sent it; `present` names the fields that a document sets."""

    name: str = ""
    display_name: str = ""
    description: str = ""
    inputs: Mapping[str, Input] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    visibility: str = ""
    etag: str = ""
    present: frozenset[str] = frozenset()

    @property
    def content(self) -> Content:
        """What would make its version."""
        return Content(self.inputs, self.steps, self.outputs)


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow as it is stored, with the content of one of its versions; lists leave that EMPTY."""

    id: str
    name: str
    display_name: str
    description: str
    tags: tuple[str, ...]
    visibility: str
    owner_id: str
    version: int
    revision: int
    created_at: datetime
    updated_at: datetime
    content: Content = EMPTY

    @property
    def etag(self) -> str:
        """Its etag now."""
        return etag(self.id, self.revision)

    @property
    def search(self) -> str:
        """What a word search looks into."""
        return search_text(self.name, self.display_name, self.description, *self.tags)

    def facts(self) -> dict[str, Any]:
        """What the action log keeps of it: which components it runs, not the values they are given."""
        return {
            "name": self.name,
            "version": self.version,
            "visibility": self.visibility,
            "owner_id": self.owner_id,
            "display_name": self.display_name,
            "description": self.description,
            "tags": list(self.tags),
            "inputs": sorted(self.content.inputs),
            "outputs": sorted(self.content.outputs),
            "steps": [
                {"id": step.id, "component": step.component, "version": step.pin.version if step.pin else ""}
                for step in self.content.steps
            ],
        }


def create(draft: Draft, content: Content, *, id: str, owner_id: str, now: datetime) -> Workflow:  # noqa: A002
    """The new workflow at version 1, with its checked content. Raises Invalid when the name is missing."""
    required("workflow.name", draft.name)
    return Workflow(
        id=id,
        name=draft.name,
        display_name=draft.display_name,
        description=draft.description,
        tags=tuple(dict.fromkeys(draft.tags)),
        visibility=draft.visibility or "PRIVATE",
        owner_id=owner_id,
        version=1,
        revision=1,
        created_at=now,
        updated_at=now,
        content=content,
    )


def merged(current: Workflow, draft: Draft, fields: Collection[str]) -> tuple[Workflow, bool]:
    """The workflow with the sent `fields` put in, unchecked, and whether its content has to be checked.

    Raises Conflict for a stale etag, Invalid for another name.
    """
    check_etag(draft.etag, current.etag, f"workflow {current.name!r}")
    check_immutable("workflow.name", draft.name, current.name)
    values: dict[str, Any] = {
        "display_name": draft.display_name,
        "description": draft.description,
        "tags": tuple(dict.fromkeys(draft.tags)),
        "visibility": draft.visibility or "PRIVATE",
    }
    labels = {name: value for name, value in values.items() if name in fields}
    parts = {name: getattr(draft, name) for name in CONTENT if name in fields}
    return replace(current, **labels, content=replace(current.content, **parts)), bool(parts)


def with_content(workflow: Workflow, content: Content) -> Workflow:
    """The workflow with this content."""
    return replace(workflow, content=content)


def update(current: Workflow, wanted: Workflow, now: datetime) -> Workflow:
    """The workflow after the change: the next version when the content differs, the same one when nothing does."""
    next_version = current.version + (wanted.content.digest() != current.content.digest())
    if next_version == current.version:
        wanted = replace(wanted, content=current.content)
    if wanted == current:
        return current
    return replace(wanted, version=next_version, revision=current.revision + 1, updated_at=now)


def invalid(problems: Sequence[Problem], prefix: str, reason: str = "WORKFLOW_INVALID") -> Invalid:
    """The error that names the problems; `prefix` is the request's field that holds the workflow.

    As many as fit into a status; ValidateWorkflow answers all of them.
    """
    fields: list[FieldViolation] = []
    size = 0
    for problem in problems[:_VIOLATIONS]:
        violation = FieldViolation(f"{prefix}.{problem.field}".rstrip("."), sentence(problem), reason)
        size += len(violation.field.encode()) + len(violation.description.encode()) + 40
        if fields and size > _VIOLATION_BYTES:
            break
        fields.append(violation)
    shown = "; ".join(one.description for one in fields[:3])
    more = f"; and {len(problems) - 3} more, all in ValidateWorkflow's answer" if len(problems) > 3 else ""
    subject = "the document cannot be read" if reason == "INVALID_DOCUMENT" else "the workflow is not valid"
    return Invalid(
        reason, f"{subject}: {shown[:1500]}{more}", metadata={"problems": str(len(problems))}, fields=fields
    )


def sentence(problem: Problem) -> str:
    """The problem in one sentence: place, step, what is wrong, what to do."""
    place = f"line {problem.line}, column {problem.column}: " if problem.line else ""
    step = f"step {problem.step!r}: " if problem.step else ""
    fix = f" ({problem.fix})" if problem.fix else ""
    return f"{place}{step}{problem.message}{fix}"[:1000]


def not_found(key: str, version: int = 0) -> NotFound:
    """The error for a workflow, or a version of it, that does not exist or that the caller may not see."""
    what = f"version {version} of workflow {key!r}" if version else f"workflow {key!r}"
    return NotFound("WORKFLOW_NOT_FOUND", f"{what} does not exist", resource=("workflow", key))


def name_taken(name: str) -> AlreadyExists:
    """The error for a name that another workflow has."""
    return AlreadyExists(
        "WORKFLOW_NAME_TAKEN", f"the name {name!r} is taken by another workflow", resource=("workflow", name)
    )


def to_json(content: Content) -> dict[str, Json]:
    """The content as it is stored: what was not given is left out, durations are seconds."""
    inputs: dict[str, Json] = {}
    for name, one in content.inputs.items():
        body: dict[str, Json] = {"type": one.type, "description": one.description}
        inputs[name] = body if isinstance(one.default, Absent) else body | {"default": one.default}
    return {
        "inputs": inputs,
        "steps": [_step_to_json(step) for step in content.steps],
        "outputs": dict(content.outputs),
    }


def _step_to_json(step: Step) -> Json:
    body: dict[str, Json] = {"id": step.id, "component": step.component, "with": dict(step.with_)}
    body |= {"if": step.if_, "needs": list(step.needs)}
    if step.retry is not None:
        body["retry"] = {
            "max_attempts": step.retry.max_attempts,
            "backoff": _seconds(step.retry.backoff),
            "factor": step.retry.factor,
            "max_backoff": _seconds(step.retry.max_backoff),
        }
    if step.timeout is not None:
        body["timeout"] = _seconds(step.timeout)
    if step.pin is not None:
        body["pin"] = {
            "version_id": step.pin.version_id,
            "version": step.pin.version,
            "type": step.pin.type,
            "definition_id": step.pin.definition_id,
        }
    return body


def from_json(body: Mapping[str, Any]) -> Content:
    """The content that `to_json` wrote."""
    inputs = {
        name: Input(one["type"], one.get("default", ABSENT), one["description"])
        for name, one in body["inputs"].items()
    }
    return Content(inputs, tuple(_step_from_json(step) for step in body["steps"]), body["outputs"])


def _step_from_json(body: Mapping[str, Any]) -> Step:
    retry = body.get("retry")
    return Step(
        id=body["id"],
        component=body["component"],
        with_=body["with"],
        if_=body["if"],
        needs=tuple(body["needs"]),
        retry=None
        if retry is None
        else Retry(
            retry["max_attempts"], _delta(retry["backoff"]), retry["factor"], _delta(retry["max_backoff"])
        ),
        timeout=_delta(body.get("timeout")),
        pin=Pin(**body["pin"]) if "pin" in body else None,
    )


def _seconds(delta: timedelta | None) -> float | None:
    return None if delta is None else delta.total_seconds()


def _delta(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
