"""Runs as Server-Sent Events: WatchRun for browsers and curl, resumable at every event.

Order: the recorded events, the comment `: live`, live events with a keep-alive comment in every silence, and last
`event: end`. Should the engine restart in between, the gateway goes on where it was; the client sees a pause.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from google.protobuf import json_format
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis.client import ServiceChannel
from chassis.errors import Invalid, ServiceError, Unavailable
from gateway import credentials, problems
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2

log = logging.getLogger(__name__)

_NAMES: Final = {
    "run_status_change": "status_change",
    "step_status_change": "status_change",
    "log": "log",
    "result_preview": "result_preview",
    "progress": "progress",
    "approval_request": "approval",
    "end": "end",
}
_RETRY_SECONDS: Final = 60.0
_MAX_SEQ: Final = 2**31 - 1
_HEADERS: Final = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # proxies that would hold events back
}


class RunStream:
    """Serves `GET /api/v1/workflow-runs/{run_id}/stream`."""

    def __init__(self, engine: ServiceChannel, draining: asyncio.Event, keep_alive: float) -> None:
        """`keep_alive` in seconds; `draining` ends every stream, so that its client comes back to another process."""
        self._stub = engine_pb2_grpc.EngineServiceStub(engine)
        self._draining = draining
        self._keep_alive = keep_alive

    async def respond(self, request: Request) -> Response:
        """Answers 200 with the stream, or the engine's refusal as any other error."""
        run_id = request.path_params["run_id"]
        after = position(request)
        watch = Watch(self._stub, run_id, after, credentials.metadata(request))
        first = await watch.next()
        return StreamingResponse(
            self._body(watch, first), media_type="text/event-stream", headers=dict(_HEADERS)
        )

    async def _body(self, watch: "Watch", first: engine_pb2.WatchRunResponse) -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        pending: asyncio.Task[engine_pb2.WatchRunResponse] | None = None
        stop = asyncio.create_task(self._draining.wait())
        try:
            item: engine_pb2.WatchRunResponse | None = first
            while True:
                if item is not None:
                    yield text(item)
                    if item.event.HasField("end"):
                        return
                pending = pending or asyncio.create_task(watch.next())
                await asyncio.wait(
                    {pending, stop}, timeout=self._keep_alive, return_when=asyncio.FIRST_COMPLETED
                )
                if pending.done():
                    item, pending = pending.result(), None
                elif stop.done():
                    return
                else:
                    item = None
                    yield ": keep-alive\n\n"
        except ServiceError as error:
            yield _frame("error", json.dumps(problems.error_json(error)))
        finally:
            stop.cancel()
            if pending is not None:
                pending.cancel()
            watch.close()


class Watch:
    """One run's events from the engine, across the engine's restarts."""

    def __init__(
        self,
        stub: engine_pb2_grpc.EngineServiceStub,
        run_id: str,
        after: int,
        metadata: tuple[tuple[str, str], ...],
    ) -> None:
        self._stub = stub
        self._run_id = run_id
        self._after = after
        self._metadata = metadata
        self._call: Any = None
        self._messages: Any = None
        self._began = False
        self._lived = False

    async def next(self) -> engine_pb2.WatchRunResponse:
        """The next message. Raises the engine's refusal; an engine that is away is asked again for a minute."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _RETRY_SECONDS
        delay = 0.1
        while True:
            try:
                message = await self._read()
            except Unavailable as error:
                self.close()
                if not self._began or loop.time() > deadline:
                    raise
                log.info(
                    "the engine is away; the stream waits",
                    extra={"run_id": self._run_id, "why": error.message},
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
                continue
            if message.HasField("error"):
                continue  # the call's own status says it next
            if message.HasField("event"):
                if message.event.seq <= self._after and not message.event.HasField("end"):
                    continue
                self._after = message.event.seq
            elif message.HasField("live") and self._lived:
                continue
            self._began = True
            self._lived = self._lived or message.HasField("live")
            return message

    async def _read(self) -> engine_pb2.WatchRunResponse:
        if self._call is None:
            request = engine_pb2.WatchRunRequest(run_id=self._run_id, after_seq=self._after)
            self._call = self._stub.WatchRun(request, metadata=self._metadata)
            self._messages = aiter(self._call)
        try:
            message: engine_pb2.WatchRunResponse = await anext(self._messages)
        except StopAsyncIteration:
            raise Unavailable(
                "DEPENDENCY_UNAVAILABLE", "the stream ended before its end", metadata={"dependency": "engine"}
            ) from None
        return message

    def close(self) -> None:
        """Ends the call to the engine."""
        if self._call is not None:
            self._call.cancel()
            self._call = None


def position(request: Request) -> int:
    """The last event the client saw: from `Last-Event-ID`, else `?after_seq=`, else 0. Raises Invalid."""
    header = request.headers.get("last-event-id", "")
    name, value = (
        ("Last-Event-ID", header) if header else ("after_seq", request.query_params.get("after_seq", "0"))
    )
    if not value.isascii() or not value.isdigit() or int(value) > _MAX_SEQ:
        raise Invalid(
            "INVALID_FIELD", f"{name} is a number from 0, the `id` of the last event seen, not {value[:40]!r}"
        )
    if unknown := set(request.query_params) - {"after_seq"}:
        raise Invalid(
            "INVALID_FIELD", f"unknown query parameters: {', '.join(sorted(unknown))}; there is after_seq"
        )
    return int(value)


def text(message: engine_pb2.WatchRunResponse) -> str:
    """A message as the text of the stream."""
    match message.WhichOneof("item"):
        case "event":
            kind = message.event.WhichOneof("event") or ""
            return _frame(_NAMES.get(kind, kind), data(message.event), message.event.seq)
        case "live":
            return ": live\n\n"
        case _:
            return ": keep-alive\n\n"


def data(event: run_pb2.RunEvent) -> str:
    """An event's JSON: `runId`, `seq` and `time` always, beside the fields of what happened."""
    kind = event.WhichOneof("event")
    body: dict[str, Any] = {
        "runId": event.run_id,
        "seq": event.seq,
        "time": event.time.ToJsonString(),
    }
    if kind is not None:
        body |= json_format.MessageToDict(getattr(event, kind))
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _frame(event: str, data: str, seq: int | None = None) -> str:
    position = f"id: {seq}\n" if seq is not None else ""
    return f"event: {event}\n{position}data: {data}\n\n"
