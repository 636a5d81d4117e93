"""What a run waits for, in words."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

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
            kind, _, key = one.gate.partition(":")
            what = f"the rate limit '{key}'" if kind == "rate" else "another run, which computes the same"
            return f"{what}, at step '{one.id}'"
    if not ready:
        return ""
    first = min(ready, key=lambda one: one.due_at or now)
    return f"the next attempt at step '{first.id}'"
