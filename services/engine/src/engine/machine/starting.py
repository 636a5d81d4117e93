"""From PENDING to READY, and what lies between: joins, conditions, approvals, items, sub-workflows, copies, gates."""

import contextlib
import hashlib
from datetime import datetime
from typing import Any, Final, cast

from engine.blocks import Blocks
from engine.domain import ErrorKind, Failure, Join, Payload, Reference, StepStatus
from engine.effects import ApprovalAsked, AttemptOpened, Gated
from engine.machine.draft import Draft
from engine.machine.levels import ItemsDraft, Slot, StepsDraft
from engine.plan import APPROVAL, EvaluationFailed, Plan, PlannedStep
from engine.state import CACHE, NEVER_RUN, RATE, Items, Steps

MAX_ITEMS: Final = 100_000


def consider(draft: Draft, slot: Slot) -> None:
    """Starts a PENDING step of a workflow if what it needs has ended."""
    level = cast("StepsDraft", slot.level)
    if level.cause or slot.state.status is not StepStatus.PENDING:
        return
    planned = slot.planned
    if any(not level.states[need].status.ended for need in planned.needs):
        return
    if why := _does_not_join(level, planned):
        slot.end(StepStatus.SKIPPED, failure=Failure(ErrorKind.SKIPPED, why))
        return
    scope = level.scope()
    try:
        if not level.plan.evaluator.condition(slot.key, scope):
            slot.end(StepStatus.SKIPPED, failure=Failure(ErrorKind.SKIPPED, "its condition was false"))
        elif planned.approval is None:
            begin(draft, slot)
        else:
            ask(draft, slot, level.plan.evaluator.message(slot.key, scope))
    except EvaluationFailed as error:
        unusable(slot, error)


def _does_not_join(level: StepsDraft, planned: PlannedStep) -> str:
    """Why the step is not to run, given what became of those it needs; empty when it is."""
    needs = [(level.plan.steps[need], level.states[need]) for need in planned.needs]
    if planned.join is Join.ENDED or not needs:
        return ""
    if planned.join is Join.ANY:
        return "" if any(one.status.succeeded for _, one in needs) else "none of the steps it needs succeeded"
    for need, one in needs:
        if one.status is StepStatus.SKIPPED:
            return f"step '{need.id}', which it needs, was skipped"
        if not one.status.succeeded and not need.goes_on:
            return f"step '{need.id}', which it needs, is {one.status}"
    return ""


def ask(draft: Draft, slot: Slot, message: str) -> None:
    """Has the step wait for somebody's decision."""
    approval = slot.planned.approval
    wait = None if approval is None else approval.timeout
    expires_at = None if wait is None else draft.now + wait
    slot.change(
        status=StepStatus.WAITING_APPROVAL,
        started_at=slot.state.started_at or draft.now,
        expires_at=expires_at,
        due_at=None,
        worker_id="",
        deadline_at=None,
        stopping=False,
    )
    draft.say(slot)
    approvers = () if approval is None else approval.approvers
    draft.effects.append(ApprovalAsked(slot.path, message, approvers, expires_at))


def begin(draft: Draft, slot: Slot) -> None:
    """Starts a step that nothing holds back any more."""
    level, planned = slot.level, slot.planned
    scope, evaluator = level.scope(slot.key), level.plan.evaluator
    try:
        if planned.is_fan:
            _begin_items(draft, slot, evaluator.items(level.number(slot.key), scope))
            return
        inputs = evaluator.inputs(level.number(slot.key), scope)
        if planned.kind == APPROVAL:
            decision = slot.state.decision
            by = "" if decision is None else decision.by_name
            comment = "" if decision is None else decision.comment
            output = Payload.of({"approved_by": by, "comment": comment})
            slot.end(StepStatus.SUCCESS, inputs=inputs, output=output)
        elif _copy(draft, slot, inputs):
            pass
        elif planned.sub is not None:
            _begin_workflow(draft, slot, inputs)
        else:
            slot.change(inputs=inputs)
            if planned.in_engine:
                _compute(draft, slot, inputs)
            else:
                make_ready(draft, slot)
    except EvaluationFailed as error:
        unusable(slot, error)


