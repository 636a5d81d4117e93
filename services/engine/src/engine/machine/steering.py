"""What people and time do to a run: accept it, pause it, decide, cancel it, let it run out."""

from datetime import datetime, timedelta

from engine import durations, lanes, waiting
from engine.domain import ErrorKind, Failure, RunStatus, StepStatus
from engine.effects import ApprovalAsked, RunChanged, StopAttempt
from engine.machine import flow, running, starting
from engine.machine.draft import Draft
from engine.machine.levels import ItemsDraft, Slot
from engine.machine.stopping import stop
from engine.state import RATE, CancelRequested, Decided


def accept(draft: Draft) -> None:
    """The run exists. It begins, unless it has to wait for its time or for a place under its limit."""
    if draft.state.accepted:
        draft.reject("the run was accepted before", duplicate=True)
        return
    draft.run["accepted"] = True
    timeout = draft.root.plan.timeout
    if timeout is not None:
        draft.run["deadline_at"] = max(draft.now, draft.state.start_at or draft.now) + timeout
    _set_run_timer(draft)
    _begin_if_due(draft)


def admit(draft: Draft) -> None:
    """The run has a place under its limit."""
    if draft.state.admitted:
        draft.reject("the run was admitted before", duplicate=True)
        return
    draft.run["admitted"] = True
    _begin_if_due(draft)


def _begin_if_due(draft: Draft) -> None:
    start_at = draft.state.start_at
    admitted = draft.run.get("admitted", draft.state.admitted)
    if draft.begun or draft.root.cause or draft.is_paused or not admitted:
        return
    if start_at is not None and start_at > draft.now:
        return
    draft.run["begun"] = True
    _set_run_timer(draft)
    draft.considered.extend(
        Slot(draft.root, number) for number, one in enumerate(draft.root.plan.steps) if not one.needs
    )
    draft.unfinished[id(draft.root)] = draft.root


def _set_run_timer(draft: Draft) -> None:
    moments: list[datetime] = []
    if not draft.begun and draft.state.start_at is not None and draft.state.start_at > draft.now:
        moments.append(draft.state.start_at)
    deadline: datetime | None = draft.run.get("deadline_at", draft.state.deadline_at)
    if deadline is not None:
        moments.append(deadline)
    if moments or "" in draft.state.timers:
        draft.set_timer("", min(moments, default=None))


def pause(draft: Draft) -> None:
    """Begins nothing new."""
    if draft.root.cause:
        draft.reject("the run is stopping")
    elif draft.is_paused:
        draft.reject("the run is PAUSED", duplicate=True)
    else:
        draft.run["status"] = RunStatus.PAUSED
        draft.note_pause()
        draft.effects.append(RunChanged(RunStatus.PAUSED))
        for slot in draft.walk():
            one = slot.state
            if (
                one.status is StepStatus.READY
            ):  # the time of the pause is not its own: it counts anew afterwards
                gate = "" if one.due_at is not None or one.gate.startswith(RATE) else one.gate
                slot.change(due_at=None, gate=gate, expires_at=None)


def resume(draft: Draft) -> None:
    """Goes on."""
    if not draft.is_paused:
        draft.reject(f"the run is {draft.status}", duplicate=True)
        return
    _end_pause(draft)
    draft.effects.append(RunChanged(draft.status))
    for slot in list(draft.walk()):
        if slot.state.status is StepStatus.READY and not slot.state.gate:
            running.go_on(draft, slot, draft.now)
        if slot.state.status is StepStatus.READY:
            due = max(draft.now, slot.state.not_before or draft.now)
            slot.change(expires_at=starting.waits_until(draft, slot, due))
    _begin_if_due(draft)


def _end_pause(draft: Draft) -> None:
    draft.run["status"] = RunStatus.PENDING if draft.state.started_at is None else RunStatus.RUNNING
    draft.note_pause()


def decide(draft: Draft, event: Decided) -> None:
    """Somebody decided about a step."""
    slot = draft.slot(event.step_id)
    if slot is None or slot.is_past:
        draft.reject(f"nothing waits for a decision at '{event.step_id}'")
        return
    one, decision = slot.state, event.decision
    if one.status is not StepStatus.WAITING_APPROVAL:
        draft.reject(f"the step is {one.status}", duplicate=one.decision is not None)
        return
    slot.change(decision=decision, expires_at=None)
    draft.effects.append(ApprovalAsked(slot.path, "", decision=decision))
    if not decision.approved:
        why = f": {decision.comment}" if decision.comment else ""
        failure = Failure(
            ErrorKind.REJECTED, f"{decision.by_name or decision.by} rejected it{why}", step_id=slot.path
        )
        slot.end(StepStatus.FAILED, failure=failure)
    elif one.attempt:
        running.repeat(draft, slot, one.failure, draft.now)
    else:
        starting.begin(draft, slot)


