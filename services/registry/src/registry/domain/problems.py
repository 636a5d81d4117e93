"""What can be wrong with a workflow, as it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chassis.errors import FieldViolation, Invalid

_VIOLATIONS: Final = 25
_VIOLATION_BYTES: Final = 3_500
"""What fits into a status beside the message: peers refuse more than 8 KiB of metadata."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a workflow, where, and what to do about it. Line and column are 0 when unknown."""

    step: str
    field: str
    message: str
    fix: str = ""
    line: int = 0
    column: int = 0


def invalid(
    problems: Sequence[Problem],
    prefix: str,
    reason: str = "WORKFLOW_INVALID",
    rest: str = ", all in ValidateWorkflow's answer",
) -> Invalid:
    """The error that names the problems; `prefix` is the request's field that holds the document.

    As many as fit into a status; `rest` says where the others are told.
    """
    fields: list[FieldViolation] = []
    size = 0
    for problem in problems[:_VIOLATIONS]:
        violation = FieldViolation(f"{prefix}.{problem.field}".rstrip("."), sentence(problem), reason)
        size += len(violation.field.encode()) + len(violation.description.encode()) + 40
        if fields and size > _VIOLATION_BYTES:
            break
        fields.append(violation)
    shown = "; ".join(one.description for one in fields[:3])
    more = f"; and {len(problems) - 3} more{rest}" if len(problems) > 3 else ""
    subject = "the document cannot be read" if reason == "INVALID_DOCUMENT" else "the workflow is not valid"
    return Invalid(
        reason, f"{subject}: {shown[:1500]}{more}", metadata={"problems": str(len(problems))}, fields=fields
    )


def sentence(problem: Problem) -> str:
    """The problem in one sentence: place, step, what is wrong, what to do."""
    place = f"line {problem.line}, column {problem.column}: " if problem.line else ""
    step = f"step {problem.step!r}: " if problem.step else ""
    fix = f" ({problem.fix})" if problem.fix else ""
    return f"{place}{step}{problem.message}{fix}"[:1000]
