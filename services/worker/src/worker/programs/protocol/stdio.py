"""The protocol over a server's standard input and output: a JSON message a line.

Source: Model Context Protocol, "Transports", stdio, and "Lifecycle", shutdown.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import anyio
import mcpanel_step as step
from mcp.shared.message import SessionMessage
from programs.protocol import messages
from programs.protocol.processes import Process

_LONGEST = 16 * 1024 * 1024  # bytes of a message
_GRACE = 0.5  # seconds to end in by itself, then after SIGTERM
_POLL = 0.01
_SHOWN = 20
_MOST_GARBAGE = 1000


@contextlib.asynccontextmanager
async def transport(process: Process) -> AsyncIterator[tuple[Any, Any]]:
    """The streams of messages from and to the server, as the SDK's sessions take them; it is ended afterwards."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LONGEST)
    source = os.fdopen(process.hand_over(process.from_server), "rb", buffering=0)
    sink = os.fdopen(process.hand_over(process.to_server), "wb", buffering=0)
    incoming, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
    outgoing, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sink)
    writer = asyncio.StreamWriter(outgoing, protocol, None, loop)
    received, to_read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    sending, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_read(reader, received, process)),
        asyncio.create_task(_write(to_send, writer)),
    ]
    try:
        yield to_read, sending
    finally:
        sending.close()
        with contextlib.suppress(TimeoutError):  # for what is on its way, such as that a call is abandoned
            async with asyncio.timeout(_GRACE):
                await asyncio.wait([tasks[1]])
        writer.close()
        await _end(process)
        for task in tasks:
            task.cancel()
        incoming.close()
        for stream in (received, to_read, to_send):
            stream.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader, received: Any, process: Process) -> None:
    """Passes messages on until the server closes its output, or writes what is too long or never a message."""
    garbage = 0
    async with received:
        with contextlib.suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while line := await _line(reader, process):
                if not line.strip():
                    continue
                message = messages.read(line)
                if message is None:
                    garbage += 1
                    if garbage == _MOST_GARBAGE:
                        process.complaint = f"wrote {garbage:,} lines that are no messages"
                        return
                    if garbage <= _SHOWN:
                        shown = line[:500].decode("utf-8", "replace").rstrip()
                        step.log.warning(
                            f"the server wrote what is no message to its standard output: {shown}"
                        )
                    continue
                await received.send(SessionMessage(message))


async def _line(reader: asyncio.StreamReader, process: Process) -> bytes:
    """The next line; empty when there is none any more."""
    try:
        line = await reader.readline()
    except ValueError:
        process.complaint = f"wrote a message of more than {_LONGEST // 1024**2} MiB"
        return b""
    if not line:
        process.complaint = "closed its standard output"
    return line


async def _write(to_send: Any, writer: asyncio.StreamWriter) -> None:
    """Writes what there is to send until it ends, or the server does not take it any more."""
    async with to_send:
        with contextlib.suppress(OSError):
            async for one in to_send:
                writer.write(one.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
                await writer.drain()


async def _end(process: Process) -> None:
    """Waits a moment for the server, whose input has ended; then signals it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(int(_GRACE / _POLL)):
            if process.ended():
                return
            await asyncio.sleep(_POLL)
        process.signal(number)
