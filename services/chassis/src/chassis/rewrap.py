"""After the master key got a new version, every secret's key is wrapped with it, a few at a time.

    rotation = Rotation(db, vault, [Place.of(secrets, "data_source_id")], service="datasources")
    Server(…, background=[rotation.run])

When all are, the old version's line may be taken out of the master key's file. The action log says that there is a new
version (MASTER_KEY_ROTATED) and, with each few, how many were wrapped and are left (SECRETS_REWRAPPED).
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy import Column, Table, func, select, update

from chassis import outbox
from chassis.database import Database, Transaction
from chassis.jsonvalue import Json
from chassis.vault import SealBroken, Sealed, Vault

log = logging.getLogger(__name__)

_BATCH: Final = 100
_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service keeps sealed secrets: at most one in a row."""

    table: Table
    id: Column[Any]
    """Of the owner whom a secret is sealed for; one row each."""
    ciphertext: Column[Any]
    wrapped_key: Column[Any]
    key_version: Column[Any]

    @classmethod
    def of(cls, table: Table, id: str, prefix: str = "") -> Self:  # noqa: A002  # the column's name
        """The columns `ciphertext`, `wrapped_key` and `key_version` of the table, all with this prefix."""
        names = ("ciphertext", "wrapped_key", "key_version")
        return cls(table, table.c[id], *(table.c[prefix + name] for name in names))


class Rotation:
    """Wraps the keys of secrets with the newest version of the master key. `run` is a background task."""

    def __init__(self, db: Database, vault: Vault, places: Sequence[Place], *, service: str) -> None:
        self._db = db
        self._vault = vault
        self._places = places
        self._actor = outbox.Actor(service, "service", service)
        self._recorded = 0

    async def run(self) -> None:
        """Looks every minute, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_SECONDS)

    async def look(self) -> int:
        """Takes up what is new in the master key's file, records it, and wraps; returns as `rewrap` does."""
        self._vault.reload()
        if self._vault.key_version != self._recorded:
            await self._record()
            self._recorded = self._vault.key_version
        return await self.rewrap()

    async def _record(self) -> None:
        """Records the newest version, if it is not the first. Whoever does so again, after a start or as another
        replica, gives the same id: the log has it once.
        """
        *before, (version, key_id) = self._vault.key_ids.items()
        if version == 1:
            return
        facts: list[dict[str, Json]] = [
            {"version": one, "key_id": its} for one, its in (*before, (version, key_id))
        ]
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await outbox.note(
                tx,
                "MASTER_KEY_ROTATED",
                entity=("master_key", self._actor.id),
                details={"old": facts[-2] if before else None, "new": facts[-1]},
                actor=self._actor,
                once=f"{self._actor.id}/{version}/{key_id}",
            )

    async def rewrap(self) -> int:
        """Wraps all that are wrapped with an older version; returns how many that were. What does not open is passed
        over, and told in the log.
        """
        done = 0
        for place in self._places:
            after: str | None = ""
            while after is not None:
                async with self._db.begin(idempotent=False, audited=False) as tx:
                    wrapped, after = await self._some(tx, place, after)
                done += wrapped
        if done:
            log.info("secrets were wrapped anew", extra={"count": done, "version": self._vault.key_version})
        return done

    async def _some(self, tx: Transaction, place: Place, after: str) -> tuple[int, str | None]:
        """Wraps a batch of those whose ids come after this one; how many, and the last id if there may be more."""
        rows = await _below(tx, place, self._vault.key_version, after)
        done = 0
        for owner_id, sealed in rows:
            try:
                rewrapped = self._vault.rewrap(owner_id, sealed)
            except SealBroken:
                log.error("a secret does not open", extra={"table": place.table.name, "owner_id": owner_id})
                continue
            await _store(tx, place, owner_id, rewrapped)
            done += 1
        if done:
            version = self._vault.key_version
            left = sum([await _count_below(tx, one, version) for one in self._places])
            await outbox.note(
                tx,
                "SECRETS_REWRAPPED",
                entity=("master_key", self._actor.id),
                details={"version": version, "count": done, "left": left},
                actor=self._actor,
            )
        return done, rows[-1][0] if len(rows) == _BATCH else None


async def _below(tx: Transaction, place: Place, version: int, after: str) -> list[tuple[str, Sealed]]:
    """Secrets wrapped with an older version, locked, in the order of their ids; those that others hold are left out."""
    statement = select(place.id, place.ciphertext, place.wrapped_key, place.key_version)
    statement = statement.where(place.key_version < version).order_by(place.id).limit(_BATCH)
    if after:
        statement = statement.where(place.id > after)
    rows: list[Any] = list(await tx.execute(statement.with_for_update(skip_locked=True)))
    return [(str(row[0]), Sealed(bytes(row[1]), bytes(row[2]), int(row[3]))) for row in rows]


async def _count_below(tx: Transaction, place: Place, version: int) -> int:
    """How many secrets are wrapped with an older version."""
    statement = select(func.count()).select_from(place.table).where(place.key_version < version)
    return int((await tx.execute(statement)).scalar_one())


async def _store(tx: Transaction, place: Place, owner_id: str, sealed: Sealed) -> None:
    """Stores the newly wrapped key of a secret."""
    values = {place.wrapped_key: sealed.wrapped_key, place.key_version: sealed.key_version}
    await tx.execute(update(place.table).where(place.id == owner_id).values(values))
