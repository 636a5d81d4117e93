"""Which access tokens no longer count although they have not run out: their session is over, their role holds less."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from chassis.context import Caller

log = logging.getLogger(__name__)

FRESH: Final = 2.0
"""Seconds after which what is known is asked for again, beside the calls."""
STALE: Final = 4.0
"""Seconds after which calls wait for the answer: the end of a session works everywhere within five."""
_PATIENCE: Final = 2.0
"""Seconds an attempt may take: an identity that hangs must hold up nobody for longer."""
_PAUSE: Final = 1.0
"""Seconds between two attempts while identity is away."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """What identity says."""

    sessions: frozenset[str] = frozenset()
    narrowed: Mapping[str, float] = field(default_factory=dict)
    """The roles that hold less since a moment, in Unix seconds."""


def is_outdated(caller: Caller, narrowed: Mapping[str, float]) -> bool:
    """Whether the caller's token says of a role what may not be true since.

    Tokens know whole seconds: one that was issued in the second of the change counts as from before it.
    """
    issued = caller.claims.get("iat", 0)
    return any(issued <= narrowed[role] for role in caller.roles if role in narrowed)


class Revocations:
    """What identity says of ended sessions and narrowed roles, asked for when somebody shows a token and it is time.

    A service that nobody calls asks nothing. While identity is away what is known goes on being used, and no call
    waits: nobody can end a session then, and tokens run out by themselves within minutes.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Revoked]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch` asks identity; `clock` tells seconds."""
        self._fetch = fetch
        self._clock = clock
        self._known = Revoked()
        self._known_at = -STALE
        self._is_away = False
        self._not_before = -STALE
        self._asking: asyncio.Task[None] | None = None

    async def why(self, caller: Caller) -> str:
        """Why the caller's token does not count, as identity said less than five seconds ago where it answers; or
        nothing.
        """
        now = self._clock()
        age = now - self._known_at
        if age > FRESH and now >= self._not_before and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask())
        if age > STALE and not self._is_away and self._asking is not None:
            await asyncio.shield(self._asking)
        if caller.session_id in self._known.sessions:
            return "the session of the access token is over"
        if is_outdated(caller, self._known.narrowed):
            return "the role of the access token holds less by now; refresh it"
        return ""

    async def _ask(self) -> None:
        asked_at = self._clock()
        try:
            async with asyncio.timeout(_PATIENCE):
                self._known = await self._fetch()
        except Exception as error:  # whatever it is, tokens still run out by themselves
            if not self._is_away:
                log.warning("ended sessions cannot be asked for", extra={"error": str(error)})
            self._is_away, self._not_before = True, self._clock() + _PAUSE
            return
        self._known_at, self._is_away = asked_at, False