def unusable(slot: Slot, error: EvaluationFailed) -> None:
    """Fails a step whose expressions yield nothing usable."""
    slot.end(StepStatus.FAILED, failure=Failure(error.kind, str(error), step_id=slot.path))


def _begin_items(draft: Draft, slot: Slot, items: Payload) -> None:
    total = count(items)
    if total is None:
        raise EvaluationFailed("its `for_each` yields no list")
    if total > MAX_ITEMS:
        raise EvaluationFailed(f"its `for_each` yields {total:,} items, more than {MAX_ITEMS:,}")
    _open(draft, slot, items, Items(items, total=total, outputs=Blocks(total)))
    inner = cast("ItemsDraft", slot.inner)
    _copy_items(draft, inner)
    release(draft, inner)


def count(items: Payload) -> int | None:
    """How many items there are; None when it is no list."""
    value: Any = items.value
    if isinstance(value, Reference):
        return value.total
    return len(value) if isinstance(value, list) else None


def _copy_items(draft: Draft, items: ItemsDraft) -> None:
    """Takes over what can be of all items at once: the window is for those that run."""
    if not draft.state.copies or draft.state.begun:
        return
    for index in range(items.total):
        slot = Slot(items, index)
        if slot.path in draft.state.copies:
            with contextlib.suppress(EvaluationFailed):
                _copy(draft, slot, items.plan.evaluator.inputs(items.owner.key, items.scope(index)))


def release(draft: Draft, items: ItemsDraft) -> None:
    """Starts items until the window is full."""
    most = items.steps.plan.steps[items.owner.key].max_parallel
    while not items.cause and items.released < items.total and len(items.live) < most:
        index = items.released
        items.release(index)
        if index not in items.live and not items.has_ended(index):
            begin(draft, Slot(items, index))


def _begin_workflow(draft: Draft, slot: Slot, inputs: Payload) -> None:
    planned = slot.planned
    plan = cast("Plan", planned.sub)
    expires_at = None if planned.timeout is None else draft.now + planned.timeout
    steps = Steps(inputs, plan, (NEVER_RUN,) * len(plan.steps))
    _open(draft, slot, inputs, steps, expires_at=expires_at)
    inner = slot.inner
    draft.considered.extend(Slot(inner, number) for number, one in enumerate(plan.steps) if not one.needs)
    draft.unfinished[id(inner)] = inner


def _open(
    draft: Draft, slot: Slot, inputs: Payload, inner: Items | Steps, *, expires_at: datetime | None = None
) -> None:
    """Has a step that is made of others run."""
    draft.run_on()
    slot.change(
        status=StepStatus.RUNNING,
        inputs=inputs,
        attempt=1,
        epoch=1,
        started_at=slot.state.started_at or draft.now,
        expires_at=expires_at,
        inner=inner,
    )
    draft.say(slot)
    level = slot.inner
    draft.unfinished[id(level)] = level


def _copy(draft: Draft, slot: Slot, inputs: Payload) -> bool:
    """Takes over the outcome that another run had, if it is the same step with the same inputs."""
    copy = None if draft.state.begun else draft.state.copies.get(slot.path)
    if copy is None or copy.version_id != slot.planned.version_id or copy.inputs != inputs:
        return False
    slot.end(
        StepStatus.SUCCESS,
        inputs=inputs,
        output=copy.output,
        copied_from=copy.run_id,
        started_at=draft.now,
    )
    return True


