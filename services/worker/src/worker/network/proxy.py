"""The proxy of one attempt: it takes connections from the attempt's cell, and ends with the attempt."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Final

from worker.network import exchange
from worker.network.reach import Reach, RefusedError

MOST_CONNECTIONS: Final = 64
"""At once, of one attempt."""
_MOST_LINES: Final = 20
"""Of refusals in a step's log, one for each message."""
_BUFFER: Final = 64 * 1024


class Proxy:
    """Serves an attempt on its cell's listening socket until `close`.

    `say` takes one line for every refusal, once each.
    """

    def __init__(self, listener: socket.socket, reach: Reach, say: Callable[[str], None]) -> None:
        self._listener = listener.dup()
        self._listener.setblocking(False)
        self._reach = reach
        self._say = say
        self._said: set[str] = set()
        self._open: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept())

    async def close(self) -> None:
        """Ends every connection, those too that nobody has taken yet: the cell's next attempt finds none."""
        tasks = [self._accepting, *self._open]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(OSError):
            while True:
                self._listener.accept()[0].close()
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listener)
            except OSError:  # it was reset before it was taken, or the worker has no descriptor left for now
                await asyncio.sleep(0.05)
                continue
            task = asyncio.create_task(self._serve(connection))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _serve(self, connection: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=connection, limit=_BUFFER)
        except OSError:
            connection.close()
            return
        writer.transport.set_write_buffer_limits(0)  # `drain` then waits until the kernel has it all
        try:
            if len(self._open) > MOST_CONNECTIONS:
                raise RefusedError(
                    503,
                    f"the step has {MOST_CONNECTIONS} connections open, the most there may be; close some",
                    is_policy=True,
                )
            await exchange.serve(reader, writer, self._reach)
        except RefusedError as refusal:
            if refusal.is_policy:
                self._tell(str(refusal))
            await exchange.refuse(reader, writer, refusal)
        except (OSError, TimeoutError, exchange.BrokenError):
            pass  # either side is gone, and the other is told by the end of its connection
        finally:
            writer.transport.abort()

    def _tell(self, message: str) -> None:
        if message not in self._said and len(self._said) < _MOST_LINES:
            self._said.add(message)
            self._say(f"network: {message}")
