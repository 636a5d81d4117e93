"""What has to hold after any faults: the invariants I1 to I10, each a function from a history to its violations.

A history is what was accepted, what the record says afterwards, what clients saw on the way, and the side ledger that
user code wrote (appended and flushed to disk, outside of everything the suite records).
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

ENDED = frozenset({"SUCCESS", "FAILED", "ABORTED"})
PAST = frozenset({"SUCCESS", "FAILED", "SKIPPED", "ABORTED", "CACHED"})
GOOD = frozenset({"SUCCESS", "CACHED"})
QUIET_SECONDS = 30.0
_SLACK = 0.5
"""Seconds by which two clocks readings of one event may differ."""


@dataclass(slots=True)
class Execution:
    """One time that user code ran, from the side ledger. `end` is None when it never came to its end."""

    run: str
    step: str
    attempt: int
    epoch: int
    begin: float
    end: float | None = None


@dataclass(slots=True)
class Watched:
    """What one client saw of a run over all of its streams. `whole`: whether it saw the end."""

    run: str
    seqs: list[int]
    whole: bool = True


@dataclass(slots=True)
class RunSeen:
    """A run as the record has it afterwards: the run, its steps by path, its events."""

    run: Json
    steps: dict[str, Json]
    events: list[Json]


@dataclass(slots=True)
class Growth:
    """A figure before and after, and by how much it may have grown."""

    what: str
    before: float
    after: float
    most: float


@dataclass(slots=True)
class History:
    """Everything the invariants are about. Times in seconds of one clock."""

    lease: float
    accepted: set[str] = field(default_factory=set)
    """The runs whose start was answered with OK."""
    listed: set[str] = field(default_factory=set)
    """The runs that the list of runs shows."""
    runs: dict[str, RunSeen] = field(default_factory=dict)
    lenient: set[str] = field(default_factory=set)
    """Steps, by the last part of their path, that may begin after a need that did not succeed."""
    silent: set[str] = field(default_factory=set)
    """Steps, by the last part of their path, whose code writes no ledger."""
    sightings: list[tuple[str, str, str]] = field(default_factory=list)
    """Run, step (empty: the run itself) and final status, as somebody saw it on the way."""
    executions: list[Execution] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    """Processes that outlived who started them."""
    audit_problem: str = ""
    """What the verification of the action log found."""
    audited: set[str] = field(default_factory=set)
    """The ids of the records in the action log."""
    quiet_after: float = 0.0
    """Seconds from the end of the last fault until everything had ended."""
    growth: list[Growth] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold, and where."""

    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


def every_run_ends_once(history: History) -> Iterator[str]:
    """I1: each accepted run ends, in one final status, which its record and its events agree on."""
    for run_id in history.accepted & history.runs.keys():
        seen = history.runs[run_id]
        status = seen.run["status"]
        if status not in ENDED:
            yield f"run {run_id} is {status}"
            continue
        said = [one["runStatusChange"]["status"] for one in seen.events if "runStatusChange" in one]
        final = [one for one in said if one in ENDED]
        if final != [status]:
            yield f"run {run_id} is {status}, its events say {final}"
        ends = [one["seq"] for one in seen.events if "end" in one]
        if ends != [seen.events[-1]["seq"]]:
            yield f"run {run_id} has its end at {ends}, its last event is {seen.events[-1]['seq']}"


def no_run_vanishes(history: History) -> Iterator[str]:
    """I2: every accepted run is there, and no run is there that nobody started."""
    for run_id in sorted(history.accepted - history.runs.keys()):
        yield f"run {run_id} was accepted and cannot be read"
    for run_id in sorted(history.accepted - history.listed):
        yield f"run {run_id} was accepted and is not listed"
    for run_id in sorted(history.listed - history.accepted):
        yield f"run {run_id} was started by nobody"


def every_step_has_one_outcome(history: History) -> Iterator[str]:
    """I3: a step has one outcome, that of its only successful attempt if it succeeded, and it never changes."""
    for run_id, seen in history.runs.items():
        outcomes = defaultdict(list)
        for change in _step_changes(seen):
            if change["status"] in PAST:
                outcomes[change["stepId"]].append(change["status"])
        for path, step in seen.steps.items():
            status = step["status"]
            expected = [status] if status in PAST else []
            if outcomes[path] != expected:
                yield f"step {path} of run {run_id} is {status}, its events say {outcomes[path]}"
            attempts = [one["status"] for one in step.get("attempts", ())]
            if attempts.count("SUCCESS") > 1:
                yield f"step {path} of run {run_id} has several successful attempts: {attempts}"
            if attempts and (status == "SUCCESS") != (attempts[-1] == "SUCCESS"):
                yield f"step {path} of run {run_id} is {status}, its attempts are {attempts}"
    for run_id, path, status in history.sightings:
        if run_id in history.runs:
            seen = history.runs[run_id]
            now = seen.steps.get(path, {}).get("status") if path else seen.run["status"]
            if now != status:
                yield f"{path or 'the run'} of {run_id} was seen as {status}, and is {now}"


def no_step_begins_early(history: History) -> Iterator[str]:
    """I4: no step begins before what it needs has succeeded, by its events and by the ledger."""
    ended: dict[tuple[str, str], float] = {}
    for one in history.executions:
        if one.end is not None:
            ended[one.run, one.step] = min(one.end, ended.get((one.run, one.step), one.end))
    first: dict[tuple[str, str], float] = {}
    for one in history.executions:
        first[one.run, one.step] = min(one.begin, first.get((one.run, one.step), one.begin))
    for run_id, seen in history.runs.items():
        began: dict[str, int] = {}
        good: dict[str, int] = {}
        for seq, change in _numbered_changes(seen):
            if change["status"] == "RUNNING":
                began.setdefault(change["stepId"], seq)
            elif change["status"] in GOOD:
                good[change["stepId"]] = seq
        for path, step in seen.steps.items():
            if path not in began or _last(path) in history.lenient:
                continue
            for need in step.get("needs", ()):
                needed = f"{path.rpartition('/')[0]}/{need}".removeprefix("/")
                if good.get(needed, began[path]) >= began[path]:
                    yield f"step {path} of run {run_id} began before {needed} succeeded"
                before, after = ended.get((run_id, needed)), first.get((run_id, path))
                if before is not None and after is not None and after < before:
                    yield f"the code of {path} of run {run_id} began before that of {needed} had ended"


