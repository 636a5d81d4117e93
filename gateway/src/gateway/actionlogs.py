"""The action log as CSV, for spreadsheets. It proves nothing: what `audit.verify` checks is ExportActionLogs' form."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis import jsonvalue
from chassis.client import ServiceChannel
from chassis.errors import Invalid, Unavailable
from gateway import credentials
from mcpanel.audit.v1 import audit_pb2, audit_pb2_grpc

COLUMNS: Final = (
    "index",
    "time",
    "recorded_at",
    "service",
    "action",
    "outcome",
    "actor_id",
    "actor_kind",
    "actor_name",
    "on_behalf_of_id",
    "on_behalf_of_name",
    "client_address",
    "user_agent",
    "api_key_id",
    "session_id",
    "run_id",
    "entity_type",
    "entity_id",
    "method",
    "request_id",
    "trace_id",
    "details",
    "id",
    "leaf_hash",
)
_ACTOR: Final = {
    "actor_id": "id",
    "actor_kind": "kind",
    "actor_name": "name",
    **{
        name: name for name in audit_pb2.Actor.DESCRIPTOR.fields_by_name if name not in ("id", "kind", "name")
    },
}
_ERASED: Final = "(erased)"
_COMMITMENT: Final = re.compile(r"c2:[0-9a-f]{64}", re.ASCII)
_INSIDE: Final = re.compile(r'"(c2:[0-9a-f]{64})"', re.ASCII)
_FORMULA: Final = re.compile(r"[\s;,\u200b-\u200f\u2060\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""What a spreadsheet takes for the beginning of something to execute; some pass over what is before it."""
_CHUNK: Final = 64 * 1024
_MAX_INDEX: Final = 2**31 - 1
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-disposition": 'attachment; filename="action-logs.csv"',
    "x-content-type-options": "nosniff",
}


class Csv:
    """Serves `GET /api/v1/action-logs.csv`."""

    def __init__(self, audit: ServiceChannel) -> None:
        self._stub = audit_pb2_grpc.AuditServiceStub(audit)

    async def respond(self, request: Request) -> Response:
        """Answers 200 with a header line and a line for each entry, or the audit service's refusal."""
        call: Any = self._stub.ExportActionLogs(wish(request), metadata=credentials.metadata(request))
        stream = aiter(call)
        try:
            await anext(stream)
        except StopAsyncIteration:
            raise Unavailable(
                "DEPENDENCY_UNAVAILABLE", "the export ended before it began", metadata={"dependency": "audit"}
            ) from None
        media = "text/csv; charset=utf-8; header=present"
        if request.method == "HEAD":
            call.cancel()
            return Response(headers=_HEADERS, media_type=media)
        return StreamingResponse(_lines(stream), media_type=media, headers=_HEADERS)


def wish(request: Request) -> audit_pb2.ExportActionLogsRequest:
    """What the client asks for: the parameters of ExportActionLogs. Raises Invalid."""
    names = {"filter": "filter", "from_index": "from_index", "until_index": "until_index"}
    names |= {"fromIndex": "from_index", "untilIndex": "until_index"}
    found = audit_pb2.ExportActionLogsRequest()
    for name, value in request.query_params.items():
        if name not in names:
            raise Invalid(
                "INVALID_FIELD",
                f"unknown query parameter {name[:40]!r}; there are filter, from_index and until_index",
            )
        if name == "filter":
            found.filter = value
        elif value.isascii() and value.isdigit() and int(value) <= _MAX_INDEX:
            setattr(found, names[name], int(value))
        else:
            raise Invalid("INVALID_FIELD", f"{name} is a number from 0 to {_MAX_INDEX}, not {value[:40]!r}")
    return found


def row(entry: audit_pb2.ActionLog, values: Mapping[str, str]) -> list[str]:
    """An entry as the cells of a line; `values` are what commitments are about."""
    return [_safe(_cell(entry, column, values)) for column in COLUMNS]


async def _lines(stream: Any) -> AsyncIterator[bytes]:
    """The lines, some at a time. An export cut short raises, so that the client sees a broken download."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    values: dict[str, str] = {}
    ended = False
    async for message in stream:
        match message.WhichOneof("piece"):
            case "personal":
                values[message.personal.commitment] = message.personal.value
            case "entry":
                writer.writerow(row(message.entry.action_log, values))
            case "end":
                ended = True
        if text.tell() > _CHUNK:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    if not ended:
        raise ConnectionError("the export ended early")
    yield text.getvalue().encode()


def _cell(entry: audit_pb2.ActionLog, column: str, values: Mapping[str, str]) -> str:
    if column == "details":
        text = json.dumps(jsonvalue.from_struct(entry.details), ensure_ascii=False, sort_keys=True)
        return _INSIDE.sub(lambda found: json.dumps(values.get(found[1], _ERASED), ensure_ascii=False), text)
    value = getattr(entry.actor, _ACTOR[column]) if column in _ACTOR else getattr(entry, column)
    if column in ("time", "recorded_at"):
        return str(value.ToJsonString())
    text = str(value)
    return values.get(text, _ERASED) if _COMMITMENT.fullmatch(text) else text


def _safe(text: str) -> str:
    """The text, which no spreadsheet executes: what looks like a formula gets an apostrophe before it."""
    return f"'{text}" if _FORMULA.match(text) else text
