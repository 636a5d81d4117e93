"""What something is made of, and whose right to use that counts when somebody else runs it.

A workflow is run with the rights of its owner and of whoever made that version, as they are at that time: what they
were lent counts as long as they are lent it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from chassis import access
from chassis.access import Decision, Grant, Level, Resource, Subject

Kind = Literal["definition", "workflow", "data_source", "secret"]
ELSEWHERE: Final[frozenset[Kind]] = frozenset({"data_source", "secret"})
"""What other services own, and say who may use it."""
_NO_GRANTS: Final[Mapping[tuple[str, str], list[Grant]]] = {}


@dataclass(frozen=True, slots=True)
class Part:
    """Something that is used, and by what."""

    kind: Kind
    id: str
    name: str
    used_by: str
    """In words, e.g. `workflow 'weather-report'`."""
    lenders: tuple[str, ...]
    """The ids of the owner of what uses it and of the author of that version, each once."""
    resource: Resource | None
    """What counts of it; None for what was deleted, and for what others own."""

    @property
    def is_deleted(self) -> bool:
        """Whether there is no such thing any more."""
        return self.resource is None and self.kind not in ELSEWHERE


def in_question(parts: Iterable[Part]) -> list[Part]:
    """Those that are neither public nor one of the lenders' own: whether they may be used, others have to say."""
    return [part for part in parts if not _is_lent(part, {id_: Subject(id_) for id_ in part.lenders})]


def missing(
    parts: Iterable[Part],
    subjects: Mapping[str, Subject],
    grants: Mapping[tuple[str, str], list[Grant]],
    unreachable: Mapping[str, Collection[str]],
) -> list[Part]:
    """Those of the parts in question that none of their lenders may use, by kind and name.

    `subjects` are the lenders who are active, by id; `grants` what was given to them, by their id and the part's;
    `unreachable` the ids of what others own and each lender may not use.
    """
    found = [
        part
        for part in parts
        if (
            all(part.id in unreachable.get(one, ()) for one in part.lenders)
            if part.kind in ELSEWHERE
            else not _is_lent(part, subjects, grants)
        )
    ]
    return sorted(found, key=lambda part: (part.kind, part.name, part.used_by))


def _is_lent(
    part: Part,
    subjects: Mapping[str, Subject],
    grants: Mapping[tuple[str, str], list[Grant]] = _NO_GRANTS,
) -> bool:
    resource = part.resource
    if resource is None:
        return False
    return any(
        access.check(subjects[one], Level.VIEW, resource, grants.get((one, part.id), ())) is Decision.ALLOW
        for one in part.lenders
        if one in subjects
    )
