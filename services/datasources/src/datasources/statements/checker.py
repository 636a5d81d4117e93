"""Checking statements without holding up everybody else: short ones are checked here, long ones in a process.

A thread would hold the interpreter's lock for half of the time, and the syntax tree takes 200 MB for the longest.
"""

import asyncio
import json
import sys
from functools import lru_cache
from typing import Final

from chassis.errors import Exhausted, Invalid
from datasources.statements.checking import LongError, Statement, check

_SHORT: Final = 4096
"""How many characters are looked at here at all."""
_STEPS: Final = 6000
"""How many steps are taken here: at most 60 ms, and enough for a thousand tokens."""
_SECONDS: Final = 60.0
_WAITING: Final = 16
"""How many long statements may wait for their turn; more are refused."""
_known: Final = lru_cache(maxsize=512)(check)


class Checker:
    """Checks statements; long ones (they take seconds) one at a time."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        """`seconds` is how long one statement may take."""
        self._seconds = seconds
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def check(self, source: str) -> Statement:
        """The statement, when it is one read-only query.

        Raises Invalid STATEMENT_REFUSED and Exhausted TOO_MANY_REQUESTS.
        """
        if len(source) <= _SHORT:
            try:
                return _known(source, _STEPS)
            except LongError:
                pass
        if self._waiting >= _WAITING:
            raise Exhausted(
                "TOO_MANY_REQUESTS", "too many long statements are being checked; try again", retry_after=5
            )
        self._waiting += 1
        try:
            async with self._turn:
                return await self._elsewhere(source)
        finally:
            self._waiting -= 1

    async def _elsewhere(self, source: str) -> Statement:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "datasources.statements"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )
        try:
            async with asyncio.timeout(self._seconds):
                output, _ = await process.communicate(source.encode())
        except TimeoutError:
            raise _too_long() from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise _too_long()
        answer = json.loads(output)
        if "refused" in answer:
            raise Invalid("STATEMENT_REFUSED", answer["refused"], metadata=answer["metadata"])
        shifts = tuple((here, there) for here, there in answer["shifts"])
        return Statement(source, answer["text"], answer["positional"], tuple(answer["named"]), shifts)


def _too_long() -> Invalid:
    return Invalid("STATEMENT_REFUSED", "reading the statement takes too much; make it shorter")
