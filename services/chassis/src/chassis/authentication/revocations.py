"""Which login sessions are over although their access tokens have not run out."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

log = logging.getLogger(__name__)

FRESH: Final = 2.0
"""Seconds after which what is known is asked for again, beside the calls."""
STALE: Final = 4.0
"""Seconds after which calls wait for the answer: the end of a session works everywhere within five."""
_PATIENCE: Final = 2.0
"""Seconds an attempt may take: an identity that hangs must hold up nobody for longer."""
_PAUSE: Final = 1.0
"""Seconds between two attempts while identity is away."""


class Revocations:
    """What identity says of ended sessions, asked for when somebody shows a token and it is time.

    A service that nobody calls asks nothing. While identity is away what is known goes on being used, and no call
    waits: nobody can end a session then, and tokens run out by themselves within minutes.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Collection[str]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch` returns the ids of the ended sessions; `clock` tells seconds."""
        self._fetch = fetch
        self._clock = clock
        self._ended: frozenset[str] = frozenset()
        self._known_at = -STALE
        self._is_away = False
        self._not_before = -STALE
        self._asking: asyncio.Task[None] | None = None

    async def has(self, session_id: str) -> bool:
        """Whether the session is over, as identity said less than five seconds ago where it answers."""
        now = self._clock()
        age = now - self._known_at
        if age > FRESH and now >= self._not_before and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask())
        if age > STALE and not self._is_away and self._asking is not None:
            await asyncio.shield(self._asking)
        return session_id in self._ended

    async def _ask(self) -> None:
        asked_at = self._clock()
        try:
            async with asyncio.timeout(_PATIENCE):
                self._ended = frozenset(await self._fetch())
        except Exception as error:  # whatever it is, tokens still run out by themselves
            if not self._is_away:
                log.warning("ended sessions cannot be asked for", extra={"error": str(error)})
            self._is_away, self._not_before = True, self._clock() + _PAUSE
            return
        self._known_at, self._is_away = asked_at, False
