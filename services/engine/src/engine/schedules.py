"""Schedules: what they are, how they change, and when they fire. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chassis import jsonvalue
from chassis.errors import FieldViolation, Invalid
from engine import standing
from engine import times as clock
from engine.standing import Standing
from engine.times import Cron, Every, Times

KIND: Final = "schedule"
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2200
TARGET: Final = frozenset({"workflow", "workflow_version", "inputs"})
"""The fields that say what is started."""
CHANGEABLE: Final = TARGET | {"description", "cron", "interval", "start_at", "end_at", "catch_up"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule(Standing):
    """A schedule. It goes by `every` when it has one, else by `cron`."""

    cron: str
    time_zone: str
    every: timedelta | None
    anchor_at: datetime | None
    start_at: datetime | None
    end_at: datetime | None
    catch_up: str
    next_fire_at: datetime | None = None
    skipped_count: int = 0
    tries: int = 0
    retry_at: datetime | None = None
    waiting_for: str = ""

    @property
    def times(self) -> Times:
        """When it fires, its bounds aside."""
        if self.every is not None:
            return Every(self.every, self.anchor_at or self.start_at or self.created_at)
        return Cron(self.cron, self.time_zone)

    def upcoming(self, now: datetime, count: int = 5) -> list[datetime]:
        """The next fire times; none while it is paused."""
        if self.paused or self.next_fire_at is None:
            return []
        return clock.upcoming(self.times, self._floor(now), self.end_at, count)

    def due(self, now: datetime) -> clock.Due:
        """What to do now; `next_fire_at` has come."""
        first = self.next_fire_at or now
        return clock.due(self.times, first, self.end_at, self.catch_up, now)

    def planned(self, now: datetime) -> "Schedule":
        """The schedule with its next fire time after `now`: what passed is left behind."""
        found = [] if self.paused else clock.upcoming(self.times, self._floor(now), self.end_at, 1)
        return replace(self, next_fire_at=found[0] if found else None, tries=0, retry_at=None, waiting_for="")

    def _floor(self, now: datetime) -> datetime:
        """A fire time comes after this moment."""
        if self.start_at is not None and self.start_at > now:
            return self.start_at - timedelta(microseconds=1)
        return now

    def facts(self) -> dict[str, Any]:
        """What the action log keeps of it."""
        return {
            "name": self.name,
            "workflow": self.workflow_name,
            "workflow_version": self.workflow_version,
            "inputs": standing.shown(jsonvalue.parse(self.inputs)),
            "cron": self.cron,
            "time_zone": self.time_zone,
            "every": "" if self.every is None else str(self.every),
            "anchor_at": self.anchor_at,
            "start_at": self.start_at,
            "end_at": self.end_at,
            "catch_up": self.catch_up,
            "paused": self.paused,
            "description": self.description,
            "owner_id": self.owner_id,
        }


def checked(schedule: Schedule) -> Schedule:
    """The schedule, its times read. Raises Invalid INVALID_FIELD naming what is wrong."""
    if schedule.every is None and not schedule.cron:
        raise _invalid("schedule.times", "is required: cron or interval")
    for name in ("start_at", "end_at", "anchor_at"):
        moment = getattr(schedule, name)
        if moment is not None and not _FIRST_YEAR <= moment.year < _LAST_YEAR:
            raise _invalid(f"schedule.{name}", f"must be between {_FIRST_YEAR} and {_LAST_YEAR}")
    if schedule.start_at and schedule.end_at and schedule.end_at < schedule.start_at:
        raise _invalid("schedule.end_at", "is before start_at")
    if schedule.every is None:
        found = clock.cron(schedule.cron, schedule.time_zone)
        return replace(schedule, cron=found.expression, time_zone=found.time_zone)
    return schedule


def refuse_past_end(schedule: Schedule, now: datetime) -> None:
    """Raises Invalid INVALID_FIELD when the schedule would never fire, for its end is over."""
    if schedule.end_at is not None and schedule.end_at <= now:
        raise _invalid("schedule.end_at", f"has passed; it is {now:%Y-%m-%d %H:%M:%S} UTC")


def change(old: Schedule, sent: Mapping[str, Any], fields: Collection[str], now: datetime) -> Schedule:
    """The schedule with the sent values of `fields` (columns by field); the same one when nothing changes.

    Raises Invalid INVALID_FIELD naming what is wrong; an end that passed may stay, and may not be set.
    """
    values = {name: value for field in fields for name, value in sent.get(field, {}).items()}
    if {"cron", "interval"} & set(fields) and not values.get("cron") and values.get("every") is None:
        raise _invalid("schedule.times", "is required: cron or interval")
    changed = checked(replace(old, **values))
    if changed == old:
        return old
    if changed.end_at != old.end_at:
        refuse_past_end(changed, now)
    return replace(changed, revision=old.revision + 1, updated_at=now).planned(now)


def pause(old: Schedule, now: datetime, *, paused: bool) -> Schedule:
    """The schedule, paused or going on; the same one when it is already."""
    if old.paused == paused:
        return old
    return replace(old, paused=paused, revision=old.revision + 1, updated_at=now).planned(now)


def _invalid(field: str, why: str) -> Invalid:
    return Invalid("INVALID_FIELD", f"{field} {why}", fields=[FieldViolation(field, why)])
