"""Calls that came to nothing, in the action log: who was turned away or failed, from where, how often."""

import asyncio
import ipaddress
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.dialects.postgresql import insert

from chassis import outbox
from chassis.authentication.tokens import WHOSE
from chassis.context import Call, use, utcnow
from chassis.database import Database
from chassis.errors import Denied, Exhausted, Invalid, NotFound, ServiceError, Unauthenticated
from chassis.jsonvalue import Json
from chassis.rules import about
from chassis.signals import Signal
from chassis.telemetry import REFUSALS, REFUSALS_WAITING

log = logging.getLogger(__name__)

RefusalHook = Callable[[Call, ServiceError], Awaitable[None]]
"""Awaited for each call that failed, before it is answered; takes a quarter of a second at most and never raises."""

DENIED: Final = "ACCESS_DENIED"
UNAUTHENTICATED: Final = "AUTHENTICATION_REFUSED"
_EACH: Final = 30
"""How many of a kind a known caller's are recorded one by one in a minute."""
_MOST_GROUPS: Final = 1000
_MOST_WAITING: Final = 1000
_SECONDS: Final = 1.0
_PATIENCE: Final = 0.25
"""Seconds that an answer waits for its record."""
_LONGEST_MESSAGE: Final = 500
_LONGEST_ID: Final = 200


async def note_failure(hook: RefusalHook | None, call: Call, error: ServiceError) -> None:
    """Tells the hook about a call that failed."""
    if isinstance(error, (Denied, Unauthenticated)):
        REFUSALS.labels(error.code).inc()
    if hook is not None:
        await hook(call, error)


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a failed call is to the action log."""

    action: str
    each: int
    """How many of its kind are recorded one by one in a minute; further ones are counted."""
    kind: tuple[str, ...]


@dataclass(slots=True)
class _Group:
    """What failed alike within a minute."""

    each: int = 0
    count: int = 0
    """How many there were after those that were recorded one by one."""
    repeat: dict[str, Json] | None = None
    """The record of these."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    record: dict[str, Json]
    written: asyncio.Future[None] | None


