"""Why a run is where it is: what holds it up or made it fail, in sentences, and the calls that would move it on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from engine.deciding import PERMISSION, Decider
from engine.domain import ErrorKind, RunStatus, StepStatus
from engine.lanes import in_words
from engine.plan import Plan
from engine.records import RunRecord, StepRecord, to_failure
from engine.waiting import named
from engine.words import counted

_MOST: Final = 100
_FEW: Final = 3
_ENGINE: Final = "mcpanel.engine.v1.EngineService"
_RUNS: Final = "/api/v1/workflow-runs"

_OF_THE_END: Final = frozenset({ErrorKind.CANCELLED, ErrorKind.SKIPPED, ErrorKind.WORKER_LOST})
"""What becomes of attempts and steps when a run is ended."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the run itself, at one moment."""

    now: datetime
    slots: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By lane: how many workers serve it, and how many attempts they would take now."""
    ahead: Mapping[str, int] = field(default_factory=dict)
    """By lane: how many READY steps wait in it."""
    in_the_way: tuple[str, ...] = ()
    """The runs that have the places under the run's concurrency limit."""
    lanes: Mapping[str, str] = field(default_factory=dict)
    """By path: the lane of each READY step."""
    turns: Mapping[str, datetime | None] = field(default_factory=dict)
    """By path of steps in a rate limit's queue: when it is probably their turn; None: those before them are late."""
    drained: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By lane: the drained workers that would serve it."""


@dataclass(frozen=True, slots=True)
class Action:
    """A call somebody could make."""

    title: str
    method: str
    http: str
    request: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        """What tells calls apart."""
        return self.title, self.http


_WORKERS: Final = Action("See the workers there are", f"{_ENGINE}/ListWorkers", "GET /api/v1/workers", {})


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that holds a run up, or made it fail."""

    kind: str
    message: str
    step_id: str = ""
    until: datetime | None = None
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """A sentence about the run, and the reasons, the most important first."""

    summary: str
    reasons: tuple[Reason, ...]


def explain(
    run: RunRecord, plan: Plan, steps: Mapping[str, StepRecord], facts: Facts, reader: Decider
) -> Explanation:
    """Why the run is where it is. A decision is offered to a reader who may take it; others are told who may."""
    status = RunStatus(run.status)
    if status is RunStatus.SUCCESS:
        return Explanation("It succeeded; nothing holds it up.", ())
    if status.ended:
        return _ended(run, plan, steps)
    reasons = [*_of_run(run, facts)]
    if run.begun:
        reasons += _of_steps(run, plan, steps, facts, reader)
    summary = reasons[0].message if reasons else "It moves on by itself right now."
    return Explanation(summary, tuple(reasons[:_MOST]))


def _ended(run: RunRecord, plan: Plan, steps: Mapping[str, StepRecord]) -> Explanation:
    again = _action("Run again what had not succeeded", "RerunRun", run, ":rerun")
    whole = _action("Run all of it again", "RerunRun", run, ":rerun", from_start=True)
    actions = (again, whole)
    failed = [
        Reason("FAILED", f"Step '{path}' failed: {failure.message}", path, actions=actions)
        for path, one in steps.items()
        if one.status == StepStatus.FAILED and (failure := to_failure(one.error)) is not None
    ]
    failure = to_failure(run.error)
    said = "" if failure is None else failure.message
    word = "was cancelled" if run.status == RunStatus.ABORTED else "failed"
    reasons = failed
    if not failed or failure is None or not failure.step_id:  # no step of it did this to the run
        itself = Reason("FAILED", f"The run {word}: {said}", actions=actions)
        reasons = [itself, *_unfinished(plan, steps, actions), *failed]
    return Explanation(f"It {word}: {said}" if said else f"It {word}.", tuple(reasons[:_MOST]))


def _unfinished(plan: Plan, steps: Mapping[str, StepRecord], actions: tuple[Action, ...]) -> Iterator[Reason]:
    """The steps that ran or waited when the run was ended."""
    for path, one in steps.items():
        planned = plan.find(path)
        if planned is None or planned.is_composite or not one.has_begun:
            continue
        failure = to_failure(one.error)
        ended = failure is None or failure.kind in _OF_THE_END
        if one.status == StepStatus.ABORTED and one.attempt and ended:
            text = f"Step '{path}' was running, attempt {one.attempt}, when the run was ended."
        elif one.status == StepStatus.ABORTED and one.attempt and failure is not None:
            text = f"Step '{path}' was to be tried again when the run was ended, after: {failure.message}"
        elif one.status in (StepStatus.ABORTED, StepStatus.SKIPPED):
            what = "for a decision" if one.started_at is not None else "to run"
            text = f"Step '{path}' was waiting {what} when the run was ended."
        else:
            continue
        yield Reason("STOPPED", text, path, actions=actions)


