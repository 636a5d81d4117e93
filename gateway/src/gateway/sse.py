"""Runs as Server-Sent Events, for browsers and curl: one run's events (WatchRun), and the runs themselves (WatchRuns).

Of one run: the recorded events, the comment `: live`, live events with a keep-alive comment in every silence, and last
`event: end`; resumable at every event. Of many: `event: run` for each of the newest, `event: live`, then `run` and
`left` as they change; resumable at every event that has an id. Should the engine restart in between, the gateway goes
on where it was; the client sees a pause.
"""

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any, Final, Generic, TypeVar

from google.protobuf import json_format
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis import jsonvalue
from chassis.client import ServiceChannel
from chassis.errors import Invalid, ServiceError, Unavailable
from gateway import problems
from gateway.tickets import Tickets
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2

log = logging.getLogger(__name__)

_NAMES: Final = {
    "run_status_change": "status_change",
    "step_status_change": "status_change",
    "log": "log",
    "result_preview": "result_preview",
    "progress": "progress",
    "tool_call": "tool_call",
    "approval_request": "approval",
    "end": "end",
}
_VALUES: Final = {"result_preview": "value", "tool_call": "arguments"}
"""Where an event has any JSON value: whole numbers of it are written as such."""
_RUN_ITEMS: Final = frozenset({"run", "left", "live"})
_MOST_RUNS: Final = 1000
_RETRY_SECONDS: Final = 60.0
_MAX_SEQ: Final = 2**31 - 1
_HEADERS: Final = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # proxies that would hold events back
}

M = TypeVar("M", engine_pb2.WatchRunResponse, engine_pb2.WatchRunsResponse)


class Stream(ABC, Generic[M]):
    """What a watch brings, as a stream of events."""

    def __init__(
        self, engine: ServiceChannel, tickets: Tickets, draining: asyncio.Event, keep_alive: float
    ) -> None:
        """`keep_alive` in seconds; `draining` ends every stream, so that its client comes back to another process."""
        self._stub = engine_pb2_grpc.EngineServiceStub(engine)
        self._tickets = tickets
        self._draining = draining
        self._keep_alive = keep_alive

    async def respond(self, request: Request) -> Response:
        """Answers 200 with the stream, or the engine's refusal as any other error."""
        watch = await self._watch(request)
        first = await watch.next()
        return StreamingResponse(
            self._body(watch, first), media_type="text/event-stream", headers=dict(_HEADERS)
        )

    @abstractmethod
    async def _watch(self, request: Request) -> "Watch[M]":
        """The stream that the request asks for."""

    async def _body(self, watch: "Watch[M]", first: M) -> AsyncIterator[str]:
        yield "retry: 1000\n\n"
        pending: asyncio.Task[M] | None = None
        stop = asyncio.create_task(self._draining.wait())
        try:
            item: M | None = first
            while True:
                if item is not None:
                    yield watch.text(item)
                    if watch.is_over(item):
                        return
                pending = pending or asyncio.create_task(watch.next())
                await asyncio.wait(
                    {pending, stop}, timeout=self._keep_alive, return_when=asyncio.FIRST_COMPLETED
                )
                if pending.done():
                    item, pending = pending.result(), None
                elif stop.done():
                    yield watch.farewell
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


class RunStream(Stream[engine_pb2.WatchRunResponse]):
    """Serves `GET /api/v1/workflow-runs/{run_id}/stream`."""

    async def _watch(self, request: Request) -> "RunWatch":
        run_id, after = request.path_params["run_id"], position(request)
        return RunWatch(self._stub, run_id, after, await self._tickets.metadata(request, run_id))


class RunsStream(Stream[engine_pb2.WatchRunsResponse]):
    """Serves `GET /api/v1/workflow-runs/stream`."""

    async def _watch(self, request: Request) -> "RunsWatch":
        wanted = wish(request)
        return RunsWatch(self._stub, wanted, await self._tickets.metadata(request))


