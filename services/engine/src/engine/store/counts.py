"""Counting runs. Those that ended are counted in `run_counts`, so that their number does not matter: all together, day
by day, and for some days hour by hour.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    and_,
    case,
    cast,
    delete,
    extract,
    false,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
    union_all,
)

from chassis.database import Transaction
from chassis.filtering import Filter
from chassis.filtering.sql import Columns, Field, one_of, where
from chassis.filtering.tree import And, Not, Or
from engine.counting import BASE, NO_BUCKET, Count
from engine.domain import RunStatus
from engine.store.runs import FILTERED, Reader, bounds
from engine.tables import run_counts, run_ends, runs

_NAMES: Final = text("""
SELECT wanted, (SELECT workflow_name FROM runs WHERE workflow_id = wanted ORDER BY id DESC LIMIT 1)
FROM unnest(CAST(:ids AS text[])) AS wanted""")
_KEPT: Final = timedelta(days=400)
_IN_HOURS: Final = timedelta(days=2)
"""Longer windows count whole days."""
_HOURS_KEPT: Final = timedelta(days=4)
_LIVE: Final = runs.c.status.in_([literal_column(f"'{one}'") for one in ("PENDING", "RUNNING", "PAUSED")])
_COUNTED: Final = frozenset({"status", "workflow_id", "workflow_name"})
"""What ended runs are counted by."""
_WIDTH: Final = math.log(BASE)
_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtextextended('run_counts', 0))")
_FOLD: Final = text(f"""
WITH taken AS (
    DELETE FROM run_ends WHERE ctid = ANY (ARRAY(SELECT ctid FROM run_ends LIMIT :most))
    RETURNING *, date_trunc('hour', ended_at, 'UTC') AS hour,
        CASE WHEN status = 'SUCCESS' THEN floor(ln(greatest(milliseconds, 1)) / {_WIDTH!r})::smallint
             ELSE {NO_BUCKET} END AS bucket),
counted AS (
    SELECT hour, workflow_id, workflow_name, is_public, CASE WHEN is_public THEN '' ELSE owner_id END AS owner_id,
        CASE WHEN is_public THEN '' ELSE started_by END AS started_by, status, bucket, count(*) AS runs
    FROM taken GROUP BY 1, 2, 3, 4, 5, 6, 7, 8),
stored AS (
    INSERT INTO run_counts
    SELECT 'hour', * FROM counted WHERE hour > now() - interval '{_HOURS_KEPT.days} days'
    UNION ALL
    SELECT 'day', date_trunc('day', hour, 'UTC'), workflow_id, workflow_name, is_public, owner_id, started_by, status,
        bucket, sum(runs)
    FROM counted GROUP BY 2, 3, 4, 5, 6, 7, 8, 9
    UNION ALL
    SELECT 'all', '-infinity', workflow_id, workflow_name, is_public, owner_id, started_by, status, {NO_BUCKET},
        sum(runs)
    FROM counted GROUP BY 3, 4, 5, 6, 7, 8
    ON CONFLICT (span, since, workflow_id, workflow_name, is_public, owner_id, started_by, status, bucket)
    DO UPDATE SET runs = run_counts.runs + excluded.runs)
