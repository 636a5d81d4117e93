"""Refused calls in the action log: who was turned away, from where, how often."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.dialects.postgresql import insert

from chassis import outbox
from chassis.context import Call, use, utcnow
from chassis.database import Database
from chassis.errors import Denied, ServiceError, Unauthenticated
from chassis.jsonvalue import Json
from chassis.telemetry import REFUSALS

log = logging.getLogger(__name__)

RefusalHook = Callable[[Call, ServiceError], None]
"""Called for each call that authentication or policy refused; must return at once and never raise."""

DENIED: Final = "ACCESS_DENIED"
UNAUTHENTICATED: Final = "AUTHENTICATION_REFUSED"
_BUFFER: Final = 1000
_SECONDS: Final = 1.0


def note_refusal(hook: RefusalHook | None, call: Call, error: ServiceError) -> None:
    """Tells the hook about an error that is a refusal."""
    if isinstance(error, (Denied, Unauthenticated)):
        REFUSALS.labels(error.code).inc()
        if hook is not None:
            hook(call, error)


@dataclass(slots=True)
class _Group:
    repeat: dict[str, Json]
    """The record of those after the first; written when there were any."""
    count: int = 0


class RefusalLog:
    """A RefusalHook that writes refusals to the outbox, batched, outside the refused call.

    A known caller's refusals are recorded one by one. Of unknown callers the first is recorded at once; further
    ones of the same address, reason and minute are counted, and recorded together when the minute is over, so
    that a flood of bad credentials becomes two lines a minute, not a table. `run()` is a background task.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._records: list[dict[str, Json]] = []
        self._groups: dict[tuple[str, str, datetime], _Group] = {}
        self._lost = 0

    def __call__(self, call: Call, error: ServiceError) -> None:
        """Remembers one refusal."""
        now = utcnow()
        if call.caller.kind == "anonymous":
            key = (call.client_address, error.reason, now.replace(second=0, microsecond=0))
            group = self._groups.get(key)
            if group is not None:
                group.count += 1
            elif len(self._groups) < _BUFFER:
                self._groups[key] = _Group(_record(UNAUTHENTICATED, now, call, error))
                self._records.append(_record(UNAUTHENTICATED, now, call, error))
            else:
                self._lost += 1
        elif len(self._records) < _BUFFER:
            self._records.append(_record(DENIED, now, call, error))
        else:
            self._lost += 1

    async def run(self) -> None:
        """Writes what was remembered, every second, for ever; repeats of a finished minute once."""
        try:
            while True:
                await asyncio.sleep(_SECONDS)
                await self.flush()
        finally:
            with use(None):
                await asyncio.shield(self.flush(everything=True))

    async def flush(self, *, everything: bool = False) -> None:
        """Writes what is due; with `everything`, also the current minute's. Keeps it when the database is
        away.
        """
        minute = utcnow().replace(second=0, microsecond=0)
        due = [key for key in self._groups if everything or key[2] < minute]
        rows = list(self._records)
        for key in due:
            group = self._groups[key]
            details = group.repeat["details"]
            if group.count and isinstance(details, dict):
                details["count"] = group.count
                rows.append(group.repeat)
            else:
                del self._groups[key]
        if not rows:
            return
        taken = len(self._records)
        try:
            async with self._db.begin(idempotent=False, audited=False) as tx:
                await tx.execute(_insert(self._db.tables.outbox, rows))
                tx.outboxed += len(rows)
        except Exception as error:  # the database may be away for a while: what is kept is bounded
            log.warning(
                "refusals could not be recorded yet",
                extra={"error": type(error).__name__, "count": len(rows)},
            )
            return
        del self._records[:taken]
        for key in due:
            self._groups.pop(key, None)
        if self._lost:
            log.warning("refusals were too many to record each", extra={"count": self._lost})
            self._lost = 0


def _record(action: str, now: datetime, call: Call, error: ServiceError) -> dict[str, Json]:
    details: dict[str, Json] = {"reason": error.reason, "message": error.message}
    if call.rule is not None and call.rule.permission:
        details["permission"] = str(call.rule.permission)
    return outbox.record(
        action, now, call, entity=("method", call.rpc), details=details, outcome=error.reason
    )


def _insert(table: Any, rows: list[dict[str, Json]]) -> Any:
    values = [{"record_id": row["record_id"], "record": row} for row in rows]
    return insert(table).values(values).on_conflict_do_nothing(index_elements=[table.c.record_id])
