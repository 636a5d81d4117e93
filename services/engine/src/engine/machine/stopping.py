"""Stopping what runs and giving up what does not, as far inward as a workflow goes."""

from engine.domain import ErrorKind, Failure, StepStatus
from engine.effects import StopAttempt
from engine.machine.draft import Draft
from engine.machine.levels import LevelDraft
from engine.state import StopCause


def stop(
    draft: Draft,
    level: LevelDraft,
    cause: StopCause,
    failure: Failure,
    *,
    never: StepStatus,
    reason: str,
) -> None:
    """Stops all of a level. What never ran ends as `never`; `reason` is for people."""
    level.cause, level.failure = cause, failure
    if level.owner is None:
        draft.run |= {"cause": cause, "failure": failure}
    else:
        level.owner.change(stopping=True, failure=failure, expires_at=None)
    for slot in level.open_slots():
        one = slot.state
        if one.status is StepStatus.RUNNING and slot.planned.is_composite:
            if not slot.inner.cause:
                told = Failure(ErrorKind.CANCELLED, reason)
                stop(draft, slot.inner, "cancel", told, never=never, reason=reason)
        elif one.status is StepStatus.RUNNING:
            if not one.stopping:
                slot.change(stopping=True)
                draft.effects.append(StopAttempt(slot.path, one.attempt, one.epoch, one.worker_id, reason))
        else:
            status = StepStatus.ABORTED if one.attempt else never
            kind = ErrorKind.SKIPPED if status is StepStatus.SKIPPED else ErrorKind.CANCELLED
            slot.end(status, failure=one.failure or Failure(kind, reason))
    draft.unfinished[id(level)] = level
