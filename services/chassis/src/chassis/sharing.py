"""Calls that ask the same at the same time share an answer, and none gets one that is older than its question."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


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