SELECT count(*) FROM taken""")  # noqa: S608  # constants


async def fold(tx: Transaction, most: int) -> int:
    """Counts at most so many of the runs that ended lately; returns how many. Nothing while another replica does."""
    if not (await tx.execute(_LOCK)).scalar_one():
        return 0
    return int((await tx.execute(_FOLD, {"most": most})).scalar_one())


async def forget_old(tx: Transaction) -> None:
    """Deletes the hours and days before any window; the totals stay."""
    for span, kept in (("hour", _HOURS_KEPT), ("day", _KEPT)):
        old = run_counts.c.since < func.now() - kept
        await tx.execute(delete(run_counts).where(run_counts.c.span == span, old))


def beginning(now: datetime, window: timedelta) -> datetime:
    """Since when a window counts: from the beginning of an hour, or of a day when it is longer than two."""
    since = (now - window).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return since.replace(hour=0) if window > _IN_HOURS else since


def is_counted(wanted: Filter | None) -> bool:
    """Whether counts exist for whatever the filter says."""
    if wanted is None:
        return True
    if isinstance(wanted, And | Or):
        return all(is_counted(part) for part in wanted.parts)
    return is_counted(wanted.part) if isinstance(wanted, Not) else wanted.field in _COUNTED


async def counted(tx: Transaction, wanted: Filter | None, reader: Reader, since: datetime) -> list[Count]:
    """The runs that fit a filter for which `is_counted`, whatever their number; `since` is a `beginning`."""
    totals = run_counts.c.span == literal_column("'all'")
    span = "hour" if since > tx.now - _HOURS_KEPT + timedelta(days=1) else "day"
    lately = and_(run_counts.c.span == span, run_counts.c.since >= since)
    hours, ends = _fits(run_counts, wanted, reader), _fits(run_ends, wanted, reader)
    bucket = _bucket(run_ends.c.status, run_ends.c.milliseconds)
    one = literal(1)
    rows = union_all(
        select(*_row(run_counts, false(), run_counts.c.bucket, run_counts.c.runs)).where(hours, totals),
        select(*_row(run_counts, true(), run_counts.c.bucket, run_counts.c.runs)).where(hours, lately),
        select(*_row(run_ends, false(), literal(NO_BUCKET), one)).where(ends),
        select(*_row(run_ends, true(), bucket, one)).where(ends, run_ends.c.ended_at >= since),
        select(*_row(runs, false(), literal(NO_BUCKET), one)).where(
            _LIVE, reader.sees(), where(wanted, FILTERED)
        ),
    )
    return await _summed(tx, rows.subquery())


async def scanned(
    tx: Transaction, wanted: Filter | None, reader: Reader, since: datetime, limit: int
) -> list[Count] | None:
    """The runs that fit any filter, read one by one; None when there are more than `limit`."""
    milliseconds = func.floor(extract("epoch", runs.c.ended_at - runs.c.created_at) * 1000)
    found = (
        select(
            runs.c.workflow_id,
            runs.c.status,
            and_(runs.c.ended_at.is_not(None), runs.c.ended_at >= since).label("lately"),
            _bucket(runs.c.status, milliseconds).label("bucket"),
            literal(1).label("runs"),
        )
        .where(reader.sees(), where(wanted, FILTERED), bounds(wanted))
        .limit(limit + 1)
        .subquery()
    )
    counts = await _summed(tx, found)
    if sum(one.runs for one in counts) > limit:
        return None
    return [one._replace(lately=False) for one in counts] + [one for one in counts if one.lately]


async def newest_names(tx: Transaction, workflow_ids: Sequence[str]) -> Mapping[str, str]:
    """The names of workflows when they ran last."""
    rows: list[Any] = list(await tx.execute(_NAMES, {"ids": list(workflow_ids)}))
    return {row[0]: row[1] or "" for row in rows}


def _row(
    table: FromClause, lately: ColumnElement[bool], bucket: ColumnElement[Any], number: ColumnElement[Any]
) -> tuple[ColumnElement[Any], ...]:
    return (
        table.c.workflow_id,
        table.c.status,
        lately.label("lately"),
        bucket.label("bucket"),
        number.label("runs"),
    )


def _fits(table: FromClause, wanted: Filter | None, reader: Reader) -> ColumnElement[bool]:
    """What the filter and the reader's sight are for counts."""
    columns: Columns = {
        "status": Field(table.c.status, one_of(RunStatus)),
        "workflow_id": table.c.workflow_id,
        "workflow_name": table.c.workflow_name,
    }
    return and_(reader.sees(table=table), where(wanted, columns))


def _bucket(status: ColumnElement[Any], milliseconds: ColumnElement[Any]) -> ColumnElement[int]:
    number = cast(func.floor(func.ln(func.greatest(milliseconds, 1)) / _WIDTH), Integer)
    return case((status == "SUCCESS", number), else_=NO_BUCKET)


async def _summed(tx: Transaction, rows: FromClause) -> list[Count]:
    keys = (rows.c.workflow_id, rows.c.status, rows.c.lately, rows.c.bucket)
    query = select(*keys, func.sum(rows.c.runs)).group_by(*keys)
    found: list[Any] = list(await tx.execute(query))
    return [Count(row[0], row[1], row[2], row[3], int(row[4])) for row in found]
