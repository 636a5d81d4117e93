"""What a run waits for, in words."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple


class Live(NamedTuple):
    """A step, as far as it matters here."""

    id: str
    kind: str
    status: str
    due_at: datetime | None
    worker_id: str


def describe(steps: Iterable[Live], now: datetime, *, is_stopping: bool) -> str:
    """A few words for people; empty while the run simply runs."""
    ready: list[Live] = []
    running: list[Live] = []
    for one in steps:
        if one.status == "READY":
            ready.append(one)
        elif one.status == "RUNNING":
            running.append(one)
    if is_stopping:
        names = ", ".join(f"'{one.id}' on worker {one.worker_id}" for one in running)
        return f"step {names} to stop" if names else ""
    if running or not ready:
        return ""
    for one in ready:
        if one.due_at is None or one.due_at <= now:
            return f"a free worker for {one.kind}"
    first = min(ready, key=lambda one: one.due_at or now)
    return f"the next attempt at step '{first.id}'"
