"""Calls that ask the same share an answer: at the same time, or for as long as an answer is good."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_MOST: Final = 4096
"""How many answers are remembered."""


class Shared(Generic[K, V]):
    """Asks once for all who come while the same question is on its way.

    They are not given that one's answer, which may be about what was before they came, but the next one's.
    """

    def __init__(self) -> None:
        self._asking: dict[K, asyncio.Task[V]] = {}
        self._next: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer of `ask`, or of somebody else's with the same key that is sent from now on.

        When somebody else's fails, one of its own is asked: it may have been their deadline.
        """
        task = self._next.get(key)
        is_mine = task is None
        if task is None:
            task = asyncio.create_task(self._ask(key, self._asking.get(key), ask))
            (self._next if key in self._asking else self._asking)[key] = task
        try:
            return await asyncio.shield(task)
        except Exception:
            if is_mine:
                raise
        return await ask()

    async def _ask(self, key: K, before: "asyncio.Task[V] | None", ask: Callable[[], Awaitable[V]]) -> V:
        if before is not None:
            await asyncio.wait({before})
            self._asking[key] = self._next.pop(key)
        try:
            return await ask()
        finally:
            if key not in self._next:
                del self._asking[key]


class Remembered(Generic[K, V]):
    """Asks once for all who come within some seconds, and as `Shared` does for those who come at the same time."""

    def __init__(self, seconds: float, keeps: Callable[[V], bool] = lambda _: True) -> None:
        """An answer is good for so many `seconds` from its question on, if it is one that is to be kept at all."""
        self._seconds = seconds
        self._keeps = keeps
        self._known: dict[K, tuple[float, V]] = {}
        self._asking: Shared[K, V] = Shared()

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        """The answer of `ask`, or a good one of somebody else's with the same key."""
        known = self._known.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        until = time.monotonic() + self._seconds
        answer = await self._asking.get(key, ask)
        if self._keeps(answer):
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = (until, answer)
        return answer
