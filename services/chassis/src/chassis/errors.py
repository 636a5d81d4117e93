"""The names a service raises errors by.

This module knows nothing of gRPC, so that `domain.py` may raise these. `chassis.statuses` maps them, once, to
canonical codes and `google.rpc` details.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request and what is wrong with it; `field` is a path such as `definition.name`."""

    field: str
    description: str
    reason: str = ""


class ServiceError(Exception):
    """An answer other than OK that the caller is meant to read.

    `reason` is a constant of the documented enum (`mcpanel.errors.v1`), `message` a sentence for a person,
    `metadata` what a program needs to act on it. Nothing of it may come from a driver or hold a secret.
    """

    code: ClassVar[str] = "UNKNOWN"

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        resource: tuple[str, str] | None = None,
        fields: Sequence[FieldViolation] = (),
        retry_after: timedelta | float | None = None,
        allowed: Sequence[str] = (),
        quota: Mapping[str, str] | None = None,
    ) -> None:
        """`resource` is (type, name or id); `retry_after` in seconds unless a timedelta; `allowed` the states
        in which the request would have been accepted; `quota` maps the subject of each exceeded limit to
        its description.
        """
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = {key: str(value) for key, value in (metadata or {}).items()}
        self.resource = resource
        self.fields = tuple(fields)
        self.retry_after = (
            timedelta(seconds=retry_after) if isinstance(retry_after, (int, float)) else retry_after
        )
        self.allowed = tuple(allowed)
        self.quota = dict(quota or {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reason!r}, {self.message!r})"


class NotFound(ServiceError):
    """The named thing does not exist, or the caller may not know that it does."""

    code = "NOT_FOUND"
    hidden = False
    """Whether it does exist. The caller is not told; the action log is."""


class AlreadyExists(ServiceError):
    """The name or request id is taken by something else."""

    code = "ALREADY_EXISTS"


class Invalid(ServiceError):
    """The request is wrong whatever the state of the system."""

    code = "INVALID_ARGUMENT"


class TooLarge(ServiceError):
    """A message or a body is larger than its limit (metadata `limit_bytes`); repeating it cannot help."""

    code = "RESOURCE_EXHAUSTED"


class Precondition(ServiceError):
    """The request is right, the present state refuses it; `allowed` names the states that would not."""

    code = "FAILED_PRECONDITION"


class Conflict(ServiceError):
    """Someone else changed it meanwhile (an etag, an epoch, a serialization failure): read again and retry."""

    code = "ABORTED"


class Denied(ServiceError):
    """The caller is known and may not do this."""

    code = "PERMISSION_DENIED"


class Unauthenticated(ServiceError):
    """The caller is not known: no credential, or one that is wrong, expired or revoked."""

    code = "UNAUTHENTICATED"


class Exhausted(ServiceError):
    """A quota or rate is used up; `retry_after` says when to come back."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(ServiceError):
    """Something this service needs is not there now; the message names it. Retrying is right."""

    code = "UNAVAILABLE"


class OutOfRange(ServiceError):
    """The position asked for is past the end or was pruned."""

    code = "OUT_OF_RANGE"


class DeadlineExceeded(ServiceError):
    """The time given for the call ran out before the answer."""

    code = "DEADLINE_EXCEEDED"


class Cancelled(ServiceError):
    """The caller gave up."""

    code = "CANCELLED"


class Unimplemented(ServiceError):
    """The peer does not have this method."""

    code = "UNIMPLEMENTED"


class Internal(ServiceError):
    """A defect. Raised by hand only where a peer reported one; ours surface as unknown exceptions."""

    code = "INTERNAL"


class DataLoss(ServiceError):
    """Stored data is damaged beyond repair."""

    code = "DATA_LOSS"


BY_CODE: dict[str, type[ServiceError]] = {
    kind.code: kind
    for kind in (
        NotFound,
        AlreadyExists,
        Invalid,
        Precondition,
        Conflict,
        Denied,
        Unauthenticated,
        Exhausted,
        Unavailable,
        OutOfRange,
        DeadlineExceeded,
        Cancelled,
        Unimplemented,
        Internal,
        DataLoss,
    )
}
"""The error class for each canonical code."""