def code_runs_as_recorded(history: History) -> Iterator[str]:
    """I5: what succeeded did run; nothing ran that the record has no attempt for; beside itself only past a lease."""
    by_step: dict[tuple[str, str], list[Execution]] = defaultdict(list)
    for one in history.executions:
        by_step[one.run, one.step].append(one)
    for run_id, seen in history.runs.items():
        for path, step in seen.steps.items():
            ran = by_step.pop((run_id, path), [])
            yield from _as_recorded(history, run_id, path, step, ran)
    for run_id, path in by_step:
        if run_id in history.runs:
            yield f"step {path} of run {run_id} ran and is not recorded"


def _as_recorded(history: History, run_id: str, path: str, step: Json, ran: list[Execution]) -> Iterator[str]:
    where = f"step {path} of run {run_id}"
    attempts = {one["number"]: one for one in step.get("attempts", ())}
    for number, times in Counter(one.attempt for one in ran).items():
        if number not in attempts:
            yield f"{where} ran attempt {number}, which is not recorded"
        elif times > 1:
            yield f"{where} ran attempt {number} {times} times"
    for number, attempt in attempts.items():
        leaf = attempt.get("isolation") in ("cell", "limits") and _last(path) not in history.silent
        finished = any(one.attempt == number and one.end is not None for one in ran)
        if leaf and attempt["status"] == "SUCCESS" and not finished:
            yield f"attempt {number} of {where} succeeded, and its code did not come to its end"
    ran.sort(key=lambda one: one.begin)
    for before, after in itertools.pairwise(ran):
        overlap = before.end is not None and after.begin < before.end
        if overlap and after.begin - before.begin < history.lease - _SLACK:
            seconds = after.begin - before.begin
            yield f"{where} ran beside itself {seconds:.1f} s after its attempt {before.attempt} began"


def events_are_gapless(history: History) -> Iterator[str]:
    """I6: a run's events are numbered without a gap, and every client saw exactly these, once, in order."""
    for run_id, seen in history.runs.items():
        seqs = [one["seq"] for one in seen.events]
        if seqs != list(range(1, len(seqs) + 1)):
            yield f"the events of run {run_id} are numbered {_shortened(seqs)}"
    for one in history.watched:
        if one.run not in history.runs:
            continue
        last = len(history.runs[one.run].events)
        expected = list(range(1, (last if one.whole else len(one.seqs)) + 1))
        if one.seqs != expected or len(one.seqs) > last:
            yield f"a client saw {_shortened(one.seqs)} of the {last} events of run {one.run}"


def nothing_is_orphaned(history: History) -> Iterator[str]:
    """I7: no process outlives who started it."""
    yield from history.orphans


def the_action_log_is_whole(history: History) -> Iterator[str]:
    """I8: the action log verifies, and has every change of status of every run and step."""
    if history.audit_problem:
        yield history.audit_problem
    for run_id, seen in history.runs.items():
        missing = [
            one["seq"]
            for one in seen.events
            if ("runStatusChange" in one or "stepStatusChange" in one)
            and f"{run_id}:{one['seq']}" not in history.audited
        ]
        if missing:
            yield f"events {_shortened(missing)} of run {run_id} are not in the action log"


def it_becomes_quiet(history: History) -> Iterator[str]:
    """I9: half a minute after the last fault everything has ended."""
    if history.quiet_after > QUIET_SECONDS:
        yield f"it took {history.quiet_after:.0f} s until everything had ended"


def nothing_leaks(history: History) -> Iterator[str]:
    """I10: descriptors, tasks and memory are back where they were."""
    for one in history.growth:
        if one.after > one.before + one.most:
            yield f"{one.what}: {one.before:.0f} before, {one.after:.0f} after"


INVARIANTS: dict[str, Callable[[History], Iterator[str]]] = {
    "I1": every_run_ends_once,
    "I2": no_run_vanishes,
    "I3": every_step_has_one_outcome,
    "I4": no_step_begins_early,
    "I5": code_runs_as_recorded,
    "I6": events_are_gapless,
    "I7": nothing_is_orphaned,
    "I8": the_action_log_is_whole,
    "I9": it_becomes_quiet,
    "I10": nothing_leaks,
}


def check(history: History) -> list[Violation]:
    """Every violation of every invariant."""
    return [Violation(name, what) for name, holds in INVARIANTS.items() for what in holds(history)]


def _step_changes(seen: RunSeen) -> Iterator[Json]:
    for _, change in _numbered_changes(seen):
        yield change


def _numbered_changes(seen: RunSeen) -> Iterator[tuple[int, Json]]:
    for one in seen.events:
        if "stepStatusChange" in one:
            yield one["seq"], one["stepStatusChange"]


def _last(path: str) -> str:
    """The id of a step in its own workflow: `load/each[3]` is `each`."""
    return path.rpartition("/")[2].partition("[")[0]


def _shortened(numbers: list[int]) -> str:
    text = ", ".join(map(str, numbers[:20]))
    return f"{text}, … ({len(numbers)})" if len(numbers) > 20 else text or "none"
