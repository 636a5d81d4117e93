"""What a watcher may see, asked again as long as it watches: what is taken back from it, it sees no longer."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from chassis.errors import ServiceError
from engine.store.runs import Reader

PAUSE: Final = 0.5
"""Seconds between two looks. What is shared is known for four, so what is taken back is gone within five."""
_AWAY: Final = 4.0
"""Seconds until the next look when the registry did not answer: meanwhile nobody takes anything back."""


class Sight:
    """The reader that a watcher is, by now."""

    def __init__(self, reader: Reader, ask: Callable[[], Awaitable[Reader]] | None = None) -> None:
        """`reader` is who began to watch; `ask` tells who that is now, without it nothing changes. It may raise
        ServiceError when that cannot be told.
        """
        self.reader = reader
        self._ask = ask
        self._next = time.monotonic() + PAUSE

    async def moved(self) -> bool:
        """Whether the watcher sees something else than at the last look. Asked before each message, it seldom looks."""
        if self._ask is None or time.monotonic() < self._next:
            return False
        try:
            found = await self._ask()
        except ServiceError:
            self._next = time.monotonic() + _AWAY
            return False
        self._next = time.monotonic() + PAUSE
        before, self.reader = self.reader, found
        return found != before
