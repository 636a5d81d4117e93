"""Why an attempt failed, from what was done to it and what it did."""

import re
import signal
from dataclasses import dataclass, replace
from typing import Any, Final

from worker.cells.attempt import Attempt, Failure, Job
from worker.cells.limits import MIB, Limits

_SIGNS: Final = {
    r"\[Errno 11\]|can't start new thread": "a step may have {processes} processes and threads at once",
    r"\[Errno 19\]": (
        "memory cannot be shared without a file: take multiprocessing.shared_memory, or map a file of /dev/shm"
    ),
    r"\[Errno 24\]|\(os error 24\)": "a process may have {open_files} files open at once",
    r"\[Errno 27\]|\(os error 27\)": "a file may have {file_size}",
    r"\[Errno 28\]|\(os error 28\)": "/work and /tmp hold {scratch} each; store large files as artifacts",
}
"""What Python and Deno say when the system refuses more, and which limit that is."""

_HELD: Final = {
    "sockets": ("sockets", "close those that are done, or have fewer connections at once"),
    "files": ("open files in all its processes", "close those that are done, or start fewer processes"),
    "mappings": ("mappings of memory in all its processes", "map larger parts, or start fewer processes"),
    "locks": ("locks of files", "release those that are done"),
    "watched": ("files watched by epoll", "watch fewer at once"),
}
"""What a step may have too many of, by the names of `Limits.together`, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended: its first process's report (empty without one), and what was done to it."""

    report: dict[str, Any]
    timed_out: str = ""
    """Why it was not waited for any longer."""
    cancelled: bool = False
    exceeded: str = ""
    """For which limit it was killed, one of `Limits.together`."""


def failure(job: Job, attempt: Attempt, ended: Ended, limits: Limits) -> Failure | None:
    """Why the attempt failed, or None; the first that applies, from what was done to it to what it did."""
    status = ended.report.get("status")
    if ended.exceeded:
        return _exceeded(ended.exceeded, limits, _where(attempt))
    if ended.timed_out:
        traceback = attempt.failure.traceback if attempt.failure else ""
        return Failure("TIMED_OUT", ended.timed_out + _where(attempt), traceback)
    if ended.cancelled:
        return Failure("CANCELLED", "the step was cancelled")
    if attempt.failure is not None:
        return _with_limit(attempt.failure, limits)
    if status is None:
        return Failure("CELL_DIED", "the step's cell ended without a word")
    if status < 0:
        return _by_signal(-status, attempt.heap_exhausted, job, limits)
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


def _where(attempt: Attempt) -> str:
    """What the attempt's program was doing, where it says so."""
    return f": {attempt.place} was still running" if attempt.place else ""


def _exceeded(limit: str, limits: Limits, where: str) -> Failure:
    if limit == "memory":
        most = _mib(limits.memory)
        return Failure("OUT_OF_MEMORY", f"the step used more than {most} of memory and was killed{where}")
    held, what_to_do = _HELD[limit]
    most = f"{limits.together()[limit]:,}"
    return Failure(
        "USER_ERROR", f"the step had more than {most} {held} at once and was killed: {what_to_do}{where}"
    )


def _with_limit(found: Failure, limits: Limits) -> Failure:
    """The failure, and beside what the system said of a limit, which one it was."""
    if found.kind == "OUT_OF_MEMORY":
        return replace(found, message=f"{found.message}: it may use {_mib(limits.memory)}")
    for sign, text in _SIGNS.items():
        if re.search(sign, found.message):
            values = {
                "processes": f"{limits.processes:,}",
                "open_files": f"{limits.open_files:,}",
                "file_size": _mib(limits.file_size),
                "scratch": _mib(limits.scratch),
            }
            return replace(found, message=f"{found.message} ({text.format(**values)})")
    return found


def _mib(size: int) -> str:
    return f"{size // MIB:,} MiB"


def _by_signal(number: int, heap_exhausted: bool, job: Job, limits: Limits) -> Failure:
    if number == signal.SIGXCPU:
        return Failure(
            "TIMED_OUT", f"the step used more processor time than {job.timeout:g} s allow and was killed"
        )
    if heap_exhausted:
        heap = _mib(limits.memory // 2)
        return Failure("OUT_OF_MEMORY", f"the step ran out of memory: its heap may use {heap}")
    if number == signal.SIGXFSZ:
        most = _mib(limits.file_size)
        return Failure("USER_ERROR", f"the step wrote more than {most} into one file and was killed")
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return Failure("CELL_DIED", f"the step's process was ended by {name}")
