"""Errors as `google.rpc.Status` and back: the one place where the mapping is written."""

from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from chassis import errors

DOMAIN: Final = "mcpanel"
DETAILS_KEY: Final = "grpc-status-details-bin"
MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""The largest message a server or client sends or takes."""
_SENTENCES: Final = {
    grpc.StatusCode.DEADLINE_EXCEEDED: "{peer} did not answer in time",
    grpc.StatusCode.CANCELLED: "the call to {peer} was cancelled",
    grpc.StatusCode.UNIMPLEMENTED: "{peer} does not offer this method",
}
CODES: Final = {code.name: code for code in grpc.StatusCode}


def to_status(error: errors.ServiceError, trace_id: str = "") -> status_pb2.Status:
    """The status a caller receives for `error`; the trace id becomes part of ErrorInfo's metadata."""
    metadata = dict(error.metadata)
    if trace_id:
        metadata.setdefault("trace_id", trace_id)
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    ]
    if error.fields:
        violations = [
            error_details_pb2.BadRequest.FieldViolation(
                field=violation.field, description=violation.description, reason=violation.reason
            )
            for violation in error.fields
        ]
        details.append(error_details_pb2.BadRequest(field_violations=violations))
    if error.allowed:
        subject = "/".join(error.resource) if error.resource else ""
        details.append(
            error_details_pb2.PreconditionFailure(
                violations=[
                    error_details_pb2.PreconditionFailure.Violation(
                        type="STATE", subject=subject, description=f"allowed: {', '.join(error.allowed)}"
                    )
                ]
            )
        )
    if error.retry_after is not None:
        delay = duration_pb2.Duration()
        delay.FromTimedelta(error.retry_after)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if error.quota:
        exceeded = [
            error_details_pb2.QuotaFailure.Violation(subject=subject, description=description)
            for subject, description in error.quota.items()
        ]
        details.append(error_details_pb2.QuotaFailure(violations=exceeded))
    if error.resource:
        details.append(
            error_details_pb2.ResourceInfo(resource_type=error.resource[0], resource_name=error.resource[1])
        )
    packed = []
    for detail in details:
        one = any_pb2.Any()
        one.Pack(detail)
        packed.append(one)
    number: int = CODES[error.code].value[0]
    return status_pb2.Status(code=number, message=error.message, details=packed)


def grpc_code(error: errors.ServiceError) -> grpc.StatusCode:
    """The canonical code of an error."""
    return CODES[error.code]


def trailing(status: status_pb2.Status) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata that carries a status' details."""
    return ((DETAILS_KEY, status.SerializeToString()),)


def from_status(status: status_pb2.Status) -> errors.ServiceError:
    """The error that `to_status` made, so that a service passes on what its peer said."""
    codes = {code.value[0]: code.name for code in grpc.StatusCode}
    kind = errors.BY_CODE.get(codes.get(status.code, ""), errors.Internal)
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    precondition = error_details_pb2.PreconditionFailure()
    retry = error_details_pb2.RetryInfo()
    quota = error_details_pb2.QuotaFailure()
    resource = error_details_pb2.ResourceInfo()
    parts: tuple[Message, ...] = (info, bad, precondition, retry, quota, resource)
    for detail in status.details:
        for part in parts:
            if detail.Is(part.DESCRIPTOR):
                detail.Unpack(part)
    allowed: list[str] = []
    for failed in precondition.violations:
        _, _, states = failed.description.partition("allowed: ")
        allowed += [state for state in states.split(", ") if state]
    return kind(
        info.reason or "UNEXPECTED",
        status.message,
        metadata=dict(info.metadata),
        resource=(resource.resource_type, resource.resource_name) if resource.resource_type else None,
        fields=[
            errors.FieldViolation(violation.field, violation.description, violation.reason)
            for violation in bad.field_violations
        ],
        retry_after=retry.retry_delay.ToTimedelta() if retry.HasField("retry_delay") else None,
        allowed=allowed,
        quota={violation.subject: violation.description for violation in quota.violations},
    )


def from_rpc_error(error: grpc.aio.AioRpcError, peer: str) -> errors.ServiceError:
    """The chassis error for a failed call to `peer` (a name such as `identity`).

    A status that the peer's service wrote passes through. What the transport says (no connection, a deadline)
    is replaced by a sentence that names the peer.
    """
    details = _details(error)
    if details is not None:
        return from_status(details)
    code = error.code()
    metadata = {"dependency": peer}
    if code is grpc.StatusCode.UNAVAILABLE:
        return errors.Unavailable(
            "DEPENDENCY_UNAVAILABLE", f"{peer} is unavailable", metadata=metadata, retry_after=1
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return errors.TooLarge(
            "MESSAGE_TOO_LARGE",
            f"a message to or from {peer} exceeds {MAX_MESSAGE_BYTES} bytes",
            metadata={"limit_bytes": str(MAX_MESSAGE_BYTES)},
        )
    kind = errors.BY_CODE.get(code.name, errors.Internal)
    sentence = _SENTENCES.get(code, "{peer} answered {code}").format(peer=peer, code=code.name)
    return kind("DEPENDENCY_UNAVAILABLE" if code in _SENTENCES else "UNEXPECTED", sentence, metadata=metadata)


def _details(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key == DETAILS_KEY:
            try:
                return status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
            except DecodeError:
                return None
    return None
