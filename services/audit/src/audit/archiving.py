"""Takes old entries out of the database, each stretch of them as a file that proves itself.

A segment is what ExportActionLogs says of entries from one checkpoint to another, compressed, without the values that
commitments are about: these stay beside the log, where they can be forgotten. It is read back and verified before it is
recorded, and recorded before its entries go. Hashes and checkpoints stay, and with them every proof of what is younger.
"""

import asyncio
import gzip
import hashlib
import logging
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from google.protobuf import json_format

from audit import exporting, store, wire
from audit.checkpoint import Signer
from audit.domain import ARCHIVED, Exported, Scope, Segment
from audit.keys import Signing
from audit.personal import Disclosure
from audit.verify.judgement import Judge
from audit.witness import PlaceUnreachable
from chassis import outbox
from chassis.database import Database

if TYPE_CHECKING:  # it brings what only this needs
    from audit.witness.shelf import Shelf

log = logging.getLogger(__name__)

SEGMENT: Final = 50_000
"""How many entries a segment has, about."""
_DAY: Final = 86_400.0
_HOUR: Final = 3_600.0
_CHUNK: Final = 5_000
"""How many entries go at once: nothing can be appended meanwhile."""
_ITSELF: Final = outbox.Actor("audit", "service", "audit")


class SegmentBroken(Exception):
    """What was archived does not verify; nothing was removed."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Where segments go, and what is judged with."""

    db: Database
    signer: Signer
    shelf: "Shelf"

    async def run(self, before: datetime, segment: int = SEGMENT) -> AsyncIterator[Segment]:
        """Archives the entries under the checkpoints signed before a time, and yields each segment when it is done.

        What was archived and not yet removed, because this ended in between, is removed first. Raises SegmentBroken
        and PlaceUnreachable.
        """
        await self._remove()
        while (scope := await self._next(before, segment)) is not None:
            found = await self._store(scope)
            async with self.db.begin(idempotent=False, audited=False) as tx:
                await store.become_sequencer(tx)
                if await store.archived(tx) != found.first:
                    raise SegmentBroken("somebody else archives this log now; nothing was removed")
                await store.add_segment(tx, found, tx.now)
                await outbox.note(
                    tx, ARCHIVED, entity=("action_log", ""), actor=_ITSELF, details=wire.archived(found)
                )
            await self._remove()
            yield found

    async def _next(self, before: datetime, segment: int) -> Scope | None:
        """What the next segment covers; None when nothing is old enough."""
        async with self.db.read() as tx:
            first = await store.archived(tx)
            last = await store.checkpoint_signed_before(tx, before)
            end = await store.checkpoint_upto(tx, min(first + segment, last.tree_size if last else 0))
            if end is None or end.tree_size <= first:
                return None
            return await exporting.scope(tx, first, end.tree_size, self.signer)

    async def _store(self, scope: Scope) -> Segment:
        text = gzip.compress((await self._text(scope)).encode(), mtime=0)
        name = f"{scope.first:012d}-{scope.end.tree_size:012d}.ndjson.gz"
        await self.shelf.put(name, text)
        there = await self.shelf.get(name)
        self._verify(there, name, scope)
        place = f"{self.shelf.name}/{name}"
        return Segment(scope.first, scope.end.tree_size, hashlib.sha256(there).digest(), place)

    async def _text(self, scope: Scope) -> str:
        """The export of a scope, as a client of REST has it."""
        async with self.db.read() as tx:
            now = tx.now
        lines = [_line(wire.export_header(scope, "", now, self.signer.verifier))]
        entries = 0
        async for part in exporting.export(self.db, scope, None):
            if not isinstance(part, Disclosure):
                entries += isinstance(part, Exported)
                lines.append(_line(wire.exported(part, self.signer.verifier)))
        return "".join((*lines, _line(wire.export_end(entries))))

    def _verify(self, segment: bytes, name: str, scope: Scope) -> None:
        """Raises SegmentBroken unless the file holds every entry of the scope as it was signed."""
        judge = Judge(self.signer.verifier.keys, part=True)
        try:
            for line in gzip.decompress(segment).decode().splitlines():
                judge.take(line)
            found = judge.verdict()
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise SegmentBroken(f"{name} cannot be read back, and nothing is removed: {error}") from None
        if found.problems:
            one = found.problems[0]
            raise SegmentBroken(
                f"{name} does not verify, and nothing is removed: {one.kind.value} {one.index}: {one.message}"
            )
        end = scope.end.tree_size
        if (found.first, found.tree_size, found.entries, found.filter) != (
            scope.first,
            end,
            end - scope.first,
            "",
        ):
            raise SegmentBroken(f"{name} is about other entries, and nothing is removed")

    async def _remove(self) -> None:
        """Removes the entries of what is archived, some at a time."""
        while True:
            async with self.db.begin(idempotent=False, audited=False) as tx:
                if not await store.remove_archived(tx, _CHUNK):
                    return


@dataclass(frozen=True, slots=True)
class Archivist:
    """Archives what is older than `age` once a day. `run` is a background task."""

    db: Database
    signing: Signing
    shelf: "Shelf"
    age: timedelta

    async def run(self) -> None:
        """Archives, and again after a day, or after an hour where it could not, for ever."""
        while True:
            done = await self.archive(datetime.now(UTC) - self.age)
            await asyncio.sleep(_DAY if done else _HOUR)

    async def archive(self, before: datetime) -> bool:
        """Archives what is older than a time; whether it could be. What hindered it is in the service's log."""
        try:
            async for one in Archive(self.db, self.signing(), self.shelf).run(before):
                log.info(
                    "entries were archived", extra={"place": one.place, "first": one.first, "end": one.end}
                )
        except (PlaceUnreachable, SegmentBroken) as error:
            log.error("entries could not be archived", extra={"place": self.shelf.name, "error": str(error)})
            return False
        return True


def _line(piece: wire.Piece) -> str:
    text = json_format.MessageToJson(piece, indent=None, always_print_fields_with_no_presence=True)
    return f"{text}\n"