def _of_run(run: RunRecord, facts: Facts) -> Iterator[Reason]:
    if run.status == RunStatus.PAUSED:
        yield Reason(
            "PAUSED",
            "Somebody paused the run; nothing new begins.",
            actions=(_action("Let it go on", "ResumeRun", run, ":resume"),),
        )
    if run.begun:
        return
    if run.start_at is not None and run.start_at > facts.now:
        text = f"The run is to start at {run.start_at:%Y-%m-%d %H:%M:%S} UTC."
        yield Reason("START_TIME", text, until=run.start_at, actions=(_cancel_it(run),))
    elif not run.admitted:
        others = ", ".join(facts.in_the_way[:5])
        text = f"As many runs of '{run.limit_key}' as may run at once do: {others}."
        actions = (*(_cancel(other) for other in facts.in_the_way[:5]), _cancel_it(run))
        yield Reason("CONCURRENCY_LIMIT", text, actions=actions)


def _of_steps(
    run: RunRecord, plan: Plan, steps: Mapping[str, StepRecord], facts: Facts, reader: Decider
) -> Iterator[Reason]:
    found: dict[str, list[Reason]] = {}
    for one in _of_begun(run, plan, steps, facts, reader):
        yield one
        found.setdefault(_top(one.step_id), []).append(one)
    for planned in plan.steps:
        if planned.id not in steps:
            missing = [
                need
                for need in (plan.steps[number].id for number in planned.needs)
                if need not in steps or not StepStatus(steps[need].status).ended
            ]
            if missing:
                yield _upstream(run, planned.id, missing, found)


def _of_begun(
    run: RunRecord, plan: Plan, steps: Mapping[str, StepRecord], facts: Facts, reader: Decider
) -> Iterator[Reason]:
    for path, one in steps.items():
        match StepStatus(one.status):
            case StepStatus.WAITING_APPROVAL:
                yield _undecided(run, path, one, reader)
            case StepStatus.READY if run.status != RunStatus.PAUSED:
                yield _ready(run, plan, path, one, facts)
            case StepStatus.RUNNING if one.worker_id:
                if one.stopping or run.cancel_requested_at is not None:
                    yield _stopping(run, path, one)
                else:
                    text = f"Step '{path}' runs on worker {one.worker_id}, attempt {one.attempt}."
                    yield Reason("RUNNING", text, path, actions=(_look_at(run, path), _cancel_it(run)))
            case _:
                pass


def _top(path: str) -> str:
    """The workflow's own step that a step is, or is part of."""
    return path.partition("/")[0].partition("[")[0]


def _upstream(
    run: RunRecord, path: str, missing: Sequence[str], found: Mapping[str, Sequence[Reason]]
) -> Reason:
    """A step waits for others: what holds these up holds it up, and so do the calls that move them on."""
    causes = [one for need in missing[:_FEW] for one in found.get(need, ())[:_FEW]][:_FEW]
    said = "".join(f" {one.message}" for one in causes)
    actions = {one.key: one for cause in causes for one in cause.actions}
    cancel = _cancel_it(run)
    actions.pop(cancel.key, None)
    text = f"Step '{path}' waits for: {', '.join(missing)}.{said}"
    return Reason("UPSTREAM", text, path, actions=(*actions.values(), cancel))


def _stopping(run: RunRecord, path: str, one: StepRecord) -> Reason:
    """Its worker ends it by itself. Should the worker not: its lease, or the attempt's time, is over some time."""
    over = "" if one.deadline_at is None else f", or at {one.deadline_at:%Y-%m-%d %H:%M:%S} UTC at the latest"
    text = (
        f"Step '{path}' is being stopped on worker {one.worker_id}, attempt {one.attempt}: the worker kills what does "
        f"not end at once. Should the worker be gone, the engine ends the attempt as soon as its lease is over{over}."
    )
    return Reason("STOPPING", text, path, one.deadline_at, (_look_at(run, path), _WORKERS))


def _undecided(run: RunRecord, path: str, one: StepRecord, reader: Decider) -> Reason:
    who = f" by {', '.join(one.approvers)}" if one.approvers else ""
    said = f": {one.message}" if one.message else "."
    if not reader.may_decide(one.approvers):
        who += "; only they and administrators may decide" if one.approvers else ""
        who += (
            "" if reader.has_permission else f"; it takes the permission {PERMISSION}, which you do not hold"
        )
        text = f"Step '{path}' waits for a decision{who}{said}"
        return Reason("APPROVAL", text, path, one.expires_at, (_cancel_it(run),))
    suffix = f"/steps/{quote(path)}:decide"
    actions = tuple(
        _action(f"{word.capitalize()} it", "ApproveStep", run, suffix, step_id=path, decision=word)
        for word in ("approve", "reject")
    )
    text = f"Step '{path}' waits for a decision{who}{said}"
    return Reason("APPROVAL", text, path, one.expires_at, actions)


