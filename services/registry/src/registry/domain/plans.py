"""What becomes of a bundle, and why it is refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from chassis.errors import FieldViolation, Invalid, Precondition
from registry.domain.problems import Problem, sentence

_SHOWN: Final = 3
_VIOLATIONS: Final = 25
_VIOLATION_BYTES: Final = 3_500


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that a bundle refers to and does not hold; `kind` is the contract's word."""

    kind: str
    name: str
    used_by: str
    fix: str


@dataclass(frozen=True, slots=True)
class Item:
    """What becomes of one thing; `kind` and `action` are the contract's words."""

    kind: str
    name: str
    action: str
    version: str = ""
    id: str = ""
    message: str = ""


@dataclass(slots=True)
class Plan:
    """What becomes of all of it, what is missing, and what is wrong with it in itself."""

    items: list[Item] = field(default_factory=list)
    missing: list[Reference] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def only_workflows(self) -> bool:
        """Whether what is wrong with the bundle is wrong with its workflows only."""
        return all(one.field.startswith("workflows") for one in self.problems)

    def conflicts(self) -> list[Item]:
        """What cannot be."""
        return [one for one in self.items if one.action == "CONFLICT"]

    def changes(self) -> dict[str, list[str]]:
        """What is done, in the words of the action log: names by what is done with them."""
        found: dict[str, list[str]] = {}
        for one in self.items:
            if one.action in ("CREATE", "NEW_VERSION", "UPDATE"):
                name = f"{one.kind.lower()} {one.name}" + (f"@{one.version}" if one.version else "")
                found.setdefault(one.action.lower(), []).append(name)
        return found

    def refuse(self) -> None:
        """Raises Precondition BUNDLE_CONFLICT or BUNDLE_INCOMPLETE when something of it cannot be."""
        if conflicts := self.conflicts():
            told = [f"{one.kind.lower()} {_called(one)}: {one.message}" for one in conflicts]
            raise _refusal("BUNDLE_CONFLICT", told)
        if self.missing:
            told = [
                f"{one.used_by} needs the {one.kind.lower().replace('_', ' ')} {one.name!r}: {one.fix}"
                for one in self.missing
            ]
            raise _refusal("BUNDLE_INCOMPLETE", told)


def refused(problems: Sequence[Problem], reason: str = "INVALID_DOCUMENT") -> Invalid:
    """The error that names what is wrong with a bundle in itself, as much as fits into a status."""
    fields: list[FieldViolation] = []
    size = 0
    for one in problems[:_VIOLATIONS]:
        violation = FieldViolation(f"source.{one.field}".rstrip("."), sentence(one), reason)
        size += len(violation.field.encode()) + len(violation.description.encode()) + 40
        if fields and size > _VIOLATION_BYTES:
            break
        fields.append(violation)
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    text = "; ".join(one.description for one in fields[:_SHOWN])[:1500] + more
    metadata = {"problems": str(len(problems))}
    return Invalid(reason, f"the bundle cannot be taken: {text}", metadata=metadata, fields=fields)


def _refusal(reason: str, told: list[str]) -> Precondition:
    more = f"; and {len(told) - _SHOWN} more, all in what validate_only answers" if len(told) > _SHOWN else ""
    text = f"nothing was imported: {'; '.join(told[:_SHOWN])[:1500]}{more}"
    return Precondition(reason, text, metadata={"count": str(len(told))})


def _called(item: Item) -> str:
    return f"{item.name}@{item.version}" if item.kind == "VERSION" else item.name
