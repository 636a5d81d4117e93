"""What a step waited for, told apart on the time axis."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.domain import Retry
from engine.outline import Entry
from engine.plan import PlannedStep, Rate
from engine.records import AttemptRecord, Mark, RunRecord, StepRecord
from engine.timeline import Scene, Wait, times

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
RUN = RunRecord("r", "w", "flow", 1, b"", "u", "RUNNING", None, None, None, BEGIN, BEGIN, None, None, 1, 0, 1)
RATE = Rate(1, timedelta(minutes=1))


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def step(path: str, status: str, **fields: Any) -> StepRecord:
    known: dict[str, Any] = {"error": None, "started_at": None, "ended_at": None, "due_at": None} | fields
    return StepRecord(
        "r", path, "PYTHON_SCRIPT", status, 1, 1, None, None, worker_id="", stopping=False, **known
    )


def attempt(path: str, number: int, queued: float, ended: float, status: str = "FAILED") -> AttemptRecord:
    return AttemptRecord(path, number, number, "w1", "cell", status, None, at(queued), at(ended), at(queued))


def shown(waits: tuple[Wait, ...]) -> list[tuple[str, float, float | None]]:
    def seconds(moment: datetime) -> float:
        return (moment - BEGIN).total_seconds()

    return [
        (one.reason, seconds(one.started_at), None if one.ended_at is None else seconds(one.ended_at))
        for one in waits
    ]


def test_a_repeated_attempt_waits_for_its_backoff_first_and_then_for_its_rate_limit() -> None:
    planned = PlannedStep("a", retry=Retry(3, timedelta(seconds=5), 1.0), rate=RATE)
    scene = Scene(RUN, [Entry("a", planned)], {"a": Mark("READY", at(0), None)}, at(100))
    attempts = [attempt("a", 1, 10, 11), attempt("a", 2, 70, 71)]

    over = times(scene, scene.entries[0], step("a", "READY", due_at=at(130), gate="rate:a"), attempts)
    soon = times(
        Scene(RUN, scene.entries, scene.marks, at(73)),
        scene.entries[0],
        step("a", "READY", due_at=at(130), gate="rate:a"),
        attempts,
    )

    before = [("RATE_LIMIT", 0, 10), ("BACKOFF", 11, 16), ("RATE_LIMIT", 16, 70)]
    assert shown(over.waits) == [*before, ("BACKOFF", 71, 76), ("RATE_LIMIT", 76, None)]
    assert shown(soon.waits) == [*before, ("BACKOFF", 71, None)]


def test_a_repeated_attempt_without_a_rate_limit_waits_for_its_backoff_alone() -> None:
    planned = PlannedStep("a", retry=Retry(3, timedelta(seconds=5), 1.0))
    scene = Scene(RUN, [Entry("a", planned)], {"a": Mark("READY", at(0), None)}, at(12))

    found = times(scene, scene.entries[0], step("a", "READY", due_at=at(16)), [attempt("a", 1, 0, 11)])

    assert shown(found.waits) == [("BACKOFF", 11, None)]


def test_an_item_is_ready_when_those_before_it_leave_room_whichever_end_first() -> None:
    planned = PlannedStep("a", max_parallel=2, rate=RATE)
    item = PlannedStep("a", rate=RATE)
    paths = [f"a[{number}]" for number in range(5)]
    ends = [50.0, 20.0, 30.0, None, None]
    marks = {"a": Mark("RUNNING", at(0), None, decided_at=at(10))}
    for path, end in zip(paths, ends, strict=True):
        marks[path] = Mark("RUNNING", None, None if end is None else at(end))
    entries = [Entry("a", planned), *(Entry(path, item) for path in paths)]
    scene = Scene(RUN, entries, marks, at(60))

    found = [times(scene, one, step(one.path, "READY", gate="rate:a"), ()) for one in entries[1:]]

    assert [one.ready_at for one in found] == [at(10), at(10), at(20), at(30), at(50)]
    assert {wait[0] for one in found for wait in shown(one.waits)} == {"RATE_LIMIT"}


def waits_of(
    planned: PlannedStep,
    record: StepRecord,
    *attempts: AttemptRecord,
    now: float,
    pauses: tuple[float, ...] = (),
) -> list[tuple[str, float, float | None]]:
    run = dataclasses.replace(RUN, pauses=[at(moment) for moment in pauses])
    marks = {"a": Mark(record.status, None, record.ended_at)}
    scene = Scene(run, [Entry("a", planned)], marks, at(now))
    return shown(times(scene, scene.entries[0], record, attempts).waits)


LIMITED = PlannedStep("a", rate=RATE)
QUEUED = step("a", "READY", gate="rate:a")


@pytest.mark.parametrize(
    ("record", "pauses", "waits"),
    [
        (QUEUED, (), [("RATE_LIMIT", 0, None)]),
        (step("a", "READY"), (10,), [("RATE_LIMIT", 0, 10), ("PAUSED", 10, None)]),
        (QUEUED, (10, 20), [("RATE_LIMIT", 0, 10), ("PAUSED", 10, 20), ("RATE_LIMIT", 20, None)]),
        (
            step("a", "READY", gate="rate:a", due_at=at(25)),
            (0, 20),
            [("PAUSED", 0, 20), ("RATE_LIMIT", 20, 25), ("WORKER", 25, None)],
        ),
        (step("a", "FAILED", ended_at=at(9)), (), [("RATE_LIMIT", 0, 9)]),
        (step("a", "FAILED", ended_at=at(9), due_at=at(7)), (), [("RATE_LIMIT", 0, 7), ("WORKER", 7, 9)]),
        (step("a", "ABORTED", ended_at=at(9)), (5, 9), [("RATE_LIMIT", 0, 5), ("PAUSED", 5, 9)]),
        (step("a", "SKIPPED", ended_at=at(9), has_begun=False), (), []),
    ],
)
def test_each_span_of_a_rate_limited_steps_waiting_has_its_reason_also_when_no_attempt_follows(
    record: StepRecord, pauses: tuple[float, ...], waits: list[tuple[str, float, float | None]]
) -> None:
    assert waits_of(LIMITED, record, now=30, pauses=pauses) == waits


def test_a_pause_during_a_backoff_is_told_apart_from_it() -> None:
    planned = PlannedStep("a", retry=Retry(3, timedelta(seconds=20), 1.0), rate=RATE)

    found = waits_of(planned, QUEUED, attempt("a", 1, 0, 10), now=60, pauses=(15, 25, 40, 45))

    spans = [("BACKOFF", 10, 15), ("PAUSED", 15, 25), ("BACKOFF", 25, 30), ("RATE_LIMIT", 30, 40)]
    assert found == [*spans, ("PAUSED", 40, 45), ("RATE_LIMIT", 45, None)]


def test_a_step_that_waited_for_a_worker_when_its_run_was_paused_is_said_to_have() -> None:
    record = step("a", "RUNNING")
    began = dataclasses.replace(attempt("a", 1, 20, 30), started_at=at(25), ended_at=None, status=None)

    assert waits_of(PlannedStep("a"), record, began, now=40, pauses=(10, 20)) == [
        ("WORKER", 0, 10),
        ("PAUSED", 10, 20),
        ("WORKER", 20, 25),
    ]


def test_after_a_decision_a_step_may_wait_for_more() -> None:
    decision = {"approved": True, "by": "u", "by_name": "U", "at": at(5).isoformat(), "comment": ""}
    record = step("a", "READY", gate="rate:a", message="go?", decision=decision)

    assert waits_of(LIMITED, record, now=9) == [("APPROVAL", 0, 5), ("RATE_LIMIT", 5, None)]


def test_an_output_that_another_run_computed_was_waited_for() -> None:
    planned = PlannedStep("a", cache_ttl=timedelta(minutes=1))

    assert waits_of(planned, step("a", "CACHED", ended_at=at(4)), now=9) == [("CACHE", 0, 4)]