def _ready(run: RunRecord, plan: Plan, path: str, one: StepRecord, facts: Facts) -> Reason:
    cancel = (_cancel_it(run),)
    if one.due_at is None or one.due_at > facts.now:
        return _held_back(run, plan, path, one, facts)
    lane = facts.lanes.get(path, one.kind)
    workers, free = facts.slots.get(lane, (0, 0))
    drained = facts.drained.get(lane, ())
    if drained and not free:
        return _drained(path, lane, workers, drained, cancel)
    if not workers:
        text = f"Step '{path}' waits for a worker that runs {in_words(lane)}; none is connected."
        return Reason("NO_WORKER", text, path, actions=(_WORKERS, *cancel))
    if not free:
        kind = in_words(lane)
        busy = f"the 1 worker for {kind} is" if workers == 1 else f"all {workers} workers for {kind} are"
        text = f"Step '{path}' waits for a free slot: {busy} busy"
        ahead = facts.ahead.get(lane, 0)
        text += f", and {counted(ahead, 'step')} wait." if ahead > 1 else "."
        return Reason("NO_FREE_SLOT", text, path, actions=cancel)
    text = f"Step '{path}' is about to be given to a worker."
    return Reason("READY", text, path, one.due_at, (_WORKERS, *cancel))


def _held_back(run: RunRecord, plan: Plan, path: str, one: StepRecord, facts: Facts) -> Reason:
    """Why no worker may have a READY step yet: a gate, or what its retry policy demands."""
    cancel = (_cancel_it(run),)
    gate, _, key = named(one.gate).partition(":")
    if gate == "cache":
        text = f"Step '{path}' waits for another run that computes the same."
        return Reason("CACHE", text, path, actions=cancel)
    failure, planned = to_failure(one.error), plan.find(path)
    until = one.due_at or facts.turns.get(path)
    at = "" if until is None else f" at {_moment(until, facts.now)}"
    again = "" if failure is None else f" It is tried again after: {failure.message}"
    if gate == "rate" or (failure is None and planned is not None and planned.rate is not None):
        which = f"the rate limit '{key}'" if key else "its rate limit"
        if path in facts.turns and until is None:
            lane = in_words(facts.lanes.get(path, one.kind))
            turn = f"Step '{path}' waits for its turn under {which}"
            text = f"{turn}: the steps before it wait for a worker that runs {lane}.{again}"
            return Reason("RATE_LIMIT", text, path, actions=(_WORKERS, *cancel))
        lets = f", which lets it run{at}" if at else ""
        text = f"Step '{path}' waits for {which}{lets}.{again}"
        return Reason("RATE_LIMIT", text, path, until, cancel)
    if failure is None:
        text = f"Step '{path}' may be given to a worker{at}."
        return Reason("READY", text, path, one.due_at, (_WORKERS, *cancel))
    text = f"Step '{path}' is tried again{at} after: {failure.message}"
    return Reason("BACKOFF", text, path, one.due_at, cancel)


def _moment(moment: datetime, now: datetime) -> str:
    """The moment in words; its day where that is another one."""
    day = "" if moment.date() == now.date() else f"{moment:%Y-%m-%d} "
    return f"{day}{moment:%H:%M:%S} UTC"


def _drained(
    path: str, lane: str, workers: int, drained: Sequence[str], cancel: tuple[Action, ...]
) -> Reason:
    names = ", ".join(drained[:5])
    busy = "the other 1 is busy" if workers == 1 else f"the other {workers} are busy"
    others = busy if workers else "there is no other"
    take = "takes" if len(drained) == 1 else "take"
    kind, why = in_words(lane), f"{names} {take} nothing new, being drained; {others}."
    text = f"Step '{path}' waits for a worker that runs {kind}: {why}"
    actions = tuple(
        Action(
            f"Let worker {one} take steps again",
            f"{_ENGINE}/UndrainWorker",
            f"POST /api/v1/workers/{one}:undrain",
            {"workerId": one},
        )
        for one in drained[:5]
    )
    return Reason("DRAINING", text, path, actions=(*actions, *cancel))


def _action(title: str, method: str, run: RunRecord, suffix: str, **request: Any) -> Action:
    body = {"runId": run.id, **{_camel(name): value for name, value in request.items()}}
    return Action(title, f"{_ENGINE}/{method}", f"POST {_RUNS}/{run.id}{suffix}", body)


def _cancel_it(run: RunRecord) -> Action:
    return _action("Cancel the run", "CancelRun", run, ":cancel")


def _look_at(run: RunRecord, path: str) -> Action:
    return Action(
        "See what the step does",
        f"{_ENGINE}/GetStepExecution",
        f"GET {_RUNS}/{run.id}/steps/{quote(path)}",
        {"runId": run.id, "stepId": path},
    )


def _cancel(run_id: str) -> Action:
    return Action(
        f"Cancel run {run_id}", f"{_ENGINE}/CancelRun", f"POST {_RUNS}/{run_id}:cancel", {"runId": run_id}
    )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
