"""The engine's words: statuses, failures, payloads. Pure: no clock, no ids, no input or output."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias, cast

from chassis import jsonvalue
from chassis.jsonvalue import Json, Opaque

MAX_PAYLOAD: Final = 256 * 1024
"""The largest run input, inline step output or run output, in bytes of canonical JSON."""
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
class CalledUsage:
    """What called components used of language models, with those they called; `cost` in US dollars, None unpriced."""

    input_tokens: int
    output_tokens: int
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt used of a language model; `cost` in US dollars, None without a price."""

    model: str
    input_tokens: int
    output_tokens: int
    cost: float | None = None
    called: CalledUsage | None = None
    """What the components that it called have used besides."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a call of a component may use of language models: tokens (0: no limit), US dollars (None: no limit)."""

    tokens: int = 0
    cost: float | None = None


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


@dataclass(frozen=True, slots=True)
class Reference(Opaque):
    """A value, or a part of one, that is too large to lie in a payload: what it is, not where.

    Equal contents make equal references, in whatever run: nothing here names an artifact or a run, and none is made
    of anything that a step returned. Who may read the content is decided where it is read.
    """

    sha256: str
    size_bytes: int
    """Of all of the content."""
    pointer: str = ""
    """Which part of the content it is, a JSON Pointer."""
    items: Mapping[str, int] = field(default_factory=dict, hash=False)
    """How many items lists in it have, by their pointers, as far as that is known."""
    preview: str = ""
    """How all of the content begins."""
    kinds: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What it and its parts are, by their pointers, as far as that is known: of an `object` every field is there."""

    def part(self, key: str) -> "Reference":
        """What is under a key, or an index, of it."""
        pointer = f"{self.pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        within = {at: count for at, count in self.items.items() if at == pointer}
        kinds = {at: kind for at, kind in self.kinds.items() if at == pointer or at.startswith(f"{pointer}/")}
        return Reference(self.sha256, self.size_bytes, pointer, within, kinds=kinds)

    @property
    def kind(self) -> str:
        """What it is: `object`, `list`, `string`, `number`, `boolean` or `null`; empty when nobody knows here."""
        return self.kinds.get(self.pointer, "")

    @property
    def fields(self) -> list[str]:
        """The keys of it, an object."""
        inside = f"{self.pointer}/"
        names = (at.removeprefix(inside) for at in self.kinds if at.startswith(inside))
        return [name.replace("~1", "/").replace("~0", "~") for name in names if "/" not in name]

    @property
    def total(self) -> int | None:
        """How many items it has; None when it is no list, or nobody counted."""
        return self.items.get(self.pointer)

    @property
    def refusal(self) -> str:
        """Why no expression computes on it."""
        return (
            f"the value has {self.size_bytes:,} bytes, and expressions compute on {MAX_PAYLOAD:,} at most; pass it on, "
            "or a field of it, to a step that computes what is needed"
        )


Path: TypeAlias = tuple[str | int, ...]
_MARK: Final = b"\x01"
"""What the bytes of a payload with references begin with: no JSON does."""


class Payload:
    """A JSON value and its canonical bytes; the value is parsed when it is first asked for. Immutable.

    Where a part of the value is a Reference, the bytes are a mark and a JSON document of their own: the value with null
    in those places, and the references beside it. What a step returned can therefore never pass for one.
    """

    __slots__ = ("_parsed", "_references", "_value", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._parsed = False
        self._value: Json = None
        self._references: tuple[tuple[Path, Reference], ...] = ()

    @staticmethod
    def of(value: "Json | Reference") -> "Payload":
        """The payload of a Python value. Raises ValueError (also for lone surrogates) and TypeError: not JSON."""
        try:
            payload = Payload(jsonvalue.canonical(cast("Json", value)))
        except TypeError:
            return Payload(_with_references(value))
        payload._value, payload._parsed = cast("Json", value), True
        return payload

    @property
    def is_inline(self) -> bool:
        """Whether the bytes are the value's JSON: there are no references in it."""
        return not self.raw.startswith(_MARK)

    @property
    def references(self) -> tuple[tuple[Path, Reference], ...]:
        """The references in it, each with its place."""
        if not self.is_inline and not self._parsed:
            self._read()
        return self._references

    @property
    def skeleton(self) -> Json:
        """The value with null where the references are."""
        return self.value if self.is_inline else jsonvalue.parse_object(self.raw[1:])["value"]

    def _read(self) -> None:
        document: Any = jsonvalue.parse_object(self.raw[1:])
        found: list[tuple[Path, Reference]] = []
        self._value = document["value"]
        for one in document["references"]:
            path = tuple(one["path"])
            reference = Reference(
                one["sha256"],
                one["size"],
                one["pointer"],
                one.get("items", {}),
                one.get("preview", ""),
                one.get("kinds", {}),
            )
            found.append((path, reference))
            self._value = put(self._value, path, reference)
        self._references, self._parsed = tuple(found), True

    @property
    def value(self) -> Json:
        """The value; a Reference where that is. Raises ValueError when the bytes are not JSON."""
        if not self._parsed:
            if self.is_inline:
                self._value = jsonvalue.parse(self.raw)
                self._parsed = True
            else:
                self._read()
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Payload) and other.raw == self.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"Payload({self.raw[:80]!r})"


def put(value: Any, path: Path, new: Any) -> Any:
    """The value with `new` at a place in it, which is changed; all of it when the path is empty."""
    if not path:
        return new
    inside = value
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = new
    return value


def _with_references(value: Any) -> bytes:
    """The bytes of a value with references. Raises TypeError when there is anything else that is not JSON."""
    found: list[tuple[Path, Reference]] = []
    skeleton = _take_out(value, (), found)
    references = [_document(path, one) for path, one in found]
    return _MARK + jsonvalue.canonical({"value": skeleton, "references": cast("Json", references)})


def _take_out(value: Any, path: Path, found: list[tuple[Path, Reference]]) -> Any:
    if isinstance(value, Reference):
        found.append((path, value))
        return None
    if isinstance(value, dict):
        return {key: _take_out(item, (*path, key), found) for key, item in value.items()}
    if isinstance(value, list):
        return [_take_out(item, (*path, index), found) for index, item in enumerate(value)]
    return value


def _document(path: Path, one: Reference) -> dict[str, Any]:
    document: dict[str, Any] = {
        "path": path,
        "sha256": one.sha256,
        "size": one.size_bytes,
        "pointer": one.pointer,
    }
    if one.items:
        document["items"] = dict(one.items)
    if one.preview:
        document["preview"] = one.preview
    if one.kinds and not any(
        isinstance(key, int) for key in path
    ):  # no expression looks into one of a list's items
        document["kinds"] = dict(one.kinds)
    return document


ONCE: Final = Retry()
"""No second attempt."""
EMPTY: Final = Payload.of({})
"""The payload of an empty object."""
