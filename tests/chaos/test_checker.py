"""Each invariant finds its violation in a doctored history, and nothing in a sound one."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.checker import INVARIANTS, Execution, Growth, History, RunSeen, Watched, check

Doctor = Callable[[History], Any]


def change(step: str, status: str, attempt: int = 1) -> dict[str, Any]:
    return {"stepStatusChange": {"stepId": step, "status": status, "attempt": attempt}}


def attempt(number: int, status: str = "SUCCESS") -> dict[str, Any]:
    return {"number": number, "epoch": number, "status": status, "isolation": "cell"}


def sound() -> History:
    """A run of two steps, the first of which was lost once; two clients watched."""
    said = [
        {"runStatusChange": {"status": "RUNNING"}},
        change("a", "RUNNING"),
        change("a", "RUNNING", 2),
        change("a", "SUCCESS", 2),
        change("b", "RUNNING"),
        change("b", "SUCCESS"),
        {"runStatusChange": {"status": "SUCCESS"}},
        {"end": {"status": "SUCCESS"}},
    ]
    steps = {
        "a": {"status": "SUCCESS", "attempts": [attempt(1, "FAILED"), attempt(2)]},
        "b": {"status": "SUCCESS", "needs": ["a"], "attempts": [attempt(1)]},
    }
    events = [{"seq": seq, **one} for seq, one in enumerate(said, 1)]
    return History(
        lease=5,
        accepted={"r"},
        listed={"r"},
        runs={"r": RunSeen({"id": "r", "status": "SUCCESS"}, steps, events)},
        sightings=[("r", "", "SUCCESS"), ("r", "a", "SUCCESS")],
        executions=[
            Execution("r", "a", 1, 1, 0.0, 7.0),
            Execution("r", "a", 2, 2, 6.0, 8.0),
            Execution("r", "b", 1, 1, 9.0, 10.0),
        ],
        watched=[Watched("r", list(range(1, 9))), Watched("r", [1, 2, 3], whole=False)],
        audited={f"r:{seq}" for seq in range(1, 8)},
        quiet_after=3,
        growth=[Growth("descriptors of engine", 20, 24, 10)],
    )


def of(history: History) -> RunSeen:
    return history.runs["r"]


DOCTORED: dict[str, list[Doctor]] = {
    "I1": [
        lambda h: of(h).run.update(status="RUNNING"),
        lambda h: of(h).events[5].update(runStatusChange={"status": "FAILED"}),
        lambda h: of(h).events[7].pop("end"),
    ],
    "I2": [
        lambda h: h.accepted.add("lost"),
        lambda h: h.listed.discard("r"),
        lambda h: h.listed.add("phantom"),
    ],
    "I3": [
        lambda h: of(h).events[4]["stepStatusChange"].update(stepId="a", status="FAILED"),
        lambda h: of(h).steps["a"]["attempts"][0].update(status="SUCCESS"),
        lambda h: of(h).steps["b"]["attempts"][0].update(status="FAILED"),
        lambda h: h.sightings.append(("r", "b", "FAILED")),
        lambda h: h.sightings.append(("r", "", "ABORTED")),
    ],
    "I4": [
        lambda h: of(h).steps["a"].update(needs=["b"]),
        lambda h: h.executions.append(Execution("r", "b", 1, 1, 5.0, 5.5)),
    ],
    "I5": [
        lambda h: h.executions.pop(),
        lambda h: setattr(h.executions[2], "end", None),
        lambda h: h.executions.append(Execution("r", "b", 2, 2, 12.0, 13.0)),
        lambda h: h.executions.append(Execution("r", "b", 1, 1, 12.0, 13.0)),
        lambda h: h.executions.append(Execution("r", "c", 1, 1, 12.0, 13.0)),
        lambda h: setattr(h.executions[1], "begin", 2.0),
    ],
    "I6": [
        lambda h: of(h).events.pop(2),
        lambda h: h.watched[0].seqs.pop(3),
        lambda h: h.watched[0].seqs.insert(3, 3),
        lambda h: h.watched[1].seqs.reverse(),
    ],
    "I7": [lambda h: h.orphans.append("pid 7 runs on")],
    "I8": [
        lambda h: h.audited.discard("r:4"),
        lambda h: setattr(h, "audit_problem", "the tree does not verify"),
    ],
    "I9": [lambda h: setattr(h, "quiet_after", 31.0)],
    "I10": [lambda h: setattr(h.growth[0], "after", 31.0)],
}


def test_a_sound_history_violates_nothing() -> None:
    assert check(sound()) == []


def test_every_invariant_has_a_doctored_history() -> None:
    assert DOCTORED.keys() == INVARIANTS.keys()


@pytest.mark.parametrize(
    ("invariant", "doctor"), [(name, one) for name, several in DOCTORED.items() for one in several]
)
def test_an_invariant_finds_its_violation(invariant: str, doctor: Doctor) -> None:
    history = sound()

    doctor(history)

    assert invariant in {one.invariant for one in check(history)}
