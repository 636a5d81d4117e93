"""Attempts: how they begin, and what their outcomes mean."""

import dataclasses
from datetime import datetime, timedelta
from typing import Final

from engine.domain import ErrorKind, Failure, Payload, SideEffect, StepStatus, Usage
from engine.effects import Cached
from engine.machine import starting
from engine.machine.draft import Draft
from engine.machine.levels import Slot
from engine.plan import EvaluationFailed
from engine.state import CACHE, CacheHit, Claim, GateOpened, Lost, Succeeded

SUITE_ATTEMPTS: Final = 5
"""How many attempts a step gets when the suite lost them, at least."""
OVERRUN: Final = timedelta(seconds=10)
"""How long after an attempt's timeout its worker has to say so, before the engine ends the attempt itself."""
_NEVER_REPEATED: Final = frozenset({ErrorKind.INVALID_INPUT, ErrorKind.CANCELLED, ErrorKind.REJECTED})
_SUITES_FAULT: Final = frozenset({ErrorKind.WORKER_LOST, ErrorKind.INTERNAL})
_UNKNOWN: Final = _SUITES_FAULT | {ErrorKind.TIMED_OUT, ErrorKind.CELL_DIED, ErrorKind.OUT_OF_MEMORY}
"""The failures after which nobody knows what the step has done."""


def claim(draft: Draft, event: Claim) -> None:
    """A worker takes a step."""
    slot = draft.slot(event.step_id)
    if slot is None or slot.is_past:
        draft.reject(f"the run has no step '{event.step_id}' to claim")
        return
    one = slot.state
    if one.status is not StepStatus.READY:
        draft.reject(f"the step is {one.status}")
    elif one.due_at is None:
        draft.reject("the step is held back")
    elif one.due_at > draft.now:
        draft.reject("the step is not due yet")
    else:
        timeout = slot.planned.timeout
        deadline = None if timeout is None else draft.now + timeout + OVERRUN
        starting.opened(draft, slot, event.worker_id, event.isolation, deadline)


def succeed(draft: Draft, slot: Slot, event: Succeeded) -> None:
    """The running attempt succeeded."""
    output = event.output
    draft.close(slot, StepStatus.SUCCESS, None, event.limits, event.usage)
    _settle_cache(draft, slot, output)
    slot.end(StepStatus.SUCCESS, output=output, failure=None)


def lose(draft: Draft, slot: Slot, event: Lost) -> None:
    """The running attempt is given up: whatever is still heard of it is stale."""
    slot.change(epoch=slot.state.epoch + 1)
    fail(draft, slot, Failure(ErrorKind.WORKER_LOST, event.why), began=event.began)


def fail(
    draft: Draft,
    slot: Slot,
    failure: Failure,
    *,
    began: bool = True,
    limits: bytes = b"",
    usage: Usage | None = None,
) -> None:
    """The running attempt failed: it is repeated, or somebody is asked, or the step has failed."""
    one, planned = slot.state, slot.planned
    failure = dataclasses.replace(failure, step_id=slot.path)
    if slot.level.cause:
        stopped = failure.kind in (ErrorKind.CANCELLED, ErrorKind.WORKER_LOST)
        status = StepStatus.ABORTED if stopped else StepStatus.FAILED
        draft.close(slot, status, failure, limits, usage)
        _settle_cache(draft, slot, None)
        slot.end(status, failure=failure)
        return
    draft.close(slot, StepStatus.FAILED, failure, limits, usage)
    suites_fault = failure.kind in _SUITES_FAULT
    allowed = max(planned.retry.max_attempts, SUITE_ATTEMPTS) if suites_fault else planned.retry.max_attempts
    wanted = suites_fault or not planned.retry.on or failure.kind in planned.retry.on
    if failure.kind in _NEVER_REPEATED or not wanted or one.attempt >= allowed:
        _settle_cache(draft, slot, None)
        slot.end(StepStatus.FAILED, failure=failure)
        return
    if planned.side_effect is SideEffect.EFFECTFUL and began and failure.kind in _UNKNOWN:
        slot.change(failure=failure)
        message = (
            f"What attempt {one.attempt} has done is not known ({failure.message}), and the step has side effects. "
            "Approve to run it again; reject to let it fail."
        )
        starting.ask(draft, slot, message)
        return
    lost = failure.kind is ErrorKind.WORKER_LOST
    due = draft.now if lost else draft.now + planned.retry.wait(one.attempt, f"{draft.state.id}/{slot.path}")
    repeat(draft, slot, failure, due)


def repeat(draft: Draft, slot: Slot, failure: Failure | None, due: datetime) -> None:
    """Has the step tried again from `due` on."""
    try:
        gate = starting.rate_gate(slot)
    except EvaluationFailed as error:
        starting.unusable(slot, error)
        return
    slot.change(
        status=StepStatus.READY,
        **starting.queued(draft, slot, gate, due),
        failure=failure,
        worker_id="",
        deadline_at=None,
        expires_at=starting.waits_until(draft, slot, due),
        stopping=False,
    )
    draft.say(slot, due)
    starting.announce(draft, slot, due)


def open_gate(draft: Draft, event: GateOpened) -> None:
    """A gate lets the step through: to the next one, or to the workers."""
    slot = _at_gate(draft, event.step_id, event.gate)
    if slot is None:
        return
    if event.gate.startswith(CACHE):
        slot.change(cache_digest=event.gate.removeprefix(CACHE))
        go_on(draft, slot, event.due_at)
    elif draft.is_paused:
        slot.change(gate="", due_at=None)
    else:  # what named the moment stays on record until an attempt begins
        slot.change(due_at=event.due_at)


def reuse(draft: Draft, event: CacheHit) -> None:
    """The output is known: the step need not run."""
    slot = _at_gate(draft, event.step_id, event.gate)
    if slot is not None:
        slot.end(
            StepStatus.CACHED,
            output=event.output,
            copied_from=event.run_id,
            started_at=slot.state.started_at or draft.now,
        )


def go_on(draft: Draft, slot: Slot, due: datetime) -> None:
    """Lets a READY step run from `due` on, or its rate limit say when; in whose queue it keeps the place it had."""
    try:
        gate = starting.rate_gate(slot)
    except EvaluationFailed as error:
        starting.unusable(slot, error)
        return
    due = slot.state.not_before or due
    slot.change(**starting.queued(draft, slot, gate, due))
    starting.announce(draft, slot, due)


def _at_gate(draft: Draft, path: str, gate: str) -> Slot | None:
    """The READY step that waits at the gate; rejects the event otherwise."""
    slot = draft.slot(path)
    if slot is None or slot.is_past:
        draft.reject(f"the run has no step '{path}' that waits")
        return None
    one = slot.state
    if one.status is not StepStatus.READY or one.gate != gate or one.due_at is not None:
        draft.reject(f"the step does not wait for {gate}", duplicate=True)
        return None
    return slot


def _settle_cache(draft: Draft, slot: Slot, output: Payload | None) -> None:
    """Tells whoever waits for the same output what came of it."""
    digest, ttl = slot.state.cache_digest, slot.planned.cache_ttl
    if digest and ttl is not None:
        draft.effects.append(Cached(slot.path, digest, output, ttl))
        slot.change(cache_digest="")
