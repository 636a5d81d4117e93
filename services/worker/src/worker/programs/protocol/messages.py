"""Messages with what is no text in them (NUL, lone surrogates): JSON can write it, and neither end's SDK can."""

import json
from typing import Any

from mcp.types import PARSE_ERROR as BROKEN
from mcp.types import (
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from programs import harmless
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError


def read(line: bytes) -> JSONRPCMessage | None:
    """The message of a line, made harmless where it has to be; None: it is none.

    An answer that is none is the error of its request, for which nothing else would come.
    """
    try:
        found: JSONRPCMessage = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        return _mended(line)
    return found


def _mended(line: bytes) -> JSONRPCMessage | None:
    try:
        value = harmless.value(json.loads(line.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return None
    try:
        found: JSONRPCMessage = jsonrpc_message_adapter.validate_python(value, by_name=False)
    except ValueError:
        return _unanswered(value)
    return found


def _unanswered(value: Any) -> JSONRPCError | None:
    if not isinstance(value, dict) or "jsonrpc" not in value or "method" in value:
        return None
    number = value.get("id")
    if isinstance(number, bool) or not isinstance(number, int | str):
        return None
    error = ErrorData(code=BROKEN, message="its answer is no message of the protocol")
    return JSONRPCError(jsonrpc="2.0", id=number, error=error)


def write_harmless() -> None:
    """Lets the SDK of a server in this process write every answer.

    What it cannot write ends its writer, while its reader waits on: nobody is told before the call's time is over.
    """
    for kind in (JSONRPCRequest, JSONRPCNotification, JSONRPCResponse, JSONRPCError):
        kind.model_dump_json = _written


def _written(message: BaseModel, **options: Any) -> str:
    try:
        return BaseModel.model_dump_json(message, **options)
    except PydanticSerializationError:
        return json.dumps(harmless.value(message.model_dump(mode="json", **options)), ensure_ascii=False)
