"""Checking statements without holding up everybody else: short ones are remembered, long ones go to a thread."""

import asyncio
from functools import lru_cache
from typing import Final

from datasources.statements.checking import Statement, check

_SHORT: Final = 8192
_known: Final = lru_cache(maxsize=512)(check)


class Checker:
    """Checks statements; long ones (they take seconds) one at a time."""

    def __init__(self) -> None:
        self._long = asyncio.Semaphore(1)

    async def check(self, source: str) -> Statement:
        """The statement, when it is one read-only query. Raises Invalid STATEMENT_REFUSED."""
        if len(source) <= _SHORT:
            return _known(source)
        async with self._long:
            return await asyncio.to_thread(check, source)
