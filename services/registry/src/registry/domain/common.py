"""What definitions and workflows share."""

import hashlib
from dataclasses import dataclass

from chassis.access import Subject
from chassis.errors import Conflict, Denied, FieldViolation, Invalid


@dataclass(frozen=True, slots=True)
class Users:
    """What runs something: workflows, packages of components, and assistants that may call it; at least one."""

    names: tuple[str, ...]
    """The workflows that the caller may see, in order."""
    hidden: int
    """How many other workflows there are."""
    packages: tuple[str, ...] = ()
    """The packages that the caller may see, in order."""
    hidden_packages: int = 0
    """How many other packages there are."""
    assistants: tuple[str, ...] = ()
    """The assistants that the caller may see, in order."""
    hidden_assistants: int = 0
    """How many other assistants there are."""

    @property
    def shown(self) -> str:
        """The first twenty by name and the others by number, in words."""
        parts = _shown("workflow", self.names, self.hidden)
        parts += _shown("package", self.packages, self.hidden_packages)
        return " and ".join(parts + _shown("assistant", self.assistants, self.hidden_assistants))

    @property
    def metadata(self) -> dict[str, str]:
        """The first hundred by name and the number of the hidden ones, for programs."""
        hidden = self.hidden + self.hidden_packages + self.hidden_assistants
        found = {"workflows": ",".join(self.names[:100]), "hidden": str(hidden)}
        others = {"packages": self.packages, "assistants": self.assistants}
        return found | {what: ",".join(names[:100]) for what, names in others.items() if names}


def _shown(what: str, names: tuple[str, ...], hidden: int) -> list[str]:
    more = len(names) - 20
    parts = [f"the {what}s {', '.join(names[:20])}"] if names else []
    parts += [f"{more} more"] if more > 0 else []
    if hidden:
        parts.append(f"{hidden} {what}{'' if hidden == 1 else 's'} that you may not see")
    return parts


def etag(id: str, revision: int) -> str:  # noqa: A002  # the word of the contract
    """The etag of a resource's revision: another one for every change, never that of a namesake."""
    return hashlib.sha256(f"{id}/{revision}".encode()).hexdigest()[:16]


def check_etag(wanted: str, current: str, what: str) -> None:
    """Raises Conflict when the caller read another state than the current one; an empty `wanted` matches any."""
    if wanted and wanted != current:
        raise Conflict(
            "ETAG_MISMATCH", f"{what} changed since it was read; read it again", metadata={"etag": current}
        )


def check_owner(viewer: Subject, owner_id: str, what: tuple[str, str]) -> None:
    """Raises Denied unless `what`, a kind and a name, is the viewer's own, or they reach what is not."""
    if viewer.id != owner_id and not viewer.reaches_all:
        text = f"only its owner and administrators may give {what[0]} {what[1]!r} to somebody else"
        raise Denied("NOT_THE_OWNER", text, resource=what)


def check_immutable(field: str, sent: str, current: str) -> None:
    """Raises Invalid when an update sends another value for a field that stays as it is."""
    if sent and sent != current:
        text = f"stays {current!r} for ever; leave it out"
        raise Invalid("INVALID_UPDATE_MASK", f"{field} {text}", fields=[FieldViolation(field, text)])


def search_text(*parts: str) -> str:
    """What a word search looks into: the parts in one case, apart from each other."""
    return "\n".join(part.casefold() for part in parts if part)


def search_words(query: str) -> tuple[str, ...]:
    """The words of a search, in the case of `search_text`."""
    return tuple(query.casefold().split())


def required(field: str, value: str) -> None:
    """Raises Invalid when a required field is empty."""
    if not value:
        raise Invalid(
            "INVALID_FIELD", f"{field} is required", fields=[FieldViolation(field, "is required", "REQUIRED")]
        )
