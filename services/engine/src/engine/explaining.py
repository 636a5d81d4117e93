"""Why a run is where it is: what holds it up or made it fail, in sentences, and the calls that would move it on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from engine.domain import RunStatus, StepStatus
from engine.plan import Plan
from engine.records import RunRecord, StepRecord, to_failure

_MOST: Final = 100
_ENGINE: Final = "mcpanel.engine.v1.EngineService"
_RUNS: Final = "/api/v1/workflow-runs"


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
    drained: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By lane: the drained workers that would serve it."""


@dataclass(frozen=True, slots=True)
class Action:
    """A call somebody could make."""

    title: str
    method: str
    http: str
    request: Mapping[str, Any]


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


def explain(run: RunRecord, plan: Plan, steps: Mapping[str, StepRecord], facts: Facts) -> Explanation:
    """Why the run is where it is."""
    status = RunStatus(run.status)
    if status is RunStatus.SUCCESS:
        return Explanation("It succeeded; nothing holds it up.", ())
    if status.ended:
        return _ended(run, steps)
    reasons = [*_of_run(run, facts)]
    if run.begun:
        reasons += _of_steps(run, plan, steps, facts)
    summary = reasons[0].message if reasons else "It moves on by itself right now."
    return Explanation(summary, tuple(reasons[:_MOST]))


def _ended(run: RunRecord, steps: Mapping[str, StepRecord]) -> Explanation:
    again = _action("Run again what had not succeeded", "RerunRun", run, ":rerun")
    whole = _action("Run all of it again", "RerunRun", run, ":rerun", from_start=True)
    failed = [
        Reason("FAILED", f"Step '{path}' failed: {failure.message}", path, actions=(again, whole))
        for path, one in steps.items()
        if one.status == StepStatus.FAILED and (failure := to_failure(one.error)) is not None
    ]
    failure = to_failure(run.error)
    said = "" if failure is None else failure.message
    word = "was cancelled" if run.status == RunStatus.ABORTED else "failed"
    reasons = failed or [Reason("FAILED", f"The run {word}: {said}", actions=(again, whole))]
    return Explanation(f"It {word}: {said}" if said else f"It {word}.", tuple(reasons[:_MOST]))


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
        yield Reason("START_TIME", text, until=run.start_at)
    elif not run.admitted:
        others = ", ".join(facts.in_the_way[:5])
        text = f"As many runs of '{run.limit_key}' as may run at once do: {others}."
        actions = tuple(_cancel(other) for other in facts.in_the_way[:5])
        yield Reason("CONCURRENCY_LIMIT", text, actions=actions)


def _of_steps(run: RunRecord, plan: Plan, steps: Mapping[str, StepRecord], facts: Facts) -> Iterator[Reason]:
    stopping = run.cancel_requested_at is not None
    for path, one in steps.items():
        match StepStatus(one.status):
            case StepStatus.WAITING_APPROVAL:
                yield _undecided(run, path, one)
            case StepStatus.READY if run.status != RunStatus.PAUSED:
                yield _ready(run, path, one, facts)
            case StepStatus.RUNNING if one.worker_id:
                verb = "is being stopped" if one.stopping or stopping else "runs"
                kind = "STOPPING" if one.stopping or stopping else "RUNNING"
                text = f"Step '{path}' {verb} on worker {one.worker_id}, attempt {one.attempt}."
                actions = () if stopping else (_action("Cancel the run", "CancelRun", run, ":cancel"),)
                yield Reason(kind, text, path, actions=actions)
            case _:
                pass
    for number, planned in enumerate(plan.steps):
        if planned.id not in steps:
            missing = [
                plan.steps[need].id
                for need in planned.needs
                if plan.steps[need].id not in steps or not StepStatus(steps[plan.steps[need].id].status).ended
            ]
            if missing:
                text = f"Step '{plan.steps[number].id}' waits for: {', '.join(missing)}."
                yield Reason("UPSTREAM", text, planned.id)


def _undecided(run: RunRecord, path: str, one: StepRecord) -> Reason:
    who = f" by {', '.join(one.approvers)}" if one.approvers else ""
    said = f": {one.message}" if one.message else "."
    suffix = f"/steps/{path}:decide"
    actions = tuple(
        _action(f"{word.capitalize()} it", "ApproveStep", run, suffix, step_id=path, decision=word)
        for word in ("approve", "reject")
    )
    text = f"Step '{path}' waits for a decision{who}{said}"
    return Reason("APPROVAL", text, path, one.expires_at, actions)


def _ready(run: RunRecord, path: str, one: StepRecord, facts: Facts) -> Reason:
    cancel = (_action("Cancel the run", "CancelRun", run, ":cancel"),)
    gate, _, key = one.gate.partition(":")
    if gate == "rate":
        return Reason("RATE_LIMIT", f"Step '{path}' waits for the rate limit '{key}'.", path, actions=cancel)
    if gate == "cache":
        text = f"Step '{path}' waits for another run that computes the same."
        return Reason("CACHE", text, path, actions=cancel)
    if one.due_at is not None and one.due_at > facts.now:
        failure = to_failure(one.error)
        why = "" if failure is None else f" after: {failure.message}"
        text = f"Step '{path}' is tried again at {one.due_at:%H:%M:%S} UTC{why}"
        return Reason("BACKOFF", text, path, one.due_at, cancel)
    lane = facts.lanes.get(path, one.kind)
    workers, free = facts.slots.get(lane, (0, 0))
    drained = facts.drained.get(lane, ())
    if drained and not free:
        return _drained(path, lane, workers, drained, cancel)
    if not workers:
        start = Action("See the workers there are", f"{_ENGINE}/ListWorkers", "GET /api/v1/workers", {})
        text = f"Step '{path}' waits for a worker that runs {lane}; none is connected."
        return Reason("NO_WORKER", text, path, actions=(start, *cancel))
    if not free:
        text = f"Step '{path}' waits for a free slot: all of {workers} worker(s) for {lane} are busy"
        ahead = facts.ahead.get(lane, 0)
        text += f", and {ahead} steps wait." if ahead > 1 else "."
        return Reason("NO_FREE_SLOT", text, path, actions=cancel)
    return Reason("READY", f"Step '{path}' is about to be given to a worker.", path)


def _drained(
    path: str, lane: str, workers: int, drained: Sequence[str], cancel: tuple[Action, ...]
) -> Reason:
    names = ", ".join(drained[:5])
    others = f"the other {workers} are busy" if workers else "there is no other"
    text = f"Step '{path}' waits for a worker that runs {lane}: {names} take nothing new, being drained; {others}."
    if len(drained) == 1:
        text = text.replace(" take nothing", " takes nothing")
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


def _cancel(run_id: str) -> Action:
    return Action(
        f"Cancel run {run_id}", f"{_ENGINE}/CancelRun", f"POST {_RUNS}/{run_id}:cancel", {"runId": run_id}
    )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
