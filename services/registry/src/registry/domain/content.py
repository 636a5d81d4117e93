"""What a workflow is made of: all that, changed, makes its next version. Fields are named as in the contract.

What was not given is None, 0 or empty, except where null is a value: there it is ABSENT.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final

from chassis.jsonvalue import Json


class Absent(Enum):
    """The value that was not given, which is not the value null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Input:
    """What a run takes under one name."""

    type: str = ""
    default: "Json | Absent" = ABSENT
    description: str = ""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many runs with the same key may run at once, and what becomes of one more."""

    key: str = ""
    limit: int = 0
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """How a failed attempt is repeated."""

    max_attempts: int
    backoff: timedelta | None = None
    factor: float = 0.0
    max_backoff: timedelta | None = None
    jitter: float = 0.0
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody decides before a step runs."""

    message: str = ""
    timeout: timedelta | None = None
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cache:
    """How long an output may be reused, and what else tells outputs apart. Without `ttl` it is refused."""

    key: str = ""
    ttl: timedelta | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many attempts may begin in a period."""

    limit: int
    period: timedelta | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a step takes of its worker."""

    cpu: float = 0.0
    memory: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """The version of a component that a step runs."""

    version_id: str
    version: str
    type: str
    definition_id: str


@dataclass(frozen=True, slots=True)
class WorkflowPin:
    """The version of a workflow that a step runs."""

    workflow_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `pin` once its component is resolved, `workflow_pin` once its workflow is."""

    id: str
    component: str = ""
    workflow: str = ""
    with_: Mapping[str, Json] = field(default_factory=dict)
    if_: str = ""
    needs: tuple[str, ...] = ()
    join: str = ""
    for_each: "Json | Absent" = ABSENT
    max_parallel: int = 0
    on_failure: str = ""
    approval: Approval | None = None
    retry: Retry | None = None
    timeout: timedelta | None = None
    waiting_timeout: timedelta | None = None
    heartbeat_timeout: timedelta | None = None
    cache: Cache | None = None
    rate_limit: RateLimit | None = None
    effect: str = ""
    pool: str = ""
    labels: tuple[str, ...] = ()
    resources: Resources | None = None
    pin: Pin | None = None
    workflow_pin: WorkflowPin | None = None

    def has(self, name: str) -> bool:
        """Whether the contract's field `name` was given."""
        value = getattr(self, {"with": "with_", "if": "if_"}.get(name, name))
        return value is not ABSENT if name == "for_each" else value not in (None, "", 0, (), {})


@dataclass(frozen=True, slots=True)
class Content:
    """What makes a version of a workflow."""

    inputs: Mapping[str, Input] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)
    timeout: timedelta | None = None
    concurrency: Concurrency | None = None
    priority: int = 0


EMPTY: Final = Content()
