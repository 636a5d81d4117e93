"""WatchRuns: the newest runs that fit a filter, a mark, then each as it changes.

What changed is heard in this process and over NATS, and now and then looked for in PostgreSQL, which alone is asked
what the runs are. Watchers with one filter share the answers. A watcher is told what a run is now, not each change.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from chassis import filtering
from chassis.bus import Bus
from chassis.database import Database
from chassis.errors import Exhausted, FieldViolation, Invalid, ServiceError
from chassis.filtering import Filter
from engine.domain import RunStatus
from engine.hub import Hub
from engine.records import RunRecord
from engine.sight import Sight
from engine.store import runs as store
from engine.store.runs import Reader
from engine.wire import runs as wire
from mcpanel.engine.v1 import engine_pb2, run_pb2

log = logging.getLogger(__name__)

Message = engine_pb2.WatchRunsResponse
_BATCH: Final = 500
_GATHER: Final = 0.1
"""Seconds between two answers to the watchers of one filter."""
_POLL_SLOWLY: Final = 5.0
_SLACK: Final = timedelta(seconds=60)
"""How long before its commit a transition may have taken its time: longer than any does."""
_MOST_KNOWN: Final = 20_000
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
MAX_WAITING: Final = 10_000
"""How many changed runs may wait for a slow client before its stream is closed."""


class Wish(NamedTuple):
    """What a watcher asks for."""

    filter: str = ""
    size: int = 50
    """How many of the newest to begin with."""
    cursor: str = ""


@dataclass(slots=True, eq=False)
class Member:
    """One watcher: what it has sent, and what waits to be sent; None is a run that fits no longer."""

    limit: int
    sent: "OrderedDict[str, int]" = field(default_factory=OrderedDict)
    waiting: dict[str, run_pb2.Run | None] = field(default_factory=dict)
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    moment: datetime = _NEVER
    overflowed: bool = False

    def put(self, moment: datetime, asked: Iterable[str], found: Mapping[str, run_pb2.Run]) -> None:
        """Takes what became of the runs that were asked for."""
        for run_id in asked:
            run = found.get(run_id)
            if run is not None or run_id in self.sent or run_id in self.waiting:
                self.waiting[run_id] = run
        self.moment = moment
        self.overflowed = self.overflowed or len(self.waiting) > self.limit
        self.bell.set()

    def forget(self) -> list[str]:
        """The runs that were sent or wait to be, of which what waits is not sent: they have to be asked for anew."""
        self.bell.clear()
        asked = [*self.sent, *(self.waiting.keys() - self.sent.keys())]
        self.waiting.clear()
        return asked

    def knows(self, run_id: str, seq: int) -> None:
        """Notes that the client knows the run as it was at that event. Only the newest are remembered."""
        self.sent[run_id] = seq
        self.sent.move_to_end(run_id)
        if len(self.sent) > _MOST_KNOWN:
            self.sent.popitem(last=False)

    def take(self) -> tuple[list[tuple[str, run_pb2.Run | None]], datetime]:
        """What is news to the client, and the moment it is from."""
        self.bell.clear()
        waiting, self.waiting = self.waiting, {}
        news: list[tuple[str, run_pb2.Run | None]] = []
        for run_id, run in waiting.items():
            if run is None:
                if self.sent.pop(run_id, None) is not None:
                    news.append((run_id, None))
            elif self.sent.get(run_id, -1) < run.last_seq:
                self.knows(run_id, run.last_seq)
                news.append((run_id, run))
        return news, self.moment


class Group:
    """The watchers of one filter who see the same runs, and the changes they have not heard of."""

    def __init__(self, text: str, wanted: Filter | None, reader: Reader) -> None:
        """`wanted` is the filter `text`, read."""
        self.key = (reader, text)
        self.wanted = wanted
        self.reader = reader
        self.members: set[Member] = set()
        self.changed: dict[str, None] = {}
        self.asked: list[str] = []
        self.bell = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def add(self, run_ids: Iterable[str]) -> None:
        """Runs changed."""
        self.changed.update(dict.fromkeys(run_ids))
        self.bell.set()

    def unheard(self) -> list[str]:
        """The runs that changed of which the members were not told."""
        return [*self.asked, *self.changed]

    def take(self) -> list[str]:
        """The runs to ask for next."""
        self.asked = taken = list(self.changed)[:_BATCH]
        for one in taken:
            del self.changed[one]
        if not self.changed:
            self.bell.clear()
        return taken


class Feed:
    """Serves WatchRuns."""

    def __init__(
        self,
        db: Database,
        hub: Hub,
        bus: Bus,
        *,
        keep_alive: float = 15.0,
        poll: float = 1.0,
        limit: int = MAX_WAITING,
    ) -> None:
        """`keep_alive` and `poll`, how often PostgreSQL is asked while NATS is away, in seconds."""
        self._db = db
        self._hub = hub
        self._bus = bus
        self._keep_alive = keep_alive
        self._poll = poll
        self._limit = limit
        self._groups: dict[tuple[Reader, str], Group] = {}
        self._live: dict[bytes, int] | None = None
        self._recent: dict[bytes, int] = {}
        self._looking = asyncio.Lock()

    async def watch(self, wish: Wish, sight: Sight, draining: asyncio.Event) -> AsyncIterator[Message]:
        """The stream. Raises Invalid INVALID_FILTER and INVALID_CURSOR, Exhausted when the client is too slow.

        What the watcher may not see any more leaves the stream, as what fits its filter no longer does.
        """
        since = _moment(wish.cursor)
        wanted = filtering.parse(wish.filter)
        async with self._db.read() as tx:  # what is wrong with the filter is said before anything is set up
            await store.among(tx, wanted, sight.reader, [])
        member, sent = Member(self._limit), 0
        group = self._join(Group(wish.filter, wanted, sight.reader), member)
        try:
            if self._live is None:
                await self._look()
            async with self._db.read() as tx:
                rows = await store.page_after(tx, wanted, sight.reader, None, wish.size)
                waits = await store.waiting_for(tx, _live(rows))
                cursor = _cursor(tx.now)
                cut = None if since is None else min(since, tx.now) - _SLACK
            for row in rows:
                member.knows(row.id, row.last_seq)
                if cut is None or row.ended_at is None or row.ended_at >= cut:
                    sent += 1
                    yield Message(run=wire.run(row, waits.get(row.id, "")))
            yield Message(live=Message.Live(run_ids=[one.id for one in rows]), cursor=cursor)
            while not draining.is_set():
                if not await self._rings(member, draining):
                    if not draining.is_set():
                        yield Message(keep_alive=Message.KeepAlive(), cursor=cursor)
                    continue
                if await sight.moved():
                    asked = [*group.unheard(), *member.forget()]
                    self._leave(group, member)
                    group = self._join(Group(wish.filter, wanted, sight.reader), member)
                    group.add(asked)
                    continue
                news, moment = member.take()
                for number, (run_id, run) in enumerate(news, 1):
                    self._check(member, cursor)
                    if number == len(news):  # a client that comes back earlier has not seen all of them
                        cursor = _cursor(moment)
                    sent += 1
                    yield (
                        Message(left=run_id, cursor=cursor)
                        if run is None
                        else Message(run=run, cursor=cursor)
                    )
            yield Message(end=Message.End(sent=sent), cursor=cursor)
        finally:
            self._leave(group, member)

    async def _rings(self, member: Member, draining: asyncio.Event) -> bool:
        """Waits for news; False when there were none for as long as a stream may be silent, or none will come."""
        until = time.monotonic() + self._keep_alive
        while not draining.is_set():
            if member.bell.is_set():
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, 1.0)):
                    await member.bell.wait()
        return False

    @staticmethod
    def _check(member: Member, cursor: str) -> None:
        if member.overflowed:
            raise Exhausted(
                "WATCHER_TOO_SLOW",
                "the runs were read too slowly; watch again from the cursor",
                metadata={"cursor": cursor},
                retry_after=1,
            )

    def _join(self, fresh: Group, member: Member) -> Group:
        """The group that is alike, with the member in it: `fresh` where there is none."""
        if not self._groups:
            self._hub.listen(self._changed)
        group = self._groups.setdefault(fresh.key, fresh)
        group.members.add(member)
        if group.task is None:
            group.task = asyncio.create_task(self._serve(group), name="watchers of runs")
        return group

    def _leave(self, group: Group, member: Member) -> None:
        group.members.discard(member)
        if group.members:
            return
        if group.task is not None:
            group.task.cancel()
        del self._groups[group.key]
        if not self._groups:
            self._hub.ignore(self._changed)

    def _changed(self, run_id: str) -> None:
        for group in self._groups.values():
            group.add([run_id])

    async def _serve(self, group: Group) -> None:
        """Asks what became of runs that changed, and tells the group, for as long as it has members."""
        while True:
            await group.bell.wait()
            asked = group.take()
            try:
                async with self._db.read() as tx:
                    rows = await store.among(tx, group.wanted, group.reader, asked)
                    waits = await store.waiting_for(tx, _live(rows))
                    now = tx.now
            except (DBAPIError, ServiceError, OSError) as error:
                log.warning("the changed runs could not be read", extra={"error": type(error).__name__})
                group.add(asked)
                await asyncio.sleep(self._poll)
                continue
            found = {one.id: wire.run(one, waits.get(one.id, "")) for one in rows}
            for member in group.members:
                member.put(now, asked, found)
            await asyncio.sleep(_GATHER)

    async def run(self) -> None:
        """Looks for ever for changes that nobody told of: often while NATS is away, and now and then besides.

        Without watchers too, so that the first need not wait for a look.
        """
        last = time.monotonic()
        while True:
            await asyncio.sleep(self._poll)
            is_told = self._bus.connected or not self._groups
            if is_told and time.monotonic() - last < _POLL_SLOWLY:
                continue
            last = time.monotonic()
            try:
                await self._look()
            except (DBAPIError, ServiceError, OSError) as error:
                log.warning("changed runs could not be looked for", extra={"error": type(error).__name__})

    async def _look(self) -> None:
        """Finds the runs that are not as they were when this looked before; the first look only takes note."""
        async with self._looking:
            async with self._db.read() as tx:
                live = await store.seqs_of_live(tx, _MOST_KNOWN)
                recent = await store.seqs_since(tx, tx.now - _SLACK, _MOST_KNOWN)
            before, self._live = self._live, live
            known, self._recent = self._recent, recent
            if before is None or not self._groups:
                return
            changed = {one for one, seq in live.items() if before.get(one, known.get(one)) != seq}
            changed |= {one for one, seq in recent.items() if known.get(one, before.get(one)) != seq}
            changed |= before.keys() - live.keys()
            if changed:
                run_ids = [str(UUID(bytes=one)) for one in changed]
                for group in self._groups.values():
                    group.add(run_ids)


def _live(rows: Sequence[RunRecord]) -> list[RunRecord]:
    return [one for one in rows if not RunStatus(one.status).ended]


def _cursor(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1_000_000))


def _moment(cursor: str) -> datetime | None:
    """The moment a cursor stands for; None for none. Raises Invalid INVALID_CURSOR."""
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 16):
        raise Invalid(
            "INVALID_CURSOR",
            "the cursor is none that WatchRuns gave out; watch without it",
            fields=[FieldViolation("cursor", "is none that WatchRuns gave out")],
        )
    return datetime.fromtimestamp(int(cursor) / 1_000_000, UTC)
