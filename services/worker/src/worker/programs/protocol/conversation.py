"""A session with a server: what it is asked, how long it may take, and what becomes of what it says."""

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

import anyio
import httpx2
import mcpanel_step as step
import pydantic
from mcp.client import session
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED, Implementation, Tool
from programs.failures import Failed
from programs.protocol import messages, results, stdio
from programs.protocol.servers import Server

_CALL_TIMEOUT = 60.0
_PROBE_TIMEOUT = 2.0
"""Seconds a server may take to say that it knows the newer protocol, before it is greeted in the older one: some ignore
what they do not know, instead of refusing it. One that was only slow is asked again by the SDK."""
_END_TIMEOUT = 5.0
_MOST_PAGES = 100
_REFUSED = 400
_MOST_CHARACTERS = 2000
_DETAILS = re.compile(r": \d+ validation errors? for .*", re.DOTALL)
_LEVELS = {"debug": "debug", "info": "info", "notice": "info", "warning": "warning"}

_Answer = TypeVar("_Answer")

logging.getLogger("mcp").addHandler(logging.NullHandler())  # what goes wrong is told in the failure
logging.getLogger("mcp").propagate = False


class Conversation:
    """A session. Everything raises Failed with what the server did, by its name."""

    def __init__(self, server: Server, config: dict[str, Any]) -> None:
        self._server = server
        self._seconds = float(config.get("call_timeout") or _CALL_TIMEOUT)
        self.pinned: dict[str, str] = config.get("pinned_tools", {})
        """Digests by the names of tools."""
        self._stack = contextlib.AsyncExitStack()
        self._client: Client
        self._fraction = 0.0

    async def __aenter__(self) -> "Conversation":
        # The SDK's own ten seconds may be more than a server has to start; it has no setting for them.
        session.DISCOVER_TIMEOUT_SECONDS = min(_PROBE_TIMEOUT, self._seconds / 3)
        self._client = await self._asked(self._connected(), "start")
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):  # what a session says while it ends changes nothing
            async with asyncio.timeout(_END_TIMEOUT):
                await self._stack.aclose()

    async def _connected(self) -> Client:
        client = Client(
            _over_http(self._server)
            if self._server.process is None
            else stdio.transport(self._server.process),
            client_info=Implementation(name="mcpanel", version="1"),
            log_level="debug",
            logging_callback=_on_log,
            cache=None,
        )
        return await self._stack.enter_async_context(client)

    async def tools(self) -> list[Tool]:
        """The tools that the server has."""
        found: list[Tool] = []
        cursor = None
        for _ in range(_MOST_PAGES):
            page = await self._asked(self._client.list_tools(cursor=cursor), "list its tools")
            found += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        return found

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """What the tool answers, as the step's output."""
        calling = self._client.call_tool(tool, arguments, progress_callback=self._on_progress)
        answer = await self._asked(calling, f"answer the call of '{tool}'")
        if answer.is_error:
            raise Failed(f"the tool '{tool}' failed: {results.text(answer)[:_MOST_CHARACTERS]}")
        made: dict[str, Any] = results.output(tool, answer)
        return made

    async def _asked(self, asking: Awaitable[_Answer], what: str) -> _Answer:
        """The answer, if it comes in time. Abandoned, the server is told so."""
        name = self._server.name
        self._server.answered = ""
        try:
            async with asyncio.timeout(self._seconds):
                return await asking
        except TimeoutError:
            raise Failed(
                f"the server '{name}' took more than {self._seconds:g} s to {what}", "TIMED_OUT"
            ) from None
        except Exception as error:
            raise self._failure(_innermost(error), what) from None

    def _failure(self, error: BaseException, what: str) -> Failed:
        name = self._server.name
        if isinstance(error, Failed):
            return error
        process = self._server.process
        if isinstance(error, MCPError):
            if error.code == CONNECTION_CLOSED and process is not None:
                ends = process.ends_within(1.0) and not process.stopped
                did = f"ended with {_said(process.status)}" if ends else process.complaint
                words = process.last_words() if ends else ""
                if did:  # else it goes on: the code is one that servers use themselves, for whatever fails
                    why = f": {words}" if words else ""
                    return Failed(f"the server '{name}' {did} instead of going on to {what}{why}")
            if error.code == messages.BROKEN:
                said = _DETAILS.sub("", error.message).strip()[:_MOST_CHARACTERS]
                return Failed(f"the server '{name}' broke the protocol when it was to {what}: {said}")
            reason = self._server.answered or f"{error.message[:_MOST_CHARACTERS]} ({error.code})"
            return Failed(f"the server '{name}' refused to {what}: {reason}")
        if isinstance(error, httpx2.HTTPError):
            reason = str(error) or type(error).__name__
            return Failed(f"the server '{name}' cannot be reached: {reason[:_MOST_CHARACTERS]}")
        if isinstance(
            error, pydantic.ValidationError | anyio.BrokenResourceError | anyio.ClosedResourceError
        ):
            return Failed(f"the server '{name}' broke the protocol when it was to {what}")
        if isinstance(
            error, RuntimeError
        ):  # the SDK's word for a result that does not fit the tool's output schema
            return Failed(f"the server '{name}': {str(error)[:_MOST_CHARACTERS]}", "INVALID_OUTPUT")
        raise error

    async def _on_progress(self, progress: float, total: float | None, message: str | None) -> None:
        """Passes on how far a call is. Without a total there is nothing but words, unless it looks like a fraction."""
        if total:
            self._fraction = min(max(progress / total, 0.0), 1.0)
        elif 0.0 <= progress <= 1.0:
            self._fraction = progress
        step.progress(self._fraction, message or "")


@contextlib.asynccontextmanager
async def _over_http(server: Server) -> AsyncIterator[tuple[Any, Any]]:
    """The streams of messages from and to a server elsewhere, by the way out that the cell's environment tells."""

    async def note(response: httpx2.Response) -> None:
        if response.status_code >= _REFUSED:
            text = " ".join((await response.aread()).decode("utf-8", "replace").split())
            server.answered = f"HTTP {response.status_code}: {text[:_MOST_CHARACTERS]}"

    timeout = httpx2.Timeout(30.0, read=None)  # each request has a time of its own
    async with (
        httpx2.AsyncClient(
            headers=dict(server.headers), timeout=timeout, event_hooks={"response": [note]}
        ) as http,
        streamable_http_client(server.url, http_client=http) as streams,
    ):
        yield streams


async def _on_log(params: Any) -> None:
    """A line of the server's log."""
    text = params.data if isinstance(params.data, str) else json.dumps(params.data, ensure_ascii=False)
    say = getattr(step.log, _LEVELS.get(params.level, "error"))
    say(f"{params.logger}: {text}" if params.logger else text)


def _innermost(error: BaseException) -> BaseException:
    """The first exception inside groups of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _said(status: int | None) -> str:
    return f"status {status}" if status is None or status >= 0 else f"signal {-status}"
