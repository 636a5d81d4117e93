"""A TCP proxy between two processes of a stack, which delays, slows down, swallows, cuts and repeats."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

_CHUNK = 64 * 1024
_SLOW_CHUNK = 1024
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
"""PostgreSQL's answer to COMMIT: CommandComplete."""

Change = Callable[[bytes], bytes]


class Proxy:
    """Forwards connections to a port on 127.0.0.1. Everything it does wrong is a field, and may change at any time."""

    def __init__(self, target: int, answers: Callable[[], Change] | None = None) -> None:
        """`answers` makes, for each connection, what changes the bytes that come back."""
        self.target = target
        self.port = 0
        self.delay = 0.0
        """Seconds before anything is passed on."""
        self.bandwidth = 0
        """Bytes a second in each direction; 0 for all there is."""
        self.is_half_open = False
        """While set, connections stay open and nothing arrives."""
        self.cuts_commit = 0
        """How many answers to COMMIT are still to be lost, each with its connection."""
        self.cuts = 0
        """How many answers to COMMIT were lost."""
        self.swallowed = 0
        """How many bytes waited while it was half open."""
        self._answers = answers
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._sockets: set[asyncio.StreamWriter] = set()
        self._healed = asyncio.Event()

    async def start(self) -> None:
        """Listens on a port of its own."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends everything."""
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def count(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def reset(self) -> int:
        """Resets every connection; returns how many there were."""
        count = len(self._connections)
        for writer in list(self._sockets):
            _reset(writer)
        return count

    def half_open(self) -> int:
        """Swallows everything from now on; returns on how many connections."""
        self.is_half_open = True
        self._healed.clear()
        return len(self._connections)

    def open(self) -> None:
        """Is not half open any more. What was swallowed is lost, and its connections with it."""
        if self.is_half_open:
            self.is_half_open = False
            self._healed.set()
            self.reset()

    def heal(self) -> None:
        """Does everything right again."""
        self.delay, self.bandwidth, self.cuts_commit = 0.0, 0, 0
        self.open()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._sockets.add(writer)
        inner: asyncio.StreamWriter | None = None
        try:
            there, inner = await asyncio.open_connection("127.0.0.1", self.target)
            self._sockets.add(inner)
            change = self._answers() if self._answers is not None else None
            pumps = [
                asyncio.create_task(self._pump(reader, inner, None)),
                asyncio.create_task(self._pump(there, writer, change, answers=True)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):  # cancelled by `stop`, which waits for it
            pass
        finally:
            for one in (writer, inner):
                if one is not None:
                    self._sockets.discard(one)
                    _reset(one)
            self._connections.discard(task)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        change: Change | None,
        *,
        answers: bool = False,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_SLOW_CHUNK if self.bandwidth else _CHUNK):
                if self.is_half_open:
                    self.swallowed += len(data)
                    await self._healed.wait()
                    return
                if answers and self.cuts_commit and COMMITTED in data:
                    self.cuts_commit -= 1
                    self.cuts += 1
                    return
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.bandwidth:
                    await asyncio.sleep(len(data) / self.bandwidth)
                writer.write(change(data) if change is not None else data)
                await writer.drain()


class Twice:
    """Delivers each message of a NATS server twice while `on`."""

    def __init__(self) -> None:
        self.on = False
        self.count = 0

    def __call__(self) -> Change:
        """What changes the bytes of one connection."""
        rest = b""

        def change(data: bytes) -> bytes:
            nonlocal rest
            rest += data
            out = b""
            while (end := rest.find(b"\r\n")) >= 0:
                line = rest[: end + 2]
                size = int(line.split()[-1]) + 2 if line.startswith((b"MSG ", b"HMSG ")) else 0
                if len(rest) < len(line) + size:
                    break
                frame, rest = rest[: len(line) + size], rest[len(line) + size :]
                out += frame
                if size and self.on:
                    out += frame
                    self.count += 1
            return out

        return change


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes a connection with RST, as a crash of the network would."""
    with contextlib.suppress(OSError):
        raw = writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
