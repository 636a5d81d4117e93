"""Which cell serves whom."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.worker.support.cells import Remembering, job
from worker import steplib
from worker.cells.bubblewrap import Sandbox
from worker.cells.cell import Cell
from worker.cells.profile import DENO, PYTHON, Environment, Profile
from worker.slots import Cells

CODE = "def main():\n    return 1"


@pytest.fixture
async def cells(box: Sandbox) -> AsyncIterator[Cells]:
    """Cells with one spare, two idle at most."""
    one = Cells(box, spare=1, idle_limit=2)
    await one.start()
    yield one
    await one.close()


async def _serve(cells: Cells, version: str, user: str, code: str = CODE) -> Cell:
    cell = await cells.take(PYTHON, version, user)
    await cell.run(job(code), Remembering())
    cells.give_back(cell)
    return cell


async def test_a_cell_serves_the_same_version_and_user_again_and_nobody_else(cells: Cells) -> None:
    first = await _serve(cells, "v1", "u1")

    other_user = await _serve(cells, "v1", "u2")
    other_version = await _serve(cells, "v2", "u1")
    again = await _serve(cells, "v2", "u1")

    assert len({first, other_user, other_version}) == 3
    assert other_version.bound_to == ("v2", "u1") == again.bound_to


async def test_two_attempts_at_once_never_share_a_cell(cells: Cells) -> None:
    taken = [await cells.take(PYTHON, "v1", "u1") for _ in range(3)]

    assert len(set(taken)) == 3


async def test_a_failed_attempts_cell_is_not_used_again(cells: Cells) -> None:
    failed = await _serve(cells, "v1", "u1", "raise ValueError")

    after = await _serve(cells, "v1", "u1")

    assert not failed.alive
    assert after is not failed


async def test_the_least_used_idle_cells_go_first(cells: Cells) -> None:
    served = [await _serve(cells, f"v{number}", "u1") for number in range(4)]

    async with asyncio.timeout(5):
        while sum(cell.alive for cell in served) > 2:
            await asyncio.sleep(0.01)

    assert [cell.alive for cell in served] == [False, False, True, True]


async def test_a_spare_cell_is_replaced_once_it_is_used(cells: Cells) -> None:
    await _serve(cells, "v1", "u1")

    async with asyncio.timeout(5):
        while not cells.spares(PYTHON):
            await asyncio.sleep(0.01)

    assert cells.spares(PYTHON) == 1


async def test_typescript_cells_are_kept_ready_only_where_typescript_is_used(cells: Cells) -> None:
    assert cells.spares(DENO) == 0

    cells.expect(DENO)
    async with asyncio.timeout(5):
        while not cells.spares(DENO):
            await asyncio.sleep(0.01)

    assert cells.spares(DENO) == 1


async def test_spare_cells_are_kept_for_the_environments_used_last(cells: Cells) -> None:
    site = Path(steplib.__file__).parent
    profiles = [Profile(environment=Environment(str(number), site)) for number in range(5)]

    for profile in profiles:
        cells.expect(profile)
    async with asyncio.timeout(20):
        while not all(cells.spares(profile) for profile in profiles[1:]):
            await asyncio.sleep(0.01)

    assert [cells.spares(profile) for profile in profiles] == [0, 1, 1, 1, 1]


IMPORTING = """
import sys
was = "greeting" in sys.modules
import greeting
def main():
    return was
"""


async def _was_imported(cells: Cells, profile: Profile, user: str, code: str = IMPORTING) -> bool | None:
    cell = await cells.take(profile, "v1", user, ("greeting",))
    outcome = await cell.run(job(code), Remembering())
    cells.give_back(cell)
    return None if outcome.output_json is None else outcome.output_json == b"true"


async def test_spare_cells_import_ahead_what_the_last_attempt_did_if_it_ended_well(
    cells: Cells, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir(mode=0o755)
    (tmp_path / "site" / "greeting.py").write_text("")
    profile = Profile(environment=Environment("greeting", tmp_path / "site"))

    failed = await _was_imported(cells, profile, "u0", "raise ValueError")
    first = await _was_imported(cells, profile, "u1")
    for number in range(20):
        while not cells.spares(profile):
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.05)
        other_user = await _was_imported(cells, profile, f"other {number}")
        if other_user:
            break

    assert failed is None
    assert first is False
    assert other_user is True
    assert cells.packages() == {"", "greeting"}
