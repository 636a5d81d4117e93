"""The engine's words: statuses, failures, payloads. Pure: no clock, no ids, no input or output."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from chassis import jsonvalue
from chassis.jsonvalue import Json

MAX_PAYLOAD: Final = 256 * 1024
"""The largest run input, step output or run output, in bytes of canonical JSON."""
MAX_STEP_INPUTS: Final = 1024 * 1024
"""The largest inputs of one step, in bytes of canonical JSON: several outputs may meet in them."""


class RunStatus(StrEnum):
    """Where a run stands. SUCCESS, FAILED and ABORTED never change."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    ABORTED = "ABORTED"

    @property
    def ended(self) -> bool:
        """Whether it is final."""
        return self in _RUN_ENDED


class StepStatus(StrEnum):
    """Where a step stands. SUCCESS, FAILED, SKIPPED, ABORTED and CACHED never change."""

    PENDING = "PENDING"
    READY = "READY"
    RUNNING = "RUNNING"
    WAITING_APPROVAL = "WAITING_APPROVAL"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    ABORTED = "ABORTED"
    CACHED = "CACHED"

    @property
    def ended(self) -> bool:
        """Whether it is final."""
        return self in _STEP_ENDED

    @property
    def succeeded(self) -> bool:
        """Whether it has an output that counts."""
        return self is StepStatus.SUCCESS or self is StepStatus.CACHED


_RUN_ENDED: Final = frozenset({RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.ABORTED})
_STEP_ENDED: Final = frozenset(
    {StepStatus.SUCCESS, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.ABORTED, StepStatus.CACHED}
)


LEVELS: Final = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}
"""The levels of lines; the graver, the higher."""


class ErrorKind(StrEnum):
    """The kinds of failure; the names are the contract's."""

    USER_ERROR = "USER_ERROR"
    TIMED_OUT = "TIMED_OUT"
    CANCELLED = "CANCELLED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    WORKER_LOST = "WORKER_LOST"
    CELL_DIED = "CELL_DIED"
    DEPENDENCY_ERROR = "DEPENDENCY_ERROR"
    INVALID_OUTPUT = "INVALID_OUTPUT"
    INVALID_INPUT = "INVALID_INPUT"
    INTERNAL = "INTERNAL"
    SKIPPED = "SKIPPED"
    REJECTED = "REJECTED"


class SideEffect(StrEnum):
    """What running a step again may do, beyond computing its output."""

    PURE = "PURE"
    IDEMPOTENT = "IDEMPOTENT"
    EFFECTFUL = "EFFECTFUL"


class Join(StrEnum):
    """When a step whose needs have all ended runs."""

    ALL = "ALL"
    """When every one succeeded. A need that was skipped skips it too."""
    ANY = "ANY"
    """When at least one succeeded."""
    ENDED = "ENDED"
    """Whatever became of them."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run, a step or an attempt failed."""

    kind: ErrorKind
    message: str
    traceback: str = ""
    step_id: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """How a failed attempt is repeated: those of the kinds `on`; without any, whatever may be."""

    max_attempts: int = 1
    backoff: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    max_backoff: timedelta = timedelta(hours=1)
    jitter: float = 0.0
    """By which part of itself a wait may be shorter, 0 to 1."""
    on: frozenset[ErrorKind] = frozenset()

    def wait(self, attempt: int, who: str = "") -> timedelta:
        """How long to wait after attempt number `attempt` (from 1) failed; the jitter is drawn from `who`, a name."""
        try:
            seconds = self.backoff.total_seconds() * self.factor ** (attempt - 1)
        except OverflowError:
            seconds = 1e8
        longest = min(timedelta(seconds=min(seconds, 1e8)), self.max_backoff)
        if not self.jitter:
            return longest
        drawn = int.from_bytes(hashlib.blake2b(f"{who}/{attempt}".encode(), digest_size=4).digest()) / 2**32
        return longest * (1 - self.jitter * drawn)


@dataclass(frozen=True, slots=True)
class Ref:
    """Names one attempt at one step of a run; `epoch` fences it."""

    run_id: str
    step_id: str
    attempt: int
    epoch: int


class Payload:
    """A JSON value and its canonical bytes; the value is parsed when it is first asked for. Immutable."""

    __slots__ = ("_parsed", "_value", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._parsed = False
        self._value: Json = None

    @staticmethod
    def of(value: Json) -> "Payload":
        """The payload of a Python value. Raises ValueError (also for lone surrogates) and TypeError: not JSON."""
        payload = Payload(jsonvalue.canonical(value))
        payload._value, payload._parsed = value, True
        return payload

    @property
    def value(self) -> Json:
        """The value. Raises ValueError when the bytes are not JSON."""
        if not self._parsed:
            self._value = jsonvalue.parse(self.raw)
            self._parsed = True
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Payload) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"Payload({self.raw[:80]!r})"


ONCE: Final = Retry()
"""No second attempt."""
EMPTY: Final = Payload.of({})
"""The payload of an empty object."""
