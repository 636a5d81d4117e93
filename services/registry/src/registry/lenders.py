"""Whether those who made something may still use what it is made of: asks identity, the grants and datasources."""

import asyncio
from collections.abc import Sequence

from chassis import grants
from chassis.access import Grant
from chassis.database import Database
from registry import tables
from registry.domain import lending
from registry.domain.lending import Part
from registry.links import DataSources, People


class Lenders:
    """Those with whose rights something is run."""

    def __init__(self, db: Database, people: People, data_sources: DataSources) -> None:
        self._db = db
        self._people = people
        self._data_sources = data_sources

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
        named: dict[str, set[str]] = {}
        for part in asked:
            if part.kind == "data_source":
                for one in part.lenders:
                    named.setdefault(one, set()).add(part.id)
        wanted = (self._data_sources.unreachable(one, subjects.get(one), of) for one, of in named.items())
        unreachable = dict(zip(named, await asyncio.gather(*wanted), strict=True))
        return lending.missing(asked, subjects, given, unreachable)
