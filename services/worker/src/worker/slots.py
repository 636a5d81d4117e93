"""Which cell serves which attempt: cells wait ready, are bound on first use, and the least used go first."""

import asyncio
import logging
import time
from typing import Final

from worker import metrics
from worker.cells.bubblewrap import BARE, Environment, Sandbox
from worker.cells.cell import Cell, CellError
from worker.cells.cgroup import Cgroup

log = logging.getLogger(__name__)

_IDLE_SECONDS: Final = 300.0
_RETRY_SECONDS: Final = 1.0


class Cells:
    """The worker's cells."""

    def __init__(
        self, sandbox: Sandbox, *, spare: int, idle_limit: int, cgroups: Cgroup | None = None
    ) -> None:
        """`spare` generic Python cells wait ready; at most `idle_limit` bound ones wait for their next attempt."""
        self._sandbox = sandbox
        self._cgroups = cgroups
        self._spare = {"python": spare}
        self._idle_limit = idle_limit
        self._generic: dict[str, list[Cell]] = {"python": [], "deno": []}
        self._idle: list[Cell] = []
        self._busy: set[Cell] = set()
        self._wanted = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Starts the spare cells. Raises CellError when the first cannot be started."""
        self._generic["python"].append(await self._new("python", BARE))
        self._keeper = asyncio.create_task(self._keep())

    def expect(self, kind: str) -> None:
        """Says that attempts of this kind will come: one spare cell of it is kept from now on."""
        if kind not in self._spare:
            self._spare[kind] = 1
            self._wanted.set()

    def spares(self, kind: str) -> int:
        """How many generic cells of this kind wait ready."""
        return sum(1 for cell in self._generic[kind] if cell.waiting)

    async def take(self, kind: str, environment: Environment, version_id: str, user_id: str) -> Cell:
        """A free cell for this version and user; it serves nobody else. Give it back. Raises CellError."""
        key = (version_id, user_id)
        self.expect(kind)
        cell = self._choose(kind, environment, key)
        metrics.CELLS_TAKEN.labels("cold" if cell is None else "ready").inc()
        if cell is None:
            cell = await self._new(kind, environment)
        cell.bound_to = key
        self._busy.add(cell)
        return cell

    def _choose(self, kind: str, environment: Environment, key: tuple[str, str]) -> Cell | None:
        self._idle = [cell for cell in self._idle if cell.alive]
        bound = [cell for cell in self._idle if cell.bound_to == key and cell.environment == environment]
        waiting = [cell for cell in bound if cell.waiting]
        serving = sum(1 for cell in self._busy if cell.bound_to == key)
        if waiting or (bound and len(bound) + serving >= 2):
            # A second cell of the same version lets one prepare its next process while the other works.
            cell = (waiting or bound)[0]  # without one that waits, the one that ended first is nearest to it
            self._idle.remove(cell)
            return cell
        spares = self._generic[kind] if environment == BARE else []
        while spares:
            cell = spares.pop(0)
            self._wanted.set()
            if cell.alive:
                return cell
        if bound:
            self._idle.remove(bound[-1])
            return bound[-1]
        return None

    def give_back(self, cell: Cell) -> None:
        """Returns a cell after its attempt; a dead one is forgotten."""
        self._busy.discard(cell)
        if cell.alive:
            self._idle.append(cell)
            self._trim()

    def _trim(self) -> None:
        """Closes idle cells beyond the limit, and those long idle."""
        now = time.monotonic()
        self._idle.sort(key=lambda cell: cell.last_used)
        while self._idle and (
            len(self._idle) > self._idle_limit or now - self._idle[0].last_used > _IDLE_SECONDS
        ):
            self._close(self._idle.pop(0))

    def _close(self, cell: Cell) -> None:
        task = asyncio.create_task(cell.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _new(self, kind: str, environment: Environment) -> Cell:
        with metrics.CELL_START.labels(kind).time():
            return await Cell.start(kind, self._sandbox, environment, self._cgroups)

    async def _keep(self) -> None:
        """Replaces used spare cells, and lets idle ones go."""
        while True:
            try:
                for kind, count in list(self._spare.items()):
                    cells = self._generic[kind] = [cell for cell in self._generic[kind] if cell.alive]
                    while len(cells) < count:
                        cells.append(await self._new(kind, BARE))
            except CellError as error:
                log.error("a spare cell could not be started", extra={"error": str(error)})
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._wanted.clear()
            try:
                async with asyncio.timeout(30.0):
                    await self._wanted.wait()
            except TimeoutError:
                self._trim()

    async def close(self) -> None:
        """Kills every cell; returns when no process of them is left."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        cells = [*self._idle, *self._busy, *(cell for spares in self._generic.values() for cell in spares)]
        await asyncio.gather(*(cell.close() for cell in cells), *self._closing)
        self._idle.clear()
        self._busy.clear()
        for spares in self._generic.values():
            spares.clear()