class RefusalLog:
    """A RefusalHook that writes to the outbox, batched, before the failed call is answered.

    Recorded are refusals of whoever called, what exists and was not shown, and every failure of an RPC whose rule names
    an action, under that action, with the error's reason as outcome. Of unknown callers, and of requests that were
    wrong by themselves, the first is recorded and further ones of the same address (or caller), reason and minute are
    counted, and recorded together when the minute is over; of a known caller's other failures that begins with the
    31st. So a flood becomes some lines a minute, not a table. While the database is away the records wait here, and
    what is too much for that is counted. `run()` is a background task.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: list[_Waiting] = []
        self._groups: dict[tuple[datetime, tuple[str, ...]], _Group] = {}
        self._wake = Signal()
        self._away = False

    async def __call__(self, call: Call, error: ServiceError) -> None:
        """Records one failed call."""
        written = self.remember(call, error)
        if written is None or self._away:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await asyncio.shield(written)

    def remember(self, call: Call, error: ServiceError) -> asyncio.Future[None] | None:
        """Keeps what is to be recorded; returns what is done when it is, or None when it was only counted."""
        failure = _failure(call, error)
        if failure is None:
            return None
        now = utcnow()
        minute = now.replace(second=0, microsecond=0)
        key = (minute, failure.kind)
        if key not in self._groups and len(self._groups) >= _MOST_GROUPS:
            key = (minute, (failure.action,))  # of whomever
        group = self._groups.setdefault(key, _Group())
        if group.each < failure.each and len(self._waiting) < _MOST_WAITING and key[1] == failure.kind:
            group.each += 1
            written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(_Waiting(_record(failure, now, call, error), written))
            self._wake.set()
            REFUSALS_WAITING.set(len(self._waiting))
            return written
        if group.repeat is None:
            group.repeat = _record(failure, now, call, error)
        group.count += 1
        return None

    async def run(self) -> None:
        """Writes what is to be recorded at once, for ever, and what was counted in a minute when it is over."""
        try:
            while True:
                if self._away:
                    await asyncio.sleep(_SECONDS)
                else:
                    await self._wake.wait(_SECONDS)
                await self.flush()
        finally:
            with use(None):
                await asyncio.shield(self.flush(everything=True))

    async def flush(self, *, everything: bool = False) -> None:
        """Writes what is due; with `everything`, also the current minute's. Keeps it when the database is
        away.
        """
        minute = utcnow().replace(second=0, microsecond=0)
        due = [key for key in self._groups if everything or key[0] < minute]
        taken = list(self._waiting)
        rows = [one.record for one in taken] + [
            _counted(group.repeat, group.count)
            for group in map(self._groups.__getitem__, due)
            if group.repeat is not None
        ]
        if rows and not await self._written(rows):
            return
        del self._waiting[: len(taken)]
        REFUSALS_WAITING.set(len(self._waiting))
        for one in taken:
            if one.written is not None and not one.written.done():
                one.written.set_result(None)
        for key in due:
            del self._groups[key]

    async def _written(self, rows: list[dict[str, Json]]) -> bool:
        try:
            async with self._db.begin(idempotent=False, audited=False) as tx:
                await tx.execute(_insert(self._db.tables.outbox, rows))
                tx.outboxed += len(rows)
        except Exception as error:  # the database may be away for a while: what is kept is bounded
            self._away = True
            log.warning(
                "failed calls could not be recorded yet",
                extra={"error": type(error).__name__, "count": len(rows)},
            )
            return False
        self._away = False
        return True


def _failure(call: Call, error: ServiceError) -> _Failure | None:
    """What a failed call is to the action log; None where it is nothing, or recorded already."""
    if call.audited:
        return None
    anonymous = call.caller.kind == "anonymous"
    held_up = isinstance(error, Exhausted) and error.metadata.get("subject") == "caller"
    if isinstance(error, Unauthenticated) or (anonymous and (held_up or isinstance(error, Denied))):
        return _Failure(
            UNAUTHENTICATED, 1, (UNAUTHENTICATED, _who(call), error.reason, *_whose(call, error).values())
        )
    if isinstance(error, Denied) or (isinstance(error, NotFound) and error.hidden):
        return _Failure(DENIED, _EACH, (DENIED, _who(call), call.method, error.reason))
    if not call.action or getattr(call.request, "validate_only", False):
        return None
    each = 1 if anonymous or isinstance(error, Invalid) else _EACH
    return _Failure(call.action, each, (call.action, _who(call), error.reason))


def _who(call: Call) -> str:
    """What failures are counted by: the caller, or an unknown one's address; an IPv6 client's is its /64."""
    if call.caller.kind != "anonymous":
        return f"{call.caller.id}/{call.caller.effective.id}"
    try:
        address = ipaddress.ip_address(call.client_address)
    except ValueError:
        return call.client_address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _record(failure: _Failure, now: datetime, call: Call, error: ServiceError) -> dict[str, Json]:
    details: dict[str, Json] = {"reason": error.reason, "message": error.message[:_LONGEST_MESSAGE]}
    if call.rule is not None and call.rule.permission:
        details["permission"] = str(call.rule.permission)
    kind, name = ("method", call.rpc) if failure.action == UNAUTHENTICATED else _about(call, error)
    if kind == "user" and name == "me":
        name = call.caller.effective.id
    if kind == "user" and not _is_id(name):  # an email address: entities' ids are in the open
        details["user"], name = name, ""
    entry = outbox.record(
        failure.action,
        now,
        call,
        entity=(kind, name),
        details=details,
        outcome=error.reason,
        personal=["message", "user"],  # a message may name what somebody sent
    )
    if isinstance(actor := entry["actor"], dict):
        actor.update(_whose(call, error))
    return entry


def _whose(call: Call, error: ServiceError) -> dict[str, str]:
    """Which key or session it was that an unknown caller showed, where its secret was right and it counts no more."""
    if call.caller.kind != "anonymous":
        return {}
    return {name: error.metadata[name] for name in WHOSE if name in error.metadata}


def _about(call: Call, error: ServiceError) -> tuple[str, str]:
    """What a call was about: what its request names, else what the error is about, else the method."""
    found = error.resource if error.resource is not None and error.resource[0] != "method" else None
    asked = about(call.rule, call.request) if call.rule is not None and call.request is not None else None
    if asked is not None and (found is None or found[0] == asked[0]):
        found = asked  # errors may name by a name what is recorded by its id
    if found is None:
        return "method", call.rpc
    kind, name = found
    return kind, name.replace("\0", "")[:_LONGEST_ID]  # nobody has validated it


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _counted(record: dict[str, Json], count: int) -> dict[str, Json]:
    details = record["details"]
    return record | {"details": {**(details if isinstance(details, dict) else {}), "count": count}}


def _insert(table: Any, rows: list[dict[str, Json]]) -> Any:
    values = [{"record_id": row["record_id"], "record": row} for row in rows]
    return insert(table).values(values).on_conflict_do_nothing(index_elements=[table.c.record_id])
