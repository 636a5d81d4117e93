"""When a run's steps were ready, began and ended, what they waited for, and which decided how long it took."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from engine.domain import StepStatus
from engine.outline import Entry
from engine.plan import PlannedStep
from engine.records import AttemptRecord, Mark, RunRecord, StepRecord, to_decision

START_TIME: Final = "START_TIME"
CONCURRENCY_LIMIT: Final = "CONCURRENCY_LIMIT"
APPROVAL: Final = "APPROVAL"
RATE_LIMIT: Final = "RATE_LIMIT"
CACHE: Final = "CACHE"
PAUSED: Final = "PAUSED"
BACKOFF: Final = "BACKOFF"
WORKER: Final = "WORKER"


@dataclass(frozen=True, slots=True)
class Wait:
    """A time span in which nothing ran; without an end it lasts."""

    reason: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class StepTimes:
    """One step on the time axis."""

    step_id: str
    status: str
    ready_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: Sequence[AttemptRecord] = ()
    waits: tuple[Wait, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of a whole run: its record, its steps, where each stands, and the time."""

    run: RunRecord
    entries: Sequence[Entry]
    marks: Mapping[str, Mark]
    now: datetime
    first_queued: datetime | None = field(default=None)
    """When the first of its attempts might have begun."""

    @property
    def begun_at(self) -> datetime | None:
        """When the run was let begin; None before."""
        run = self.run
        if not run.begun:
            return None
        earliest = max(run.created_at, run.start_at or run.created_at)
        if run.limit_key and self.first_queued is not None:
            return max(earliest, self.first_queued)
        return earliest


def run_waits(scene: Scene) -> list[Wait]:
    """What the run waited for before it began."""
    run, found = scene.run, []
    since, until = run.created_at, scene.begun_at
    if run.start_at is not None and run.start_at > since:
        over = run.start_at if run.start_at <= scene.now else None
        found.append(Wait(START_TIME, since, over))
        since = run.start_at
    if run.limit_key and (until is None or until > since) and since <= scene.now:
        found.append(Wait(CONCURRENCY_LIMIT, since, until or run.ended_at))
    return found


def times(
    scene: Scene, entry: Entry, record: StepRecord | None, attempts: Sequence[AttemptRecord]
) -> StepTimes:
    """One step on the time axis."""
    if record is None:
        return StepTimes(entry.path, StepStatus.PENDING)
    ready = _ready_at(scene, entry, attempts, record)
    return StepTimes(
        entry.path,
        record.status,
        ready,
        record.started_at,
        record.ended_at,
        attempts,
        tuple(_waits(scene, entry.planned, record, attempts, ready)),
    )


def _ready_at(
    scene: Scene, entry: Entry, attempts: Sequence[AttemptRecord], record: StepRecord
) -> datetime | None:
    """When nothing it needs was missing any more. An item is ready when one before it has made room."""
    if entry.path.endswith("]"):
        return (attempts[0].queued_at if attempts else None) or record.started_at or record.due_at
    above = scene.marks.get(entry.inside)
    known = [scene.begun_at if above is None else above.started_at]
    known += [mark.ended_at for one in entry.needed if (mark := scene.marks.get(one)) is not None]
    return max((one for one in known if one is not None), default=None)


def _waits(
    scene: Scene,
    planned: PlannedStep,
    record: StepRecord,
    attempts: Sequence[AttemptRecord],
    ready: datetime | None,
) -> Iterator[Wait]:
    """Between being ready and each attempt: a decision, what holds attempts back, a worker."""
    at = ready
    for one in attempts:
        queued = one.queued_at or one.started_at
        decided = _decision(scene, record, at, one.started_at)
        if decided is not None:
            yield decided
            at = decided.ended_at
        if at is not None and queued > at:
            yield Wait(_held_back_by(planned, one.number), at, queued)
        if one.worker_id and one.started_at > queued:
            yield Wait(WORKER, queued, one.started_at)
        at = one.ended_at
    if at is None:
        return
    decided = _decision(scene, record, at, None)
    if decided is not None:
        yield decided
    elif record.status == StepStatus.READY:
        yield from _waits_now(scene, planned, record, at)


def _decision(
    scene: Scene, record: StepRecord, since: datetime | None, until: datetime | None
) -> Wait | None:
    """The wait for somebody's decision that falls into this time, if one does."""
    if since is None or not (record.message or record.decision or record.approvers):
        return None
    decision = to_decision(record.decision)
    if record.status == StepStatus.WAITING_APPROVAL:
        return Wait(APPROVAL, since, None) if until is None else None
    ended = record.ended_at if decision is None else decision.at
    if ended is None or ended < since or (until is not None and ended > until):
        return None
    return Wait(APPROVAL, since, ended)


def _waits_now(scene: Scene, planned: PlannedStep, record: StepRecord, since: datetime) -> Iterator[Wait]:
    gate = record.gate.partition(":")[0]
    if gate:
        yield Wait(RATE_LIMIT if gate == "rate" else CACHE, since, None)
    elif record.due_at is None:
        yield Wait(PAUSED, since, None)
    else:
        over = record.due_at if record.due_at <= scene.now else None
        if record.due_at > since:
            yield Wait(_held_back_by(planned, record.attempt + 1), since, over)
        if over is not None:
            yield Wait(WORKER, max(since, over), None)


def _held_back_by(planned: PlannedStep, attempt: int) -> str:
    """What a READY step waits for that no worker could have taken."""
    if attempt > 1:
        return BACKOFF
    if planned.rate is not None:
        return RATE_LIMIT
    return CACHE if planned.cache_ttl is not None else PAUSED


def critical_path(scene: Scene) -> list[str]:
    """The steps each of which was what the next one waited for last, up to the one that ended last."""
    inside: dict[str, list[Entry]] = {}
    for one in scene.entries:
        inside.setdefault(one.inside, []).append(one)
    return list(_chain(scene, inside, ""))


def _chain(scene: Scene, inside: Mapping[str, Sequence[Entry]], within: str) -> Iterator[str]:
    """The chain among the steps of one workflow; of items, the one that ended last stands for all."""
    here = {one.path: one for one in inside.get(within, ()) if _began(scene, one.path)}
    chain: list[str] = []
    last = max(here, key=lambda path: _end(scene, path), default=None)
    while last is not None:
        chain.append(last)
        last = max(
            (need for need in here[last].needed if need in here),
            key=lambda path: _end(scene, path),
            default=None,
        )
    for path in reversed(chain):
        parts = list(_chain(scene, inside, path))
        yield from parts or [path]


def _began(scene: Scene, path: str) -> bool:
    mark = scene.marks.get(path)
    return mark is not None and mark.started_at is not None


def _end(scene: Scene, path: str) -> datetime:
    """When the step ended; what has not yet, ends now."""
    return scene.marks[path].ended_at or scene.now
