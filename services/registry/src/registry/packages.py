"""MCP documents on their way in: a package of components is resolved, wired and checked as a workflow would be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chassis.access import Subject
from chassis.database import Transaction
from chassis.source import UnreadableError
from registry import drafts, nesting, servers, validation
from registry.configs import Checked, ConfigProblem
from registry.document import mcp
from registry.document.mcp import Parsed
from registry.domain import packages
from registry.domain.content import Content
from registry.domain.packages import Faces, Package
from registry.domain.problems import Problem, sentence
from registry.domain.versions import Made, Sent
from registry.inference import Signature
from registry.nesting import TooLargeError
from registry.references import is_constant

_FIELD: Final = "mcp_configuration"
_SHOWN: Final = 25


@dataclass(frozen=True, slots=True)
class Document:
    """An MCP document as it was sent, as far as it could be read."""

    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    parsed: Parsed | None = None
    problems: tuple[Problem, ...] = ()


def read(sent: Sent) -> Document:
    """The MCP document of a version; an empty one where it is of another type."""
    if sent.config_field != "mcp" or sent.config is None:
        return Document()
    try:
        parsed = mcp.parse(str(sent.config.get(_FIELD, "")))
    except UnreadableError as error:
        return Document(problems=(Problem("", "", error.message, "", error.line, error.column),))
    return Document(sent.config, parsed, parsed.problems)


async def check(tx: Transaction, document: Document, checked: Checked, viewer: Subject, own_id: str) -> Made:
    """What is wrong with a document, and the content that a package of components runs as.

    `checked` is what is known of the config already, and `own_id` the id of the definition whose version it is to be.
    What the package is made of stays while the transaction lasts.
    """
    parsed = document.parsed
    if document.problems:
        return _refused(document.problems)
    if parsed is None or checked.problems:
        return Made(checked)
    if not isinstance(parsed.content, Package):
        wrong = tuple(servers.problems(document.config, parsed.content))
        return Made(Checked(wrong) if wrong else Checked((), servers.signature(document.config)))
    if misplaced := tuple(servers.of_package(document.config)):
        return Made(Checked(misplaced))
    content, problems, signature = await _built(tx, parsed.content, viewer, own_id)
    if problems:
        return _refused([parsed.placed(one) for one in problems])
    return Made(Checked((), signature), content)


async def _built(
    tx: Transaction, package: Package, viewer: Subject, own_id: str
) -> tuple[Content, list[Problem], Signature]:
    """The content with its components pinned, what is wrong with it by the paths of the document, and its schemas."""
    try:
        bare, catalog = await drafts.look_up(tx, packages.bare(package), viewer, lock=True, own_id=own_id)
    except TooLargeError:
        most = nesting.MAX_BYTES // 1024**2
        message = f"the packages inside are larger than {most} MiB together"
        return Content(), [Problem("", "components", message, "use fewer of them")], Signature()
    interfaces = {step.id: catalog.interface(step) for step in bare.steps}
    faces = {id_: Faces(one.input_schema, one.output_schema) for id_, one in interfaces.items()}
    wired = packages.wired(package, bare.steps, faces)
    problems = [*_expressions(package), *wired.problems]
    if not problems:
        found = validation.check(wired.content, catalog)
        problems = list(packages.named(found, wired.places))
    itself = Problem(
        "", "components", "a package is no component of itself, be it inside another", "leave it out"
    )
    if any(catalog.asks_for(step, own_id) for step in bare.steps):
        problems = [itself]
    elif own_id in nesting.uses(bare, catalog.nested).definitions:
        problems.append(itself)
    return wired.content, problems, Signature(wired.input_schema, wired.output_schema)


def _expressions(package: Package) -> Iterator[Problem]:
    """Fixed inputs that are none."""
    for number, component in enumerate(package.components):
        for name, value in component.with_.items():
            if not is_constant(value):
                message = "a fixed input is a value, not an expression"
                path = f"components[{number}].with.{name}"
                yield Problem("", path, message, "write the value itself, or connect the input")


def _refused(problems: "list[Problem] | tuple[Problem, ...]") -> Made:
    return Made(Checked(tuple(ConfigProblem(_FIELD, sentence(one)) for one in problems[:_SHOWN])))
