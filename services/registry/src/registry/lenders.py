"""Whether those who made something may still use what it is made of: asks identity, the grants and datasources."""

import asyncio
from collections.abc import Mapping, Sequence

from chassis import grants
from chassis.access import Grant, Subject
from chassis.database import Database
from registry import tables
from registry.domain import lending
from registry.domain.lending import ELSEWHERE, Kind, Part
from registry.links import Linked, People


class Lenders:
    """Those with whose rights something is run."""

    def __init__(self, db: Database, people: People, linked: Linked) -> None:
        self._db = db
        self._people = people
        self._linked = linked

    async def missing(self, parts: Sequence[Part]) -> list[Part]:
        """Those that none of their lenders may use now. Calls no one when all are public or a lender's own.

        Raises Unavailable naming identity, or datasources, when it does not answer.
        """
        asked = lending.in_question(parts)
        if not asked:
            return []
        subjects = await self._people.subjects({one for part in asked for one in part.lenders})
        given: dict[tuple[str, str], list[Grant]] = {}
        ids = {part.id for part in asked if part.resource is not None}
        if ids:
            async with self._db.read() as tx:
                for one, subject in subjects.items():
                    found = await grants.given_of(tx, tables.grants, ids, subject)
                    given |= {(one, id_): levels for id_, levels in found.items()}
        return lending.missing(asked, subjects, given, await self._unreachable(asked, subjects))

    async def _unreachable(
        self, asked: Sequence[Part], subjects: Mapping[str, Subject]
    ) -> dict[str, set[str]]:
        """The ids of what other services own and each lender may not use, by the lender's id."""
        named: dict[tuple[str, Kind], set[str]] = {}
        for part in asked:
            if part.kind in ELSEWHERE:
                for one in part.lenders:
                    named.setdefault((one, part.kind), set()).add(part.id)
        wanted = (
            self._linked.of(kind).unreachable(one, subjects.get(one), ids)
            for (one, kind), ids in named.items()
        )
        found: dict[str, set[str]] = {}
        for (one, _), ids in zip(named, await asyncio.gather(*wanted), strict=True):
            found.setdefault(one, set()).update(ids)
        return found
