"""What schedules and triggers have in common: what they start, on whose behalf, and how they may be changed. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chassis.errors import (
    AlreadyExists,
    Conflict,
    DeadlineExceeded,
    Denied,
    FieldViolation,
    Invalid,
    NotFound,
    Precondition,
    ServiceError,
    Unavailable,
)
from chassis.jsonvalue import Json

MOST_TRIES: Final = 8
"""How often a start is tried that may yet succeed, for about a minute and a half."""
_MOST_ERROR: Final = 500
_LONGEST_DELAY: Final = 30.0


@dataclass(frozen=True, slots=True)
class Owner:
    """On whose behalf runs are started: with the rights it has then, and no more than it showed here."""

    id: str
    is_admin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a schedule and a trigger both have."""

    id: str
    name: str
    description: str
    workflow_id: str
    workflow_name: str
    workflow_version: int
    is_public: bool
    workflow_owner_id: str
    inputs: bytes
    """Canonical JSON."""
    paused: bool
    owner_id: str
    owner_is_admin: bool
    last: dict[str, Any] | None
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """Changes with every change by people."""
        return hashlib.sha256(f"{self.id}/{self.revision}".encode()).hexdigest()[:16]

    @property
    def owner(self) -> Owner:
        """On whose behalf it acts."""
        return Owner(self.owner_id, self.owner_is_admin)

    def check_etag(self, etag: str, kind: str) -> None:
        """Raises Conflict ETAG_MISMATCH when somebody changed it since the caller read it."""
        if etag and etag != self.etag:
            raise Conflict(
                "ETAG_MISMATCH",
                f"{kind} '{self.name}' has changed since it was read; read it again",
                resource=(kind, self.name),
            )

    def check_owner(self, caller_id: str, kind: str, *, privileged: bool) -> None:
        """Raises Denied NOT_THE_OWNER: what it starts runs with its owner's rights."""
        if caller_id != self.owner_id and not privileged:
            raise Denied(
                "NOT_THE_OWNER",
                f"{kind} '{self.name}' starts runs on behalf of somebody else; only they and administrators change it",
                resource=(kind, self.name),
            )

    def check_name(self, name: str, kind: str) -> None:
        """Raises Invalid when another name is wanted."""
        if name and name != self.name:
            field = FieldViolation(f"{kind}.name", "cannot be changed")
            raise Invalid(
                "INVALID_FIELD", f"{kind}.name cannot be changed; create another one", fields=[field]
            )


def required(kind: str, **fields: str) -> None:
    """Raises Invalid naming the fields that are empty."""
    missing = [FieldViolation(f"{kind}.{name}", "is required") for name, value in fields.items() if not value]
    if missing:
        text = "; ".join(f"{one.field} is required" for one in missing)
        raise Invalid("INVALID_FIELD", text, fields=missing)


def not_found(kind: str, key: str) -> NotFound:
    """There is no such one, or the caller may not know of it."""
    message = f"{kind} '{key}' does not exist"
    if kind == "schedule":
        return NotFound("SCHEDULE_NOT_FOUND", message, resource=(kind, key))
    return NotFound("TRIGGER_NOT_FOUND", message, resource=(kind, key))


def name_taken(kind: str, name: str) -> AlreadyExists:
    """The name belongs to another one."""
    message = f"the name '{name}' is taken by another {kind}; choose another"
    if kind == "schedule":
        return AlreadyExists("SCHEDULE_NAME_TAKEN", message, resource=(kind, name))
    return AlreadyExists("TRIGGER_NAME_TAKEN", message, resource=(kind, name))


def may_not_start(owner_id: str, why: str) -> Precondition:
    """Runs cannot be started on behalf of this owner any more."""
    return Precondition(
        "OWNER_MAY_NOT_START",
        f"no run can be started on behalf of '{owner_id}': {why}",
        metadata={"owner_id": owner_id},
    )


def gives_up(error: BaseException, tries: int) -> bool:
    """Whether a start that failed with `error`, for the `tries`-th time, is not tried again.

    What does not answer now is asked again without end; a worker that is not connected is waited for some time.
    """
    if isinstance(error, (Unavailable, DeadlineExceeded)):
        return False
    if isinstance(error, ServiceError) and error.reason not in ("NO_WORKER_FOR_TYPE", "CONCURRENT_CHANGE"):
        return True
    return tries >= MOST_TRIES


def delay(tries: int) -> float:
    """Seconds until the next try after the `tries`-th in vain."""
    return float(min(_LONGEST_DELAY, 2.0 ** (tries - 1)))


def sentence(error: BaseException) -> str:
    """What is recorded of a failed start. What was not foreseen is in the log only."""
    if isinstance(error, ServiceError):
        return f"{error.reason}: {error.message}"[:_MOST_ERROR]
    return "UNEXPECTED: an unexpected failure; the engine's log has it"


def shown(inputs: Json, most: int = 4096) -> Json:
    """Inputs as the action log keeps them."""
    text = str(inputs)
    return inputs if len(text) <= most else f"{len(text)} characters"
