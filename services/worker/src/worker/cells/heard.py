"""A sink that remembers when it last heard something: signs of life of a step's code."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Final, TypeVar

from worker.cells.attempt import Shape, Sink
from worker.cells.calls import Called, ToolCall
from worker.cells.pipes import RequestError
from worker.cells.usage import Budget

_BREATH: Final = 0.2

T = TypeVar("T")


class Heard:
    """Passes everything on to another sink. `at` is when the last of it came, by the monotonic clock."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.at = time.monotonic()
        self._waiting: asyncio.Timeout | None = None
        self._stopped = False

    def stop(self) -> None:
        """Ends what the step waits for, a query or a component that it calls; it is answered that it is stopped."""
        self._stopped = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def _unless_stopped(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(0 if self._stopped else None) as self._waiting:
                return await answer
        except TimeoutError:
            if self._stopped:
                raise RequestError("the step is being stopped") from None
            raise
        finally:
            self._waiting = None

    def log(self, stream: str, level: str, message: str, *, more: bool = False) -> None:
        """Takes one line, or a piece of one."""
        self.at = time.monotonic()
        self._sink.log(stream, level, message, more=more)

    def progress(self, fraction: float, message: str) -> None:
        """Takes how far the step is."""
        self.at = time.monotonic()
        self._sink.progress(fraction, message)

    def preview(self, value_json: bytes) -> None:
        """Takes an intermediate value."""
        self.at = time.monotonic()
        self._sink.preview(value_json)

    def tool_call(self, call: ToolCall) -> None:
        """Takes a call of a tool."""
        self.at = time.monotonic()
        self._sink.tool_call(call)

    async def artifact(self, name: str, media_type: str, chunks: AsyncIterator[bytes]) -> dict[str, Any]:
        """Stores a file; its record."""
        record = await self._sink.artifact(name, media_type, chunks)
        self.at = time.monotonic()
        return record

    async def output(self, shape: Shape, chunks: AsyncIterator[bytes]) -> str:
        """Stores a large output; the artifact's id."""
        return await self._sink.output(shape, self._heard(chunks))

    async def _heard(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self.at = time.monotonic()
            yield chunk

    async def read_artifact(self, artifact_id: str) -> AsyncIterator[bytes]:
        """Reads a file of the run; each part of it is a sign of life."""
        async for chunk in self._sink.read_artifact(artifact_id):
            self.at = time.monotonic()
            yield chunk

    async def secret(self, name: str) -> str:
        """The value of a linked secret."""
        value = await self._sink.secret(name)
        self.at = time.monotonic()
        return value

    async def write(self, source: str, table: str, chunks: AsyncIterator[bytes], *, replace: bool) -> int:
        """Writes rows into a table; each part of them is a sign of life."""
        count = await self._sink.write(source, table, self._heard(chunks), replace=replace)
        self.at = time.monotonic()
        return count

    async def call(self, tool: str, inputs: bytes, budget: Budget | None) -> Called:
        """Calls a component: while it runs, the step is not silent."""
        breathing = asyncio.create_task(self._breathe())
        try:
            return await self._unless_stopped(self._sink.call(tool, inputs, budget))
        finally:
            breathing.cancel()

    async def _breathe(self) -> None:
        while True:
            self.at = time.monotonic()
            await asyncio.sleep(_BREATH)

    async def query(
        self, source: str, sql: str, params: Any, max_rows: int
    ) -> AsyncIterator[dict[str, Any] | list[Any]]:
        """Runs a query; each part of its answer is a sign of life."""
        parts = self._sink.query(source, sql, params, max_rows)
        while (part := await self._unless_stopped(anext(parts, None))) is not None:
            self.at = time.monotonic()
            yield part
