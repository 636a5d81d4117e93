"""Shows entries as they are recorded. Each watch reads for itself, so nothing is kept for a client that is slow."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from audit import store
from audit.domain import Leaf
from audit.personal import Disclosure, tokens
from chassis.database import Database, Transaction
from chassis.errors import Exhausted, OutOfRange

WINDOW: Final = 1000
"""How many entries are looked at in one read."""
MOST: Final = 50
"""How many may watch in one process."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things happen, in seconds."""

    keep_alive: float = 15.0
    poll: float = 1.0
    """How often is looked for what another replica appended."""
    breath: float = 0.1
    """Between two looks, however often something is appended."""
    longest: float = 3600.0
    """How long a watch lasts: whoever may not read any more finds out then."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a watch saw: entries, what their commitments are about, and where it goes on."""

    leaves: tuple[Leaf, ...]
    disclosures: tuple[Disclosure, ...]
    next_index: int
    live: bool
    """Whether there is no more for now."""


class Watches:
    """The watches of a process."""

    def __init__(self, db: Database, pace: Pace | None = None) -> None:
        self._db = db
        self._pace = pace or Pace()
        self._grown = asyncio.Event()
        self._open = 0

    def grown(self) -> None:
        """Says that entries were appended here."""
        self._grown.set()
        self._grown = asyncio.Event()

    async def watch(
        self,
        condition: store.Condition,
        first: int | None,
        newest: int,
        draining: asyncio.Event,
        expires_at: datetime | None,
    ) -> AsyncIterator[Seen]:
        """The entries from index `first` on that fulfil the condition, or from the `newest` ones on, as they come.

        What brings no entry says that there is no more for now, or nothing since 15 seconds. It ends when the process
        stops, the credential expires, or after an hour. Raises OutOfRange POSITION_OUT_OF_RANGE and Exhausted
        TOO_MANY_REQUESTS.
        """
        with self._counted():
            until = time.monotonic() + self._lasting(expires_at)
            grown = self._grown
            seen = await self._begin(condition, first, newest)
            yield seen
            said, lived = time.monotonic(), seen.live
            while not draining.is_set() and time.monotonic() < until:
                if seen.live:
                    await self._wait(grown)
                grown = self._grown
                seen = await self._look(condition, seen.next_index)
                silent = time.monotonic() - said >= self._pace.keep_alive
                if seen.leaves or (seen.live and not lived) or silent:
                    yield seen
                    said, lived = time.monotonic(), lived or seen.live

    async def _begin(self, condition: store.Condition, first: int | None, newest: int) -> Seen:
        async with self._db.read() as tx:
            size = await _size(tx)
            if first is None:
                leaves = await store.page_before(tx, condition, size, newest)
                return await _seen(tx, leaves[::-1], size, live=True)
            gone = await store.archived(tx)
        if not gone <= first <= size:
            raise OutOfRange(
                "POSITION_OUT_OF_RANGE",
                f"the log has {size} entries, {gone} of them archived: from_index may be {gone} to {size}, not {first}",
                metadata={"first_index": str(gone), "tree_size": str(size)},
            )
        return await self._look(condition, first)

    async def _look(self, condition: store.Condition, first: int) -> Seen:
        """The next entries from index `first` on. What cannot be read as an entry is left to VerifyLog."""
        async with self._db.read() as tx:
            size = await _size(tx)
            end = min(first + WINDOW, size)
            rows = await store.stored_between(tx, first, end, condition) if first < end else {}
            leaves = [Leaf(row.entry, row.leaf_hash) for row in rows.values() if row.entry is not None]
            return await _seen(tx, leaves, end, live=end == size)

    async def _wait(self, grown: asyncio.Event) -> None:
        """Until something was appended since `grown` was taken, or may have been elsewhere."""
        await asyncio.sleep(self._pace.breath)
        try:
            async with asyncio.timeout(self._pace.poll):
                await grown.wait()
        except TimeoutError:
            return

    def _lasting(self, expires_at: datetime | None) -> float:
        if expires_at is None:
            return self._pace.longest
        return min(self._pace.longest, (expires_at - datetime.now(UTC)).total_seconds())

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._open >= MOST:
            raise Exhausted(
                "TOO_MANY_REQUESTS",
                f"{MOST} watches of the action log are open; end one, or try again later",
                retry_after=10,
                quota={"action_log": f"{MOST} watches at once"},
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


async def _size(tx: Transaction) -> int:
    newest = await store.newest_checkpoint(tx)
    return newest.tree_size if newest is not None else 0


async def _seen(tx: Transaction, leaves: list[Leaf], next_index: int, *, live: bool) -> Seen:
    found = await store.disclosures(tx, {token for leaf in leaves for token in tokens(leaf.entry)})
    return Seen(tuple(leaves), tuple(found), next_index, live)
