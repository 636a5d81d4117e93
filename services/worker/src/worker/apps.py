"""Apps that run here: each in its cell, watched from outside, stopped when nobody has visited it for long enough."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from worker.cells.attempt import Failure, Job, Outcome, Sink
from worker.cells.cell import Cell

PORT: Final = 8501
"""Where apps listen on the loopback of their cell: `worker.programs.app`."""
MOST: Final = 256
"""How many connections to one app there may be at once."""
_LOOK_EVERY: Final = 5.0
_PATIENCE: Final = 5.0
"""Seconds that an app has to say that it is well."""
_MOST_MISSED: Final = 3
_START_SECONDS: Final = 120.0


class App:
    """One app that runs as an attempt."""

    def __init__(self, cell: Cell, path: str, idle_seconds: float, sink: Sink) -> None:
        """`path` is what comes before its pages, with a slash at both ends."""
        self._cell = cell
        self._path = path
        self._idle_seconds = idle_seconds
        self._sink = sink
        self._began = time.monotonic()
        self._used = self._began
        self._open = 0
        self._connections = 0
        self._is_up = False
        self._state = ""
        self._why = ""

    async def run(self, job: Job) -> Outcome:
        """Runs the app to its end; the outcome. That it was idle for long enough is a success. Raises CellError."""
        if self._cell.level != "cell":  # its port would be the machine's, and another app's at once
            why = "an app needs a cell with a loopback of its own, which MCPANEL_ISOLATION=limits does not give it"
            return Outcome(None, Failure("USER_ERROR", why), 0.0, 0.0, 0)
        job = replace(job, config={**job.config, "path": self._path})
        watching = asyncio.create_task(self._watch())
        try:
            outcome = await self._cell.run(job, self._sink)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        if self._state == "IDLE":
            told = {"url": self._path, "state": "IDLE", "connections": self._connections}
            return replace(outcome, failure=None, output_json=json.dumps(told, sort_keys=True).encode())
        if self._why:
            return replace(outcome, output_json=None, failure=Failure("USER_ERROR", self._why))
        return outcome

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A visitor's connection, as long as it is used. Raises ConnectionRefusedError."""
        if self._open >= MOST:
            raise ConnectionRefusedError(f"it has {MOST} connections, which is as many as it may have")
        with self._visited():
            async with self._connected() as streams:
                yield streams

    @contextlib.contextmanager
    def _visited(self) -> Iterator[None]:
        self._open += 1
        self._connections += 1
        try:
            yield
        finally:
            self._open -= 1
            self._used = time.monotonic()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        connection = await self._cell.connect(PORT)
        reader, writer = await asyncio.open_connection(sock=connection, limit=65536)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _watch(self) -> None:
        """Tells when the app answers, and stops it when it does so no more, or when it is idle."""
        while not await self._is_well():
            if time.monotonic() - self._began > _START_SECONDS:
                self._stop(why=f"the app did not begin to answer within {_START_SECONDS:.0f} s")
                return
            await asyncio.sleep(0.1)
        self._is_up = True
        self._used = time.monotonic()
        self._tell("RUNNING")
        self._sink.log("log", "INFO", f"the app is running at {self._path}")
        missed = 0
        while missed < _MOST_MISSED:
            await asyncio.sleep(min(_LOOK_EVERY, self._idle_seconds / 4))
            if not self._open and time.monotonic() - self._used >= self._idle_seconds:
                self._state = "IDLE"
                self._tell("IDLE")
                self._sink.log(
                    "log", "INFO", f"nobody had the app open for {self._idle_seconds:g} s: it is stopped"
                )
                self._stop()
                return
            missed = 0 if await self._is_well() else missed + 1
        self._stop(why=f"the app has stopped answering: {_MOST_MISSED} questions after its health in a row")

    def _tell(self, state: str) -> None:
        told: dict[str, Any] = {"url": self._path, "state": state}
        self._sink.preview(json.dumps(told, sort_keys=True, separators=(",", ":")).encode())

    def _stop(self, why: str = "") -> None:
        self._why = why
        self._cell.cancel()

    async def _is_well(self) -> bool:
        """Whether the app says that it is."""
        request = f"GET {self._path}_stcore/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        try:
            async with asyncio.timeout(_PATIENCE), self._connected() as (reader, writer):
                writer.write(request.encode())
                await writer.drain()
                line = await reader.readline()
        except (OSError, TimeoutError, ValueError):
            return False
        return line.split()[1:2] == [b"200"]
