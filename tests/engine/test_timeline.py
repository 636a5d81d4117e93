"""What a step waited for, told apart on the time axis."""

from datetime import UTC, datetime, timedelta
from typing import Any

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
