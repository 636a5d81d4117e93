"""Which cell serves which attempt: cells wait ready, are bound on first use, and the least used go first."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Final

from worker import metrics
from worker.cells.bubblewrap import Sandbox
from worker.cells.cell import Cell, CellError
from worker.cells.cgroup import Cgroup
from worker.cells.profile import DENO, PYTHON, Profile

log = logging.getLogger(__name__)

_IDLE_SECONDS: Final = 300.0
_RETRY_SECONDS: Final = 1.0
_MOST_PROFILES: Final = 4
"""For how many profiles, beside the plain ones, a spare cell waits: those that were asked for last."""
_PLAIN: Final = frozenset({PYTHON, DENO})


class Cells:
    """The worker's cells."""

    def __init__(
        self, sandbox: Sandbox, *, spare: int, idle_limit: int, cgroups: Cgroup | None = None
    ) -> None:
        """`spare` plain Python cells wait ready; at most `idle_limit` bound ones wait for their next attempt."""
        self._sandbox = sandbox
        self.limits = sandbox.limits
        self.level = sandbox.level
        self._cgroups = cgroups
        self._spare: dict[Profile, int] = {PYTHON: spare}
        self._generic: dict[Profile, list[Cell]] = {}
        self._ahead: dict[Profile, tuple[str, ...]] = {}
        """What the last attempt of a profile imported from its packages, and ended well: spare cells do so ahead."""
        self._idle_limit = idle_limit
        self._idle: list[Cell] = []
        self._busy: set[Cell] = set()
        self._wanted = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._leaving: set[Cell] = set()

    async def start(self) -> None:
        """Starts the spare cells. Raises CellError when the first cannot be started."""
        self._generic[PYTHON] = [await self._new(PYTHON)]
        self._keeper = asyncio.create_task(self._keep())

    def expect(self, profile: Profile) -> None:
        """Says that attempts of this profile will come: one spare cell of it is kept from now on."""
        if profile not in self._spare:
            self._wanted.set()
        if profile not in _PLAIN or profile not in self._spare:
            self._spare[profile] = self._spare.pop(profile, 1)
        others = [one for one in self._spare if one not in _PLAIN]
        for one in others[:-_MOST_PROFILES]:
            del self._spare[one]
            self._ahead.pop(one, None)
            for cell in self._generic.pop(one, ()):
                self._close(cell)

    def spares(self, profile: Profile) -> int:
        """How many unbound cells of this profile wait ready."""
        return sum(1 for cell in self._generic.get(profile, ()) if cell.waiting)

    def packages(self) -> set[str]:
        """The digests of the packages that cells see."""
        kept = [*self._spare, *(cell.profile for cell in (*self._idle, *self._busy, *self._leaving))]
        kept += [cell.profile for cells in self._generic.values() for cell in cells]
        return {profile.environment.digest for profile in kept}

    async def take(self, profile: Profile, version_id: str, user_id: str, ahead: Sequence[str] = ()) -> Cell:
        """A free cell for this version and user; it serves nobody else. Give it back. Raises CellError.

        `ahead` are the modules of its packages that the version imports first: a process that waits has done so.
        """
        key = (version_id, user_id)
        self.expect(profile)
        cell = self._choose(profile, key)
        metrics.CELLS_TAKEN.labels("cold" if cell is None else "ready").inc()
        if cell is None:
            cell = await self._new(profile)
        cell.bound_to = key
        cell.import_ahead(ahead)
        self._busy.add(cell)
        return cell

    def _choose(self, profile: Profile, key: tuple[str, str]) -> Cell | None:
        self._idle = [cell for cell in self._idle if cell.alive]
        bound = [cell for cell in self._idle if cell.bound_to == key and cell.profile == profile]
        waiting = [cell for cell in bound if cell.waiting]
        serving = sum(1 for cell in self._busy if cell.bound_to == key)
        if waiting or (bound and len(bound) + serving >= 2):
            # A second cell of the same version lets one prepare its next process while the other works.
            cell = (waiting or bound)[0]  # without one that waits, the one that ended first is nearest to it
            self._idle.remove(cell)
            return cell
        spares = self._generic.get(profile, [])
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
        if not cell.alive:
            self._ahead.pop(cell.profile, None)  # whatever was imported may be why
        else:
            if cell.ahead and cell.profile.kind == "python":
                self._ahead[cell.profile] = cell.ahead
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
        self._leaving.add(cell)
        task = asyncio.create_task(cell.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        task.add_done_callback(lambda _: self._leaving.discard(cell))

    async def _new(self, profile: Profile) -> Cell:
        with metrics.CELL_START.labels(profile.program or profile.kind).time():
            return await Cell.start(self._sandbox, profile, self._cgroups, self._ahead.get(profile, ()))

    async def _keep(self) -> None:
        """Replaces used spare cells, and lets idle ones go."""
        while True:
            try:
                for profile in list(self._spare):
                    await self._fill(profile)
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

    async def _fill(self, profile: Profile) -> None:
        """Starts spare cells of the profile until there are as many as are kept of it."""
        before = self._generic.get(profile, [])
        cells = self._generic[profile] = [cell for cell in before if cell.alive]
        if len(cells) < len(before):
            self._ahead.pop(profile, None)
        while len(cells) < self._spare.get(profile, 0):
            cell = await self._new(profile)
            if profile not in self._spare:  # nobody asks for it any more
                self._close(cell)
                return
            cells.append(cell)

    async def close(self) -> None:
        """Kills every cell; returns when no process of them is left."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        cells = [*self._idle, *self._busy, *(cell for spares in self._generic.values() for cell in spares)]
        await asyncio.gather(*(cell.close() for cell in cells), *self._closing)
        self._idle.clear()
        self._busy.clear()
        self._generic.clear()
