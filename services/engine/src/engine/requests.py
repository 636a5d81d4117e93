"""What a request for a run may not ask for. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from chassis.errors import FieldViolation, Invalid

OLDEST_START: Final = timedelta(days=365)
"""How long ago a run may have been meant to start; it starts at once."""
LATEST_START: Final = timedelta(days=3653)
"""How far ahead a run may be meant to start: ten years."""


def start(start_at: datetime | None, run_key: str, on_conflict: str, on_reuse: str, now: datetime) -> None:
    """Raises Invalid INVALID_FIELD naming what does not make sense in a request for a run."""
    problems = []
    if start_at is not None and not now - OLDEST_START <= start_at <= now + LATEST_START:
        when = "more than a year ago" if start_at < now else "more than ten years ahead"
        text = (
            f"{start_at:%Y-%m-%d %H:%M:%S} UTC is {when}; give a time up to ten years ahead, "
            "or leave it out to start at once"
        )
        problems.append(FieldViolation("start_at", text, "OUT_OF_BOUNDS"))
    for name, policy in (("on_conflict", on_conflict), ("on_reuse", on_reuse)):
        if policy and not run_key:
            text = f"'{policy}' is about runs with the same run_key; give a run_key too, or leave it out"
            problems.append(FieldViolation(name, text, "NEEDS_RUN_KEY"))
    _refuse(problems)


def rerun(from_steps: Sequence[str], *, from_start: bool) -> None:
    """Raises Invalid INVALID_FIELD when a request to repeat a run contradicts itself."""
    if from_steps and from_start:
        text = "runs everything again, and from_steps only some steps and what needs them; give one of them"
        _refuse([FieldViolation("from_start", text, "CONTRADICTION")])


def _refuse(problems: Sequence[FieldViolation]) -> None:
    if problems:
        sentence = "; ".join(f"{one.field}: {one.description}" for one in problems)
        raise Invalid("INVALID_FIELD", sentence, fields=problems)
