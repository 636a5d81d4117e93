"""WatchRun: recorded events, a mark, live events, the end; gapless, from any position, whatever breaks in between."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import DBAPIError

from chassis.bus import Bus
from chassis.database import Database
from chassis.errors import Exhausted, OutOfRange, ServiceError, Unavailable
from engine.domain import RunStatus
from engine.hub import Hub, Live, Subscription
from engine.reads import Reads
from engine.records import EventRecord
from engine.store import runs as store
from engine.store import watching
from engine.wire import events as wire
from engine.words import counted
from mcpanel.engine.v1 import engine_pb2, run_pb2

log = logging.getLogger(__name__)

Message = engine_pb2.WatchRunResponse
_PAGE: Final = 500
_FIRST: Final = 50
_POLL_SLOWLY: Final = 5.0
_GATHER: Final = 0.02
"""Seconds between two looks whether a run has ended of which more is heard than is kept."""
_ALL: Final = store.Reader(None)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things happen, in seconds."""

    keep_alive: float = 15.0
    poll: float = 1.0
    """How often PostgreSQL is asked while NATS is away."""
    stalled: float = 15.0
    """How long a client may take for one message before it is told to come back."""


class Watcher:
    """Serves WatchRun."""

    def __init__(self, db: Database, reads: Reads, hub: Hub, pace: Pace | None = None) -> None:
        self._db = db
        self._reads = reads
        self._hub = hub
        self._pace = pace or Pace()

    async def watch(
        self, run_id: str, after_seq: int, reader: store.Reader, draining: asyncio.Event
    ) -> AsyncIterator[Message]:
        """The stream. Raises NotFound, OutOfRange, Exhausted when the client is too slow, Unavailable when draining."""
        subscription = self._hub.subscribe(run_id)
        try:
            found, rows = await self._reads.run(
                watching.position_sql(run_id, reader), watching.events_sql(run_id, after_seq - 1, _FIRST)
            )
            if not found:
                raise store.not_found(run_id)
            status, last_seq = found[0]
            if after_seq > last_seq:
                raise OutOfRange(
                    "POSITION_OUT_OF_RANGE",
                    f"run '{run_id}' has {counted(last_seq, 'event')}; after_seq {after_seq} does not exist yet",
                    metadata={"last_seq": str(last_seq)},
                )
            recorded = watching.to_events(rows)
            if RunStatus(status).ended and after_seq < last_seq:
                refuse_pruned(run_id, last_seq, recorded)
            is_over = RunStatus(status).ended and after_seq == last_seq
            # A client that comes back after the end hears the end again, or it would come back for ever.
            subscription.seen = after_seq - is_over
            async for event in self._recorded(subscription, recorded):
                yield Message(event=event)
                is_over = event.HasField("end")
            if is_over:
                return
            yield Message(live=Message.Live(seq=subscription.seen))
            while not is_over:
                started = time.monotonic()
                async for message in self._next(subscription, draining):
                    yield message
                    is_over = message.HasField("event") and message.event.HasField("end")
                    self._check(subscription, started)
                    started = time.monotonic()
        finally:
            self._hub.unsubscribe(subscription)

    async def require(self, run_id: str, reader: store.Reader) -> None:
        """Returns when the reader may see the run. Raises NotFound."""
        [found] = await self._reads.run(watching.position_sql(run_id, reader))
        if not found:
            raise store.not_found(run_id)

    async def until_ended(self, run_id: str, draining: asyncio.Event) -> AsyncIterator[None]:
        """Ends when the run has; before that a sign of life now and then. Of its events, however many, none is read.

        Raises NotFound, and Unavailable when this process is stopping.
        """
        subscription = self._hub.subscribe(run_id)
        heard = time.monotonic()
        try:
            while not await self._has_ended(run_id):
                await asyncio.sleep(_GATHER)
                while True:
                    _refuse_draining(draining)
                    if time.monotonic() - heard >= self._pace.keep_alive:
                        heard = time.monotonic()
                        yield None
                    if self._may_have_ended(subscription):
                        break
                    await subscription.wait(min(self._pace.keep_alive, 1.0))
        finally:
            self._hub.unsubscribe(subscription)

    async def _has_ended(self, run_id: str) -> bool:
        [found] = await self._reads.run(watching.position_sql(run_id, _ALL))
        if not found:
            raise store.not_found(run_id)
        return RunStatus(found[0][0]).ended

    @staticmethod
    def _may_have_ended(subscription: Subscription) -> bool:
        """Whether the end has come, or something was missed that may have been it."""
        missed = subscription.overflowed
        subscription.overflowed = False
        live = subscription.take()
        missed = missed or (not live and subscription.is_behind())
        subscription.seen = max([subscription.seen, subscription.known, *(one.seq for one in live)])
        return missed or any(one.event.HasField("end") for one in live)

    def _check(self, subscription: Subscription, started: float) -> None:
        """A client that let its queue overflow while it took one message is not following."""
        if subscription.overflowed and time.monotonic() - started > self._pace.stalled:
            raise Exhausted(
                "WATCHER_TOO_SLOW",
                "the events were read too slowly; watch again from the last one",
                metadata={"last_seq": str(subscription.seen)},
                retry_after=1,
            )

    async def _next(self, subscription: Subscription, draining: asyncio.Event) -> AsyncIterator[Message]:
        """What comes next: live events, what was missed of them, or a sign of life."""
        until = time.monotonic() + self._pace.keep_alive
        while True:
            _refuse_draining(draining)
            live = subscription.take()
            if live or subscription.is_behind():
                break
            left = until - time.monotonic()
            if left <= 0:
                yield Message(keep_alive=Message.KeepAlive())
                return
            await subscription.wait(min(left, 1.0))
        for event in self._in_order(subscription, live):
            yield Message(event=event)
        if subscription.is_behind():
            async for event in self._recorded(subscription):
                yield Message(event=event)

    @staticmethod
    def _in_order(subscription: Subscription, live: Sequence[Live]) -> list[run_pb2.RunEvent]:
        """The live events that follow without a gap on what was seen; a gap is read from the record."""
        found = []
        for one in live:
            if one.seq == subscription.seen + 1:
                subscription.seen = one.seq
                found.append(one.event)
            elif one.seq > subscription.seen:
                subscription.known = max(subscription.known, one.seq)
        return found

    async def _recorded(
        self, subscription: Subscription, first: Sequence[EventRecord] = ()
    ) -> AsyncIterator[run_pb2.RunEvent]:
        """The recorded events after what was seen, of which the `first` were read already."""
        subscription.overflowed = False
        for record in first:
            if record.seq > subscription.seen:
                subscription.seen = record.seq
                yield wire.event(record)
        if first and len(first) < _FIRST:
            return
        while True:
            known = subscription.known
            async with self._db.read() as tx:
                page = await store.events_after(tx, subscription.run_id, subscription.seen, _PAGE)
            for record in page:
                subscription.seen = record.seq
                yield wire.event(record)
            if len(page) < _PAGE:
                if subscription.known == known:  # whatever was announced beyond what there is does not exist
                    subscription.known = min(known, subscription.seen)
                return