class Watch(ABC, Generic[M]):
    """A stream of the engine's, across the engine's restarts."""

    farewell = ""
    """What is sent last when this process stops."""

    def __init__(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = metadata
        self._call: Any = None
        self._messages: Any = None
        self._began = False

    @abstractmethod
    def _open(self) -> Any:
        """Calls the engine, from where the client is."""

    @abstractmethod
    def _accept(self, message: M) -> bool:
        """Takes note of where the client is after the message; whether it is to be sent on."""

    @abstractmethod
    def is_over(self, message: M) -> bool:
        """Whether nothing follows."""

    @abstractmethod
    def text(self, message: M) -> str:
        """The message as the text of the stream."""

    async def next(self) -> M:
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
                log.info("the engine is away; the stream waits", extra={"why": error.message})
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
                continue
            if message.HasField("error"):
                continue  # the call's own status says it next
            if self._accept(message):
                self._began = True
                return message

    async def _read(self) -> M:
        if self._call is None:
            self._call = self._open()
            self._messages = aiter(self._call)
        try:
            message: M = await anext(self._messages)
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


class RunWatch(Watch[engine_pb2.WatchRunResponse]):
    """One run's events."""

    def __init__(
        self,
        stub: engine_pb2_grpc.EngineServiceStub,
        run_id: str,
        after: int,
        metadata: tuple[tuple[str, str], ...],
    ) -> None:
        super().__init__(metadata)
        self._stub = stub
        self._run_id = run_id
        self._after = after
        self._lived = False

    def _open(self) -> Any:
        request = engine_pb2.WatchRunRequest(run_id=self._run_id, after_seq=self._after)
        return self._stub.WatchRun(request, metadata=self._metadata)

    def _accept(self, message: engine_pb2.WatchRunResponse) -> bool:
        if message.HasField("event"):
            if message.event.seq <= self._after and not message.event.HasField("end"):
                return False
            self._after = message.event.seq
        elif message.HasField("live") and self._lived:
            return False
        self._lived = self._lived or message.HasField("live")
        return True

    def is_over(self, message: engine_pb2.WatchRunResponse) -> bool:
        """Whether the run's last event was sent."""
        return message.event.HasField("end")

    def text(self, message: engine_pb2.WatchRunResponse) -> str:
        """The message as the text of the stream."""
        return text(message)


class RunsWatch(Watch[engine_pb2.WatchRunsResponse]):
    """The runs that fit a filter. It is never over: an engine that stops is followed by the next."""

    farewell = 'event: end\ndata: {"reason":"DRAINING"}\n\n'

    def __init__(
        self,
        stub: engine_pb2_grpc.EngineServiceStub,
        request: engine_pb2.WatchRunsRequest,
        metadata: tuple[tuple[str, str], ...],
    ) -> None:
        super().__init__(metadata)
        self._stub = stub
        self._request = request

    def _open(self) -> Any:
        return self._stub.WatchRuns(self._request, metadata=self._metadata)

    def _accept(self, message: engine_pb2.WatchRunsResponse) -> bool:
        if message.cursor:
            self._request.cursor = message.cursor
        return not message.HasField("end")

    def is_over(self, message: engine_pb2.WatchRunsResponse) -> bool:
        """Never."""
        return False

    def text(self, message: engine_pb2.WatchRunsResponse) -> str:
        """The message as the text of the stream."""
        kind = message.WhichOneof("item")
        if kind not in _RUN_ITEMS:
            return ": keep-alive\n\n"
        body = {"id": message.left} if kind == "left" else json_format.MessageToDict(getattr(message, kind))
        return _frame(kind, json.dumps(body, ensure_ascii=False, separators=(",", ":")), message.cursor)


def wish(request: Request) -> engine_pb2.WatchRunsRequest:
    """What the client asks for; its `Last-Event-ID`, else `?cursor=`, says where to go on. Raises Invalid."""
    known = {"filter", "page_size", "pageSize", "cursor", "ticket"}
    if unknown := set(request.query_params) - known:
        raise Invalid(
            "INVALID_FIELD",
            f"unknown query parameters: {', '.join(sorted(unknown))}; there are filter, page_size, cursor and ticket",
        )
    size = request.query_params.get("page_size", request.query_params.get("pageSize", "0"))
    if not size.isascii() or not size.isdigit() or int(size) > _MOST_RUNS:
        raise Invalid("INVALID_FIELD", f"page_size is a number from 0 to {_MOST_RUNS}, not {size[:40]!r}")
    cursor = request.headers.get("last-event-id", "") or request.query_params.get("cursor", "")
    return engine_pb2.WatchRunsRequest(
        filter=request.query_params.get("filter", ""), page_size=int(size), cursor=cursor
    )


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
    if unknown := set(request.query_params) - {"after_seq", "ticket"}:
        raise Invalid(
            "INVALID_FIELD",
            f"unknown query parameters: {', '.join(sorted(unknown))}; there are after_seq and ticket",
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
        said = getattr(event, kind)
        body |= json_format.MessageToDict(said)
        field = _VALUES.get(kind, "")
        if field and said.HasField(field):
            body[field] = jsonvalue.from_value(getattr(said, field))
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _frame(event: str, data: str, seq: int | str | None = None) -> str:
    position = f"id: {seq}\n" if seq not in (None, "") else ""
    return f"event: {event}\n{position}data: {data}\n\n"
