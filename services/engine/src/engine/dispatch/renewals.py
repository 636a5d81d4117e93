"""The loop that renews workers' leases: on a connection of its own, so that a sign of life never waits for work."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from chassis.signals import Signal
from engine import failpoints
from engine.domain import Ref
from engine.link import Link
from engine.store import hot, leases

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Renewal:
    """A worker's sign of life; `gone` is told which of the attempts are not its own any more."""

    worker_id: str
    refs: Sequence[Ref]
    draining: bool
    gone: Callable[[list[Ref]], None]


class Renewals:
    """Renews leases as signs of life come; of each worker the newest counts."""

    def __init__(self, link: Link, lease: timedelta) -> None:
        self._link = link
        self._lease = lease
        self._waiting: dict[str, Renewal] = {}
        self._bell = Signal()

    def renew(self, renewal: Renewal) -> None:
        """Has the leases of a worker renewed."""
        self._waiting[renewal.worker_id] = renewal
        self._bell.set()

    async def run(self) -> None:
        """Renews for ever."""
        while True:
            await self._bell.wait()
            while self._waiting:
                await self._round()

    async def close(self) -> None:
        """Disconnects."""
        await self._link.close()

    async def _round(self) -> None:
        taken, self._waiting = self._waiting, {}
        try:
            gone = await self._record(list(taken.values()))
        except psycopg.Error as error:
            log.warning("leases could not be renewed", extra={"error": type(error).__name__})
            self._waiting = taken | self._waiting
            await self._link.rollback()
            await asyncio.sleep(0.05)
            return
        for one, refs in zip(taken.values(), gone, strict=True):
            one.gone(refs)

    async def _record(self, renewals: Sequence[Renewal]) -> list[list[Ref]]:
        """Renews; of each worker the attempts that are not its own any more."""
        commands: list[hot.Command] = []
        for one in renewals:
            commands.append(leases.seen_sql(one.worker_id, draining=one.draining))
            commands.append(leases.renew_sql(one.worker_id, one.refs, self._lease))
            commands.append(leases.gone_sql(one.worker_id, one.refs))
        failpoints.reach("renew.before")
        answers = await self._link.run(commands)
        failpoints.reach("renew.after")
        return [leases.to_refs(rows) for rows in answers[2::3]]
