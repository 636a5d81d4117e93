"""When schedules fire: by cron and by interval, and what becomes of times that were missed. Pure; moments are UTC."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice, takewhile
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from chassis.errors import FieldViolation, Invalid

GRACE: Final = timedelta(minutes=1)
"""Once the first fire time that nobody acted upon is older than this, fire times were missed."""
MOST_CAUGHT_UP: Final = 100
"""How many missed times ALL makes up for."""
_MOST_COUNTED: Final = 1000
_FIRST_WINDOW: Final = timedelta(hours=1)
_ANY_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
_ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS: Final = (
    ("minute", "0 to 59", "'30', '0,30' or '*/15'"),
    ("hour", "0 to 23", "'6', '8-18' or '*/2'"),
    ("day of the month", "1 to 31, or L for the last", "'1', '1,15' or 'L'"),
    ("month", "1 to 12, or JAN to DEC", "'12', 'JAN' or '*/3'"),
    ("day of the week", "0 to 7 (0 and 7 are Sunday), or SUN to SAT", "'MON-FRI', '6,0' or 'MON#1'"),
)
"""The fields of an expression: what they are called, what they take, examples."""


@dataclass(frozen=True, slots=True)
class Cron:
    """By the calendar of a time zone."""

    expression: str
    time_zone: str = "UTC"

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The fire times after `moment`, ascending. They end when none follows within fifty years."""
        zone = ZoneInfo(self.time_zone)
        expression = _ALIASES.get(self.expression.lower(), self.expression)
        # A clock that is put forward maps several readings to one moment, one that is put back repeats readings.
        last = moment
        for reading in CronSim(expression, moment.astimezone(UTC if zone.key == "UTC" else zone)):
            found = reading.astimezone(UTC)
            if found > last:
                last = found
                yield found


@dataclass(frozen=True, slots=True)
class Every:
    """At a distance from each other, counted from an anchor."""

    interval: timedelta
    anchor: datetime

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The fire times after `moment`, ascending."""
        number = math.floor((moment - self.anchor) / self.interval)
        found = self.anchor + number * self.interval
        while found <= moment:
            found += self.interval
        while True:
            yield found
            found += self.interval


Times: TypeAlias = Cron | Every


@dataclass(frozen=True, slots=True)
class Due:
    """What to do now: for which times to fire, in order; how many are passed over; the time after them."""

    fires: tuple[datetime, ...]
    skipped: int
    next: datetime | None


def cron(expression: str, time_zone: str) -> Cron:
    """The cron times. Raises Invalid INVALID_FIELD naming what cannot be read."""
    found = Cron(" ".join(expression.split()), time_zone or "UTC")
    try:
        ZoneInfo(found.time_zone)
    except (KeyError, ValueError, OSError):
        raise _invalid(
            "time_zone", f"there is no time zone {time_zone!r}; write e.g. Europe/Berlin"
        ) from None
    written = _ALIASES.get(found.expression.lower(), found.expression)
    if written.startswith("@"):
        raise _invalid("expression", f"there is no {written!r}; there is {', '.join(sorted(_ALIASES))}")
    parts = written.split()
    if len(parts) != len(_FIELDS):
        raise _invalid(
            "expression",
            f"a cron expression has five fields: minute hour day-of-month month day-of-week; {written!r} has "
            f"{len(parts)}; e.g. '30 6 * * MON-FRI' is 6:30 from Monday to Friday",
        )
    for number, (part, (name, takes, example)) in enumerate(zip(parts, _FIELDS, strict=True)):
        if not _reads(["*"] * number + [part] + ["*"] * (len(parts) - number - 1)):
            raise _invalid(
                "expression",
                f"the {name} of {written!r} cannot be {part!r}: it takes {takes}; e.g. {example}",
            )
    try:
        first = next(found.after(_ANY_DAY), None)
    except (CronSimError, AssertionError, ValueError, TypeError, RecursionError):
        first = None  # cronsim says of some dates that never come that it cannot read them
    if first is None:
        raise _invalid(
            "expression",
            f"{written!r} never fires: no date has day of the month {parts[2]!r}, month {parts[3]!r} and day of the "
            f"week {parts[4]!r}; the last day of a month is 'L', as in '0 0 L * *'",
        )
    return found


def _reads(parts: Sequence[str]) -> bool:
    """Whether cron can make sense of the fields."""
    try:
        CronSim(" ".join(parts), _ANY_DAY)
    except (CronSimError, AssertionError, ValueError, TypeError, RecursionError):
        return False
    return True


def upcoming(times: Times, after: datetime, end: datetime | None, count: int) -> list[datetime]:
    """The next `count` fire times after `after`, none of them after `end`."""
    found = []
    for one in islice(times.after(after), count):
        if end is not None and one > end:
            break
        found.append(one)
    return found


def due(times: Times, first: datetime, end: datetime | None, catch_up: str, now: datetime) -> Due:
    """What to do about `first`, the fire time that was promised and has come, and those after it up to `now`.

    Nothing was missed while `first` is at most GRACE old: what has come is only late, and all of it fires. Otherwise
    `catch_up` (NONE, LATEST or ALL) decides about all that has come, also about what came just now: it was promised by
    the same silence. Passed over are counted up to a thousand at a time.
    """
    until = now if end is None else min(now, end)
    latest = _latest(times, first, until)
    is_late = now - first <= GRACE
    if catch_up == "NONE" and not is_late:
        fires = []
    elif catch_up == "LATEST" and not is_late:
        fires = latest[-1:]
    else:
        fires = latest
    passed = takewhile(lambda one: one <= until, chain((first,), times.after(first)))
    total = sum(1 for _ in islice(passed, _MOST_COUNTED + MOST_CAUGHT_UP))
    following = next(times.after(now), None)
    if following is not None and end is not None and following > end:
        following = None
    return Due(tuple(fires), max(0, total - len(fires)), following)


def _latest(times: Times, first: datetime, until: datetime) -> list[datetime]:
    """The last fire times from `first` to `until`, as many as are ever made up for; found from the end."""
    window = _FIRST_WINDOW
    while True:
        begin = max(first, until - window)
        found = list(takewhile(lambda one: one <= until, times.after(begin)))
        if begin == first:
            found = [first, *found] if first <= until else []
        if begin == first or len(found) >= MOST_CAUGHT_UP:
            return found[-MOST_CAUGHT_UP:]
        window *= 4


def _invalid(field: str, why: str) -> Invalid:
    return Invalid(
        "INVALID_FIELD",
        f"schedule.cron.{field}: {why}",
        fields=[FieldViolation(f"schedule.cron.{field}", why)],
    )
