"""A workflow on its way in: read from a message or a document, then checked against what there is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from google.protobuf.field_mask_pb2 import FieldMask

from chassis import fieldmask
from chassis.access import Subject
from chassis.database import Transaction
from chassis.errors import FieldViolation, Invalid
from chassis.interceptors.validation import validate
from chassis.source import UnreadableError
from mcpanel.registry.v1 import workflow_pb2
from registry import document, nesting, store, validation, wire
from registry.document import Parsed
from registry.domain.content import Content
from registry.domain.problems import Problem, invalid
from registry.domain.workflows import CHANGEABLE, Draft, Workflow
from registry.nesting import TooLargeError, Uses
from registry.store.lookup import Kept
from registry.validation import Catalog

_SUBSCRIPT: Final = re.compile(r"""\[(['"])(.*?)\1\]""")


class Request(Protocol):
    """What CreateWorkflow, UpdateWorkflow and ValidateWorkflow ask with."""

    @property
    def workflow(self) -> workflow_pb2.Workflow: ...
    @property
    def source(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Sent:
    """A workflow as it was sent, and what could not be read of it."""

    draft: Draft
    parsed: Parsed | None = None
    unreadable: Problem | None = None

    @property
    def prefix(self) -> str:
        """The request's field that holds it."""
        return "workflow" if self.parsed is None and self.unreadable is None else "source"

    def changed(self, mask: FieldMask | None, message: workflow_pb2.Workflow) -> frozenset[str]:
        """The fields that an update with this mask changes. Raises Invalid INVALID_UPDATE_MASK."""
        if self.parsed is not None and (mask is None or not mask.paths):
            return self.draft.present & set(CHANGEABLE)
        return frozenset(fieldmask.paths(mask, message, CHANGEABLE))

    def refuse(self, problems: list[Problem]) -> None:
        """Raises Invalid when there are problems: INVALID_DOCUMENT for what cannot be read, else WORKFLOW_INVALID."""
        if problems:
            unread = self.unreadable is not None or (self.parsed is not None and bool(self.parsed.problems))
            raise invalid(problems, self.prefix, "INVALID_DOCUMENT" if unread else "WORKFLOW_INVALID")


def read(request: Request, *, has_workflow: bool) -> Sent:
    """The workflow of a request. Raises Invalid unless it has exactly one of `workflow` and `source`."""
    if has_workflow == bool(request.source):
        text = "give either workflow or source" + (", not both" if has_workflow else "")
        raise Invalid("INVALID_FIELD", text, fields=[FieldViolation("workflow", text, "REQUIRED")])
    if has_workflow:
        return Sent(wire.workflows.draft(request.workflow))
    try:
        parsed = document.parse(request.source)
    except UnreadableError as error:
        fix = "correct the document there"
        return Sent(Draft(), unreadable=Problem("", "", error.message, fix, error.line, error.column))
    return Sent(parsed.draft, parsed)


@dataclass(frozen=True, slots=True)
class Checked:
    """A content with its components and workflows pinned, what it uses, and what is wrong with what was sent."""

    content: Content
    problems: list[Problem]
    uses: Uses


async def check(
    tx: Transaction,
    sent: Sent,
    content: Content,
    viewer: Subject,
    old: Workflow | None = None,
    *,
    strangers: Mapping[str, tuple[str, str]],
    lock: bool = False,
) -> Checked:
    """The content, pinned, with every problem of what was sent, in the order of the document.

    `strangers` are the approvers who cannot decide, see Catalog. `old` is the workflow as it was before, if it was:
    what that ran may stay, while its owner sees it, though the viewer does not. `lock` keeps what the content runs from
    being deleted meanwhile.
    """
    if sent.unreadable is not None:
        return Checked(content, [sent.unreadable], Uses())
    try:
        content, catalog = await look_up(tx, content, viewer, _kept(old), lock=lock)
        catalog = replace(catalog, strangers=strangers)
    except TooLargeError:
        message = f"the workflows inside are larger than {nesting.MAX_BYTES // 1024**2} MiB together"
        return Checked(content, flaws(sent, [Problem("", "steps", message, "run fewer of them")]), Uses())
    name = sent.draft.name if old is None else old.name
    problems = [Problem("", "name", "a workflow needs a name", "add a name such as weather-report")]
    problems = ([] if name else problems) + validation.check(content, catalog, name)
    uses = nesting.uses(content, catalog.nested, old.id if old is not None else "")
    return Checked(content, flaws(sent, problems), uses)


async def look_up(
    tx: Transaction,
    content: Content,
    viewer: Subject,
    kept: Kept | None = None,
    *,
    lock: bool,
    own_id: str = "",
    endless: str = "",
) -> tuple[Content, Catalog]:
    """The content, pinned, and what there is of what it asks for. Raises TooLargeError.

    `own_id` is the component that is to be made of it, and `endless` a type of components that it cannot run: what is
    suggested in place of what is not there is neither.
    """
    component_names, workflow_names = validation.component_names(content), validation.workflow_names(content)
    components = await store.versions.components(tx, component_names, viewer, kept, lock=lock)
    callees = (
        await store.workflows.callees(tx, workflow_names, viewer, kept, lock=lock) if workflow_names else {}
    )
    content = validation.pinned(content, components, callees)
    version_ids = [step.pin.version_id for step in content.steps if step.pin is not None]
    nested = await store.workflows.nested(tx, nesting.pins(content), lock=lock)
    ids = {one for inner in (content, *nested.values()) for one in nesting.holders(inner)}
    if ids:
        nested |= await store.versions.inside(tx, ids)
    inside = nesting.uses(content, nested).definitions if nested else ()
    existing = await store.definitions.existing(tx, inside, lock=lock) if inside else frozenset()
    return content, Catalog(
        components=components,
        callees=callees,
        interfaces=await store.versions.interfaces(tx, version_ids),
        nested=nested,
        gone=frozenset(inside) - existing,
        component_names=await store.definitions.names(tx, viewer, own_id=own_id, endless=endless)
        if component_names - components.keys()
        else (),
        workflow_names=await store.workflows.names(tx, viewer) if workflow_names - callees.keys() else (),
    )


def _kept(old: Workflow | None) -> Kept | None:
    if old is None:
        return None
    steps = old.content.steps
    ids = {step.pin.definition_id for step in steps if step.pin is not None}
    ids |= {step.workflow_pin.workflow_id for step in steps if step.workflow_pin is not None}
    return Kept(Subject(old.owner_id), frozenset(ids))


def unchanged(sent: Sent, old: Workflow) -> Checked:
    """The workflow's own content, with the problems of a document that does not touch it."""
    return Checked(old.content, flaws(sent), Uses())


def flaws(sent: Sent, found: Sequence[Problem] = ()) -> list[Problem]:
    """The problems `found` together with those of the document itself, if it was one, with lines and columns."""
    if sent.unreadable is not None:
        return [sent.unreadable]
    if sent.parsed is None:
        return list(found)
    unread = {problem.field for problem in sent.parsed.problems}
    problems = [*sent.parsed.problems, *(one for one in found if one.field not in unread)]
    problems += _breaches(sent.draft, problems)
    return _placed([one for one in problems if one.field not in sent.parsed.misspelt], sent.parsed)


def _breaches(draft: Draft, found: list[Problem]) -> list[Problem]:
    """Where a document's workflow breaks the contract's rules, which a message has passed already."""
    try:
        validate(wire.workflows.drafted(draft))
    except Invalid as error:
        told = {problem.field for problem in found}
        breaches = [(_SUBSCRIPT.sub(r".\2", one.field), one.description) for one in error.fields]
        return [Problem(_step_of(draft, path), path, text) for path, text in breaches if path not in told]
    return []


def _step_of(draft: Draft, path: str) -> str:
    match = re.match(r"steps\[(\d+)\]", path)
    return draft.content.steps[int(match[1])].id if match else ""


def _placed(problems: list[Problem], parsed: Parsed) -> list[Problem]:
    """The problems with lines and columns, sorted by them."""
    placed = []
    for problem in problems:
        line, column = (problem.line, problem.column) if problem.line else parsed.place(problem.field)
        placed.append(replace(problem, line=line, column=column))
    return sorted(placed, key=lambda one: (one.line, one.column))
