"""When a run's steps were ready, began and ended, what they waited for, and which decided how long it took."""

import functools
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from engine.domain import ErrorKind, StepStatus
from engine.outline import Entry
from engine.plan import PlannedStep
from engine.records import AttemptRecord, Mark, RunRecord, StepRecord, to_decision, to_failure

START_TIME: Final = "START_TIME"
CONCURRENCY_LIMIT: Final = "CONCURRENCY_LIMIT"
APPROVAL: Final = "APPROVAL"
RATE_LIMIT: Final = "RATE_LIMIT"
CACHE: Final = "CACHE"
PAUSED: Final = "PAUSED"
BACKOFF: Final = "BACKOFF"
WORKER: Final = "WORKER"
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


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


@dataclass(frozen=True)
class Scene:
    """What is known of a whole run: its record, its steps, where each stands, and the time."""

    run: RunRecord
    entries: Sequence[Entry]
    marks: Mapping[str, Mark]
    now: datetime
    first_queued: datetime | None = field(default=None)
    """When the first of its attempts might have begun."""

    @functools.cached_property
    def let_begin(self) -> Mapping[str, datetime]:
        """When each item of a `for_each` step was let begin: at once, or as soon as those before it left room.

        Items are let begin in their order: of those before one, all but a window had ended by then.
        """
        found: dict[str, datetime] = {}
        ends: dict[str, list[datetime]] = {}
        windows = {one.path: one.planned.max_parallel for one in self.entries if one.planned.is_fan}
        for one in self.entries:
            owner, mark = one.inside, self.marks.get(one.path)
            if not one.path.endswith("]") or mark is None or owner not in self.marks:
                continue
            last = ends.setdefault(owner, [])
            moment = last[0] if len(last) == windows[owner] else self.marks[owner].opened_at
            if moment is not None and moment <= self.now:
                found[one.path] = moment
            heapq.heappush(last, mark.ended_at or _NEVER)
            if len(last) > windows[owner]:
                heapq.heappop(last)
        return found

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
    waits = tuple(_waits(scene, entry, record, attempts, ready))
    return StepTimes(entry.path, record.status, ready, record.started_at, record.ended_at, attempts, waits)


def _ready_at(
    scene: Scene, entry: Entry, attempts: Sequence[AttemptRecord], record: StepRecord
) -> datetime | None:
    """When nothing it needs was missing any more. An item is ready when one before it has made room."""
    if entry.path.endswith("]"):
        let = scene.let_begin.get(entry.path)
        return let or (attempts[0].queued_at if attempts else None) or record.started_at or record.due_at
    above = scene.marks.get(entry.inside)
    known = [scene.begun_at if above is None else above.opened_at]
    known += [mark.ended_at for one in entry.needed if (mark := scene.marks.get(one)) is not None]
    return max((one for one in known if one is not None), default=None)


def _waits(
    scene: Scene,
    entry: Entry,
    record: StepRecord,
    attempts: Sequence[AttemptRecord],
    ready: datetime | None,
) -> Iterator[Wait]:
    """Between being ready and each attempt: a decision, what holds attempts back, a worker."""
    planned, at = entry.planned, ready
    failed: AttemptRecord | None = None
    for one in attempts:
        queued = one.queued_at or one.started_at
        decided = _decision(scene, record, at, one.started_at)
        if decided is not None:
            yield decided
            at = decided.ended_at
        if at is not None and queued > at:
            yield from _held_back(scene, planned, _backs_off_until(scene, entry, failed), at, queued)
        if one.worker_id and one.started_at > queued:
            yield Wait(WORKER, queued, one.started_at)
        at, failed = one.ended_at, one
    if at is None:
        return
    decided = _decision(scene, record, at, None)
    if decided is not None:
        yield decided
        at = decided.ended_at
    if at is None or planned.is_composite:
        return
    backs_off_until = _backs_off_until(scene, entry, failed)
    if record.status == StepStatus.READY:
        yield from _waits_on(scene, planned, record, at, until=None, backs_off_until=backs_off_until)
    elif record.has_begun and record.ended_at is not None and record.ended_at > at:
        yield from _waits_on(
            scene, planned, record, at, until=record.ended_at, backs_off_until=backs_off_until
        )


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


def _waits_on(
    scene: Scene,
    planned: PlannedStep,
    record: StepRecord,
    since: datetime,
    *,
    until: datetime | None,
    backs_off_until: datetime | None,
) -> Iterator[Wait]:
    """What a step waits for, or waited for in vain `until` it ended, that no attempt followed upon."""
    due, over = record.due_at, until or scene.now
    held_until = until if due is None or due > over else due
    if held_until is None or held_until > since:
        is_cached = record.status == StepStatus.CACHED or record.gate.startswith("cache:")
        yield from _held_back(
            scene, planned, backs_off_until, since, held_until, known=CACHE if is_cached else ""
        )
    if due is not None and due <= over:
        yield Wait(WORKER, max(since, due), until)


def _held_back(
    scene: Scene,
    planned: PlannedStep,
    backs_off_until: datetime | None,
    since: datetime,
    until: datetime | None,
    *,
    known: str = "",
) -> Iterator[Wait]:
    """What a step waits for that no worker could have taken before `until`, which may be to come, or None.

    `known` is the reason, beside pauses and backoff, where it is; else it follows from what is planned.
    """
    end = None if until is None or until > scene.now else until
    parts = list(_parts(scene.run.pauses, since, end))
    reason = known or _reason(planned, backs_off_until, was_paused=any(paused for paused, _, _ in parts))
    for paused, start, over in parts:
        if paused:
            yield Wait(PAUSED, start, over)
            continue
        last = over or scene.now
        rest = start if backs_off_until is None else max(start, min(backs_off_until, last))
        if rest > start:
            yield Wait(BACKOFF, start, over if rest == last else rest)
        if rest < last or rest == start:
            yield Wait(reason, rest, over)


def _reason(planned: PlannedStep, backs_off_until: datetime | None, *, was_paused: bool) -> str:
    if planned.rate is not None:
        return RATE_LIMIT
    if (
        planned.cache_ttl is not None and backs_off_until is None
    ):  # only first attempts ask for what others compute
        return CACHE
    return WORKER if was_paused else PAUSED


def _parts(
    pauses: Sequence[datetime], since: datetime, until: datetime | None
) -> Iterator[tuple[bool, datetime, datetime | None]]:
    """The time from `since` to `until`, None for what lasts, cut where the run was paused and went on."""
    paused, start = False, since
    for number, moment in enumerate(pauses):
        if until is not None and moment >= until:
            break
        if moment > start:
            yield paused, start, moment
            start = moment
        paused = number % 2 == 0
    if until is None or until > start:
        yield paused, start, until


def _backs_off_until(scene: Scene, entry: Entry, failed: AttemptRecord | None) -> datetime | None:
    """Until when the step's retry policy has it wait after an attempt; None before the first."""
    if failed is None or failed.ended_at is None:
        return None
    failure = to_failure(failed.error)
    lost = failure is not None and failure.kind is ErrorKind.WORKER_LOST
    wait = entry.planned.retry.wait(failed.number, f"{scene.run.id}/{entry.path}")
    return failed.ended_at + (timedelta(0) if lost else wait)


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