def _refuse_draining(draining: asyncio.Event) -> None:
    if draining.is_set():
        raise Unavailable("DRAINING", "this process is stopping; watch again from the last event")


def refuse_pruned(run_id: str, last_seq: int, recorded: Sequence[EventRecord]) -> None:
    """Raises OutOfRange POSITION_OUT_OF_RANGE when there is nothing where events of an ended run should be."""
    if not recorded:
        raise OutOfRange(
            "POSITION_OUT_OF_RANGE",
            f"the events of run '{run_id}' are not kept any more; the run itself tells how it ended",
            metadata={"last_seq": str(last_seq)},
        )


class Poller:
    """Asks PostgreSQL how far the watched runs are: often while NATS is away, and now and then besides."""

    def __init__(self, db: Database, hub: Hub, bus: Bus, pace: Pace | None = None) -> None:
        self._db = db
        self._hub = hub
        self._bus = bus
        self._pace = pace or Pace()

    async def run(self) -> None:
        """Asks for ever."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(self._pace.poll)
            if self._bus.connected and time.monotonic() - last < _POLL_SLOWLY:
                continue
            last = time.monotonic()
            watched = self._hub.watched()
            try:
                for start in range(0, len(watched), 1000):
                    async with self._db.read() as tx:
                        seqs = await store.last_seqs(tx, watched[start : start + 1000])
                    self._hub.reached(seqs)
            except (DBAPIError, ServiceError, OSError) as error:
                log.warning("the watched runs could not be looked up", extra={"error": type(error).__name__})
