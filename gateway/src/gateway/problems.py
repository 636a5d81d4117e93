"""Errors over HTTP: `google.rpc.Status` as JSON, exactly as the edge writes it for REST."""

from typing import Final

import grpc
from google.protobuf import json_format
from google.rpc import status_pb2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis import contracts, errors
from chassis.errors import ServiceError
from chassis.statuses import to_status

_HTTP: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
"""google/rpc/code.proto's HTTP mapping; everything else is 500."""

_BY_REASON: Final = {"POSITION_OUT_OF_RANGE": 410, "MESSAGE_TOO_LARGE": 413}


def http_status(error: ServiceError) -> int:
    """The HTTP status an error is answered with. A pruned position is 410: it will not come back."""
    if error.reason in _BY_REASON:
        return _BY_REASON[error.reason]
    return _HTTP.get(grpc.StatusCode[error.code], 500)


def status_json(status: status_pb2.Status) -> dict[str, object]:
    """`{"code", "message", "details"}`."""
    body: dict[str, object] = json_format.MessageToDict(status, descriptor_pool=contracts.pool())
    return {"code": 0, "message": "", "details": []} | body


def error_json(error: ServiceError) -> dict[str, object]:
    """An error as `{"code", "message", "details"}`."""
    return status_json(to_status(error))


async def service_error(_: Request, error: Exception) -> Response:
    """Answers a ServiceError; for Starlette's exception handlers."""
    if not isinstance(error, ServiceError):
        raise error
    headers = {"www-authenticate": "Bearer"} if error.code == "UNAUTHENTICATED" else None
    return JSONResponse(error_json(error), http_status(error), headers)


def plain(http: int, code: grpc.StatusCode, reason: str, message: str) -> Response:
    """An answer for what no service saw, such as an unknown path."""
    error = errors.BY_CODE.get(code.name, errors.Internal)(reason, message)
    return JSONResponse(error_json(error), http)
