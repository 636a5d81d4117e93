"""What a run waits for, in words."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from engine.durations import in_words
from engine.plan import Rate

_RESUMED: Final = "somebody to resume it"


class Live(NamedTuple):
    """A step that is not made of others, as far as it matters here."""

    id: str
    worker: str
    """What the worker of a READY step must be able to do, in words."""
    status: str
    due_at: datetime | None
    worker_id: str
    gate: str = ""


def named(gate: str) -> str:
    """The gate as people are told of it: a rate limit without the owner that it is of."""
    kind, _, key = gate.partition(":")
    owner, slash, rest = key.partition("/")
    return f"rate:{rest if slash else owner}" if kind == "rate" else gate


def to_begin(start_at: datetime | None, limit_key: str, now: datetime, *, is_paused: bool = False) -> str:
    """What a run waits for that has not begun; `limit_key` when it has no place under its limit."""
    then = ""
    if start_at is not None and start_at > now:
        then = f"its start time, {start_at:%Y-%m-%d %H:%M:%S} UTC"
    elif limit_key:
        then = f"a place under the concurrency limit '{limit_key}'"
    if not is_paused:
        return then
    return f"{_RESUMED}, and {then}" if then else _RESUMED


def in_vain(one: Live, limit: timedelta, since: datetime, now: datetime, rate: Rate | None) -> str:
    """What a READY step waited for, longer than it may; `since`: when it began to. Names what can be done about it."""
    kind, _, key = named(one.gate).partition(":")
    if kind == "cache":
        return (
            f"it waited {in_words(limit)} for another run, which computes the same; raise its waiting_timeout, or do "
            "without its cache"
        )
    which = "" if rate is None else f"the rate limit '{key}' ({rate.limit} in {in_words(rate.period)})"
    if one.due_at is None or one.due_at > now:
        if not which:
            return f"it waited {in_words(limit)}; raise its waiting_timeout"
        return (
            f"it waited {in_words(limit)} for its turn under {which}; raise its waiting_timeout or the limit, or have "
            "fewer steps share it"
        )
    before = max(one.due_at - since, timedelta(0))
    first = f"{in_words(before)} for {which} and then " if which and before >= limit / 100 else ""
    return (
        f"no worker took it within {in_words(limit)}: it waited {first}for a free worker for {one.worker}; connect one "
        "(ListWorkers lists those there are), or raise its waiting_timeout"
    )


def describe(steps: Iterable[Live], now: datetime, *, is_stopping: bool, is_paused: bool = False) -> str:
    """A few words for people; empty while the run simply runs."""
    ready: list[Live] = []
    running: list[Live] = []
    undecided: list[Live] = []
    for one in steps:
        if one.status == "READY":
            ready.append(one)
        elif one.status == "RUNNING":
            running.append(one)
        elif one.status == "WAITING_APPROVAL":
            undecided.append(one)
    if is_stopping:
        names = ", ".join(f"'{one.id}' on worker {one.worker_id}" for one in running)
        return f"step {names} to stop" if names else ""
    if is_paused:
        return _RESUMED
    if running or not (ready or undecided):
        return ""
    return _first(ready, now) or f"a decision about step '{undecided[0].id}'"


def _first(ready: list[Live], now: datetime) -> str:
    """What the first of the READY steps waits for; the worker's first, for it is the one that may never come."""
    for one in ready:
        if one.due_at is not None and one.due_at <= now:
            return f"a free worker for {one.worker}"
    for one in ready:
        if one.gate:
            kind, _, key = named(one.gate).partition(":")
            what = f"the rate limit '{key}'" if kind == "rate" else "another run, which computes the same"
            return f"{what}, at step '{one.id}'"
    if not ready:
        return ""
    first = min(ready, key=lambda one: one.due_at or now)
    return f"the next attempt at step '{first.id}'"
