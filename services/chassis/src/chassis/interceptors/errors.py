"""The third layer: whatever a handler raises, as the status its caller may see."""

import asyncio
import logging
from typing import Any, Final, NoReturn

import grpc.aio
import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chassis.context import Call
from chassis.errors import (
    Conflict,
    DeadlineExceeded,
    Internal,
    Invalid,
    ServiceError,
    Unavailable,
    Unimplemented,
)
from chassis.statuses import from_rpc_error, grpc_code, to_status, trailing

log = logging.getLogger(__name__)

_RETRIED: Final = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
)
_DETAILS_BYTES: Final = 6 * 1024
"""How large a status' details may be: gRPC peers refuse more than 8 KiB of metadata."""


def translate(error: Exception, call: Call) -> ServiceError:
    """The error to answer with. What was not meant for the caller is logged here and replaced by a neutral
    text.
    """
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return from_rpc_error(error, "a service")
    database = _database(error)
    if database is not None:
        log.warning("the database refused", extra={"error": _brief(error), "trace_id": call.trace_id})
        return database
    if isinstance(error, asyncio.TimeoutError) and call.remaining() == 0:
        return DeadlineExceeded("DEPENDENCY_UNAVAILABLE", "the time given for the call ran out")
    if isinstance(error, NotImplementedError):
        # What a generated base class raises for an RPC that the servicer does not override.
        return Unimplemented("UNEXPECTED", f"{call.rpc} is not offered here")
    log.error("a handler failed", exc_info=error, extra={"method": call.method, "trace_id": call.trace_id})
    return Internal("UNEXPECTED", f"an unexpected error occurred; trace id {call.trace_id}")


def _database(error: Exception) -> ServiceError | None:
    if isinstance(error, PoolTimeout):
        return Unavailable(
            "DEPENDENCY_UNAVAILABLE",
            "every database connection is busy",
            metadata={"dependency": "database"},
            retry_after=1,
        )
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, _RETRIED):
        return Conflict("CONCURRENT_CHANGE", "a concurrent change won; retry", retry_after=0.1)
    if isinstance(cause, psycopg.errors.QueryCanceled):
        return DeadlineExceeded(
            "DEPENDENCY_UNAVAILABLE",
            "the database did not answer in time",
            metadata={"dependency": "database"},
        )
    if isinstance(cause, (psycopg.errors.OutOfMemory, psycopg.errors.DiskFull, psycopg.OperationalError)):
        return Unavailable(
            "DEPENDENCY_UNAVAILABLE",
            "the database is unavailable",
            metadata={"dependency": "database"},
            retry_after=1,
        )
    if isinstance(cause, psycopg.errors.UntranslatableCharacter):
        return Invalid("INVALID_FIELD", "the request holds a character that the database cannot store")
    return None


async def answer(context: grpc.aio.ServicerContext[Any, Any], call: Call, error: ServiceError) -> NoReturn:
    """Ends the call with the error's status and details."""
    call.code = error.code
    status = to_status(error, call.trace_id)
    while status.ByteSize() > _DETAILS_BYTES and len(status.details) > 1:
        del status.details[-1]
    message = error.message if len(error.message) <= 2000 else error.message[:2000] + "…"
    if status.ByteSize() > _DETAILS_BYTES:
        status.message = message
    await context.abort(grpc_code(error), message, trailing(status))
    raise AssertionError("abort raises")


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
