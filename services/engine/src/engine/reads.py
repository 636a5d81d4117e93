"""Reads that happen all the time: those that come together share a round trip, on a connection of their own."""

import asyncio
from collections.abc import Sequence
from typing import Final

import psycopg

from chassis.errors import ServiceError
from engine.link import Link, away
from engine.store import hot

_PATIENCE: Final = 5.0
"""How long PostgreSQL may be away, in seconds."""

_Asked = tuple[Sequence[hot.Command], "asyncio.Future[list[hot.Rows]]"]


class Reads:
    """Runs commands that change nothing and answer little."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: list[_Asked] = []
        self._task: asyncio.Task[None] | None = None

    async def run(self, *commands: hot.Command) -> list[hot.Rows]:
        """The rows of each. Raises Unavailable when PostgreSQL is away, and psycopg's errors."""
        answer: asyncio.Future[list[hot.Rows]] = asyncio.get_running_loop().create_future()
        self._waiting.append((commands, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await answer

    async def close(self) -> None:
        """Disconnects."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._link.close()

    async def _drain(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, []
            try:
                await self._answer(asked)
            except (psycopg.Error, ServiceError):
                for one in asked:  # each alone, so that one that cannot be answered fails no other
                    await self._answer_or_fail(one)

    async def _answer_or_fail(self, asked: _Asked) -> None:
        try:
            await self._answer([asked])
        except (psycopg.Error, ServiceError) as error:
            if not asked[1].done():
                asked[1].set_exception(error)

    async def _answer(self, asked: Sequence[_Asked]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._link.get()
        except TimeoutError:
            raise away() from None
        rows = await self._link.run([command for commands, _ in asked for command in commands])
        for commands, answer in asked:
            own, rows = rows[: len(commands)], rows[len(commands) :]
            if not answer.done():
                answer.set_result(own)
