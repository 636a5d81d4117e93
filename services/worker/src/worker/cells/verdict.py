"""Why an attempt failed, from what was done to it and what it did."""

import signal
from dataclasses import dataclass
from typing import Any

from worker.cells.attempt import Attempt, Failure, Job
from worker.cells.limits import Limits


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended: its first process's report (empty without one), and what was done to it."""

    report: dict[str, Any]
    timed_out: str = ""
    """Why it was not waited for any longer."""
    cancelled: bool = False
    memory_exceeded: bool = False


def failure(job: Job, attempt: Attempt, ended: Ended, limits: Limits) -> Failure | None:
    """Why the attempt failed, or None; the first that applies, from what was done to it to what it did."""
    status = ended.report.get("status")
    if ended.memory_exceeded:
        limit = limits.memory // (1024 * 1024)
        return Failure("OUT_OF_MEMORY", f"the step used more than {limit} MiB of memory and was killed")
    if ended.timed_out:
        return Failure("TIMED_OUT", ended.timed_out)
    if ended.cancelled:
        return Failure("CANCELLED", "the step was cancelled")
    if attempt.failure is not None:
        return attempt.failure
    if status is None:
        return Failure("CELL_DIED", "the step's cell ended without a word")
    if status < 0:
        return _by_signal(-status, attempt.heap_exhausted, job)
    if leftover := ended.report.get("leftover"):
        names = ", ".join(leftover)
        return Failure("USER_ERROR", f"the step left processes behind, which were killed: {names}")
    if attempt.output_artifact:
        return None
    if attempt.output_json is None and attempt.waited_for_nothing:
        return Failure("USER_ERROR", "the script awaits a promise that can never resolve")
    if attempt.output_json is None:
        return Failure(
            "USER_ERROR", f"the step's process ended with status {status} before it returned a result"
        )
    return None


def _by_signal(number: int, heap_exhausted: bool, job: Job) -> Failure:
    if number == signal.SIGXCPU:
        return Failure(
            "TIMED_OUT", f"the step used more processor time than {job.timeout:g} s allow and was killed"
        )
    if heap_exhausted:
        return Failure("OUT_OF_MEMORY", "the step ran out of memory")
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return Failure("CELL_DIED", f"the step's process was ended by {name}")
