"""Rate limits: when the next attempt under a key may begin (the generic cell rate algorithm, ITU-T I.371)."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from chassis.database import Transaction

_RESERVE: Final = text("""
INSERT INTO rate_limits AS r (key, next_at)
VALUES (:key, greatest(now(), CAST(:not_before AS timestamptz)) + CAST(:interval AS interval) * :count)
ON CONFLICT (key) DO UPDATE
SET next_at = greatest(r.next_at, now(), CAST(:not_before AS timestamptz)) + CAST(:interval AS interval) * :count
RETURNING next_at""")
_FORGET: Final = text("DELETE FROM rate_limits WHERE next_at < now() - interval '1 day'")


async def reserve(
    tx: Transaction, key: str, interval: timedelta, count: int, not_before: datetime
) -> list[datetime]:
    """The moments at which `count` attempts may begin, `interval` apart and none before `not_before`."""
    values = {"key": key, "interval": interval, "count": count, "not_before": not_before}
    after: datetime = (await tx.execute(_RESERVE, values)).scalar_one()
    return [after - interval * (count - number) for number in range(count)]


async def forget_old(tx: Transaction) -> None:
    """Deletes keys that were not used for a day."""
    await tx.execute(_FORGET)