def _compute(draft: Draft, slot: Slot, inputs: Payload) -> None:
    """Runs a step that the engine itself can."""
    opened(draft, slot, "", "engine", None)
    try:
        output = slot.level.plan.evaluator.compute(slot.level.number(slot.key), inputs)
    except EvaluationFailed as error:
        failure = Failure(error.kind, str(error), step_id=slot.path)
        draft.close(slot, StepStatus.FAILED, failure)
        slot.end(StepStatus.FAILED, failure=failure)
        return
    draft.close(slot, StepStatus.SUCCESS, None)
    slot.end(StepStatus.SUCCESS, output=output)


def make_ready(draft: Draft, slot: Slot) -> None:
    """Lets workers have the step, as soon as its gates do."""
    planned = slot.planned
    gate = CACHE + _digest(slot) if planned.cache_ttl is not None else rate_gate(slot)
    slot.change(
        status=StepStatus.READY,
        **queued(draft, slot, gate, draft.now),
        expires_at=waits_until(draft, slot, draft.now),
    )
    draft.say(slot)
    announce(draft, slot, draft.now)


def rate_gate(slot: Slot) -> str:
    """The gate of the step's rate limit, which is the workflow's owner's own; empty without one."""
    if slot.planned.rate is None:
        return ""
    key = slot.level.plan.evaluator.rate_key(slot.level.number(slot.key), slot.level.scope(slot.key))
    return f"{RATE}{slot.level.draft.state.owner_id}/{key}"


def queued(draft: Draft, slot: Slot, gate: str, due: datetime) -> dict[str, Any]:
    """The fields of a READY step that may run from `due` on, if its gate lets it, and while the run is not paused.

    Who waits under a rate limit holds nothing: a paused step leaves the queue, and keeps its place in it.
    """
    limited = slot.planned.rate is not None and not gate.startswith(CACHE)
    if draft.is_paused and limited:
        gate = ""
    return {
        "gate": gate,
        "due_at": None if gate or draft.is_paused else due,
        "not_before": due if limited else None,
    }


def waits_until(draft: Draft, slot: Slot, due: datetime) -> datetime | None:
    """When the waiting of a READY step that may run from `due` on is ended; None: never, or not while it is paused."""
    wait = slot.planned.waiting_timeout
    return None if wait is None or draft.is_paused else due + wait


def announce(draft: Draft, slot: Slot, due: datetime) -> None:
    """Has the gate at which the step waits, if it does, looked at."""
    one = slot.state
    if one.gate and one.due_at is None:
        draft.effects.append(Gated(slot.path, slot.planned, one.gate, due))


def _digest(slot: Slot) -> str:
    """What tells cached outputs apart: the workflow's owner, the version, the inputs, and the step's own key."""
    key = slot.level.plan.evaluator.cache_key(slot.level.number(slot.key), slot.level.scope(slot.key))
    inputs = slot.state.inputs
    content = b"\0".join(
        (
            slot.level.draft.state.owner_id.encode(),
            slot.planned.version_id.encode(),
            b"" if inputs is None else inputs.raw,
            key.encode(),
        )
    )
    return hashlib.sha256(content).hexdigest()


def opened(draft: Draft, slot: Slot, worker_id: str, isolation: str, deadline_at: datetime | None) -> None:
    """Begins an attempt."""
    draft.run_on()
    one = slot.state
    queued_at = one.due_at or draft.now
    slot.change(
        status=StepStatus.RUNNING,
        attempt=one.attempt + 1,
        epoch=one.epoch + 1,
        started_at=one.started_at or draft.now,
        due_at=None,
        gate="",
        not_before=None,
        expires_at=None,
        failure=None,
        worker_id=worker_id,
        deadline_at=deadline_at,
        lines=0,
    )
    one = slot.state
    inputs = one.inputs if one.inputs is not None else Payload.of({})
    draft.effects.append(
        AttemptOpened(
            slot.path,
            slot.planned,
            one.attempt,
            one.epoch,
            worker_id,
            isolation,
            deadline_at,
            inputs,
            queued_at,
        )
    )
    draft.say(slot)
