"""What is refused, with every kind of component that runs Python: all in one attempt, which goes on to succeed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.worker.hostile.attacks import ATTACKS, Attack
from tests.worker.hostile.conftest import Open
from tests.worker.hostile.kinds import KINDS, Kind, every_attack
from tests.worker.support.cells import run_all

_found: dict[str, dict[str, Any]] = {}
"""What the attacks came to, by the name of the kind."""


async def _tried(kind: Kind, benches: Open, given: dict[str, Any]) -> dict[str, Any]:
    if kind.name not in _found:
        _found[kind.name] = {}
        bench = await benches(kind)
        code, config = kind.component(every_attack(given))
        _found[kind.name] = kind.answer(await run_all(bench, code, config))
    return _found[kind.name]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_an_attack_comes_to_nothing(
    attack: Attack, kind: Kind, benches: Open, given: dict[str, Any]
) -> None:
    found = await _tried(kind, benches, given)

    assert found.get(attack.name) in attack.allowed


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_after_all_of_them_nothing_outside_has_changed(
    kind: Kind, benches: Open, given: dict[str, Any]
) -> None:
    await _tried(kind, benches, given)

    assert await asyncio.to_thread(_changed, given) == []


def _changed(given: dict[str, Any]) -> list[str]:
    """What is not as it was outside of the cells."""
    found = [path for path in given["outside"] if Path(path).exists()]
    return found + [path for path in (given["secret"],) if Path(path).read_text() != "mcp_canary"]