def cancel(draft: Draft, event: CancelRequested) -> None:
    """Stops the run, if nothing else does already."""
    if draft.state.cancel_requested_at is not None:
        draft.reject("a cancel was requested before", duplicate=True)
        return
    draft.run["cancel_requested_at"] = draft.now
    if not draft.root.cause:
        failure = Failure(ErrorKind.CANCELLED, event.reason or "the run was cancelled")
        if draft.is_paused:
            _end_pause(draft)
        stop(draft, draft.root, "cancel", failure, never=StepStatus.ABORTED, reason="the run was cancelled")


def tick(draft: Draft) -> None:
    """Ends what time has run out for, and moves on whatever stands still."""
    _end_late_attempts(draft)
    for path, at in draft.state.timers.items():
        if at <= draft.now:
            if path:
                _expire(draft, path)
            else:
                _expire_run(draft)
    _begin_if_due(draft)
    if draft.begun:
        for level in draft.levels():
            if isinstance(level, ItemsDraft):
                starting.release(draft, level)
            else:
                draft.considered.extend(slot for slot in level.open_slots())
            draft.unfinished[id(level)] = level


def _end_late_attempts(draft: Draft) -> None:
    """The attempts whose workers should have ended them long ago."""
    for slot in list(draft.walk()):
        one = slot.state
        if one.status is not StepStatus.RUNNING or one.deadline_at is None or one.deadline_at > draft.now:
            continue
        reason = "it ran past its timeout, and its worker did not stop it"
        draft.effects.append(StopAttempt(slot.path, one.attempt, one.epoch, one.worker_id, reason))
        slot.change(epoch=one.epoch + 1)
        kind = ErrorKind.CANCELLED if slot.level.cause else ErrorKind.TIMED_OUT
        running.fail(draft, slot, Failure(kind, reason))


def _expire_run(draft: Draft) -> None:
    deadline = draft.state.deadline_at
    if deadline is None or deadline > draft.now or draft.root.cause:
        return
    what = flow.waiting_for(draft.state, draft.now)
    text = f"the run took longer than {_limit(draft.root.plan.timeout)}"
    failure = Failure(ErrorKind.TIMED_OUT, f"{text}: it waited for {what}" if what else text)
    if draft.is_paused:
        _end_pause(draft)
    stop(draft, draft.root, "failure", failure, never=StepStatus.SKIPPED, reason="the run took too long")


def _expire(draft: Draft, path: str) -> None:
    slot = draft.slot(path)
    if slot is None or slot.is_past or slot.level.cause:
        return
    one, planned = slot.state, slot.planned
    if one.status is StepStatus.WAITING_APPROVAL:
        wait = None if planned.approval is None else planned.approval.timeout
        failure = Failure(ErrorKind.TIMED_OUT, f"nobody decided within {_limit(wait)}", step_id=path)
        slot.end(StepStatus.FAILED, failure=failure)
    elif one.status is StepStatus.READY and draft.is_paused:
        slot.change(expires_at=None)
    elif one.status is StepStatus.READY:
        limit = planned.waiting_timeout or timedelta(0)
        worker = lanes.in_words(lanes.lane_of(planned))
        live = waiting.Live(path, worker, one.status, one.due_at, one.worker_id, one.gate)
        since = (one.expires_at or draft.now) - limit
        text = waiting.in_vain(live, limit, since, draft.now, planned.rate)
        slot.end(StepStatus.FAILED, failure=Failure(ErrorKind.TIMED_OUT, text, step_id=path))
    elif one.status is StepStatus.RUNNING and one.inner is not None and not slot.inner.cause:
        failure = Failure(ErrorKind.TIMED_OUT, f"it took longer than {_limit(planned.timeout)}", step_id=path)
        reason = f"step '{path}' took too long"
        stop(draft, slot.inner, "failure", failure, never=StepStatus.SKIPPED, reason=reason)


def _limit(duration: timedelta | None) -> str:
    return "its time" if duration is None else durations.in_words(duration)
