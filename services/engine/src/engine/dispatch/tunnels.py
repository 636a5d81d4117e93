"""Tunnels to apps: what a browser and an app say to each other, between the gateway's stream and the worker's.

Both streams end here, at the replica that has the worker. Little waits in memory: a side that does not read holds up
the other.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from chassis.errors import Exhausted, Unavailable
from engine.dispatch.sessions import Sessions
from engine.domain import Ref
from engine.wire import work

MOST: Final = 2000
"""How many connections to apps one replica carries at once."""
_MOST_WAITING: Final = 8
_PATIENCE: Final = 15.0
"""Seconds a worker has to connect to an app."""


class Pipe:
    """Bytes on their way in one direction; at most some chunks wait."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._ended = False
        self._bell = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, chunk: bytes) -> None:
        """Adds a chunk once there is room; after the end it is dropped."""
        while len(self._waiting) >= _MOST_WAITING and not self._ended:
            self._room.clear()
            await self._room.wait()
        if not self._ended:
            self._waiting.append(chunk)
            self._bell.set()

    def end(self) -> None:
        """Nothing comes any more; what waits is still read."""
        self._ended = True
        self._bell.set()
        self._room.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._waiting or not self._ended:
            if self._waiting:
                self._room.set()
                yield self._waiting.popleft()
                continue
            self._bell.clear()
            await self._bell.wait()


class Tunnel:
    """One connection to an app."""

    def __init__(self, ref: Ref) -> None:
        self.ref = ref
        self.token = secrets.token_urlsafe(32)
        self.to_app = Pipe()
        self.from_app = Pipe()
        self._answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def answer(self, refused: str) -> None:
        """The worker says that the connection stands, or why there is none."""
        if not self._answer.done():
            self._answer.set_result(refused)

    async def stands(self) -> None:
        """Returns when the connection stands. Raises Unavailable APP_NOT_ANSWERING."""
        try:
            async with asyncio.timeout(_PATIENCE):
                refused = await self._answer
        except TimeoutError:
            refused = "its worker did not connect to it in time"
        if refused:
            raise Unavailable(
                "APP_NOT_ANSWERING", f"the app of step '{self.ref.step_id}' does not answer: {refused}"
            )

    def close(self) -> None:
        """Ends both directions; what is on its way still arrives."""
        self.answer("the connection was closed")
        self.to_app.end()
        self.from_app.end()


class Tunnels:
    """Every tunnel of this process."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._asked: dict[str, Tunnel] = {}
        self._open = 0

    @asynccontextmanager
    async def open(self, ref: Ref, worker_id: str) -> AsyncIterator[Tunnel]:
        """A connection to the app that the attempt runs, while it is used. Raises Unavailable APP_ELSEWHERE when the
        worker's stream is not here, APP_NOT_ANSWERING; Exhausted TOO_MANY_REQUESTS.
        """
        session = self._sessions.get(worker_id)
        if session is None or session.closed:
            raise elsewhere()
        if self._open >= MOST:
            raise Exhausted(
                "TOO_MANY_REQUESTS",
                f"{MOST} connections to apps are open here; try again when some have closed",
                retry_after=5,
                quota={"connections": f"{MOST} at once"},
            )
        tunnel = Tunnel(ref)
        self._open += 1
        self._asked[tunnel.token] = tunnel
        try:
            session.send(work.open_tunnel(ref, tunnel.token))
            await tunnel.stands()
            yield tunnel
        finally:
            self._open -= 1
            self._asked.pop(tunnel.token, None)
            tunnel.close()

    def take(self, token: str) -> Tunnel:
        """The tunnel that a worker was asked for, once. Raises Unavailable APP_ELSEWHERE."""
        tunnel = self._asked.pop(token, None)
        if tunnel is None:
            raise elsewhere()
        return tunnel


def elsewhere() -> Unavailable:
    """Another replica may have what is asked for."""
    return Unavailable(
        "APP_ELSEWHERE",
        "the worker that runs the app is not connected to this replica of the engine; ask the next",
    )
