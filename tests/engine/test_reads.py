"""Reads that come together."""

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from engine.link import Link
from engine.reads import Reads
from engine.store import hot
from tests.engine.conftest import Engines


def number(value: int) -> hot.Command:
    return "SELECT %s::int", (value,)


@pytest.fixture
async def link(engines: Engines) -> Any:
    one = Link(engines.url, "test")
    yield one
    await one.close()


async def test_reads_that_come_together_share_a_round_trip(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    run = link.run

    async def counted(commands: Sequence[hot.Command]) -> list[hot.Rows]:
        sizes.append(len(commands))
        return await run(commands)

    monkeypatch.setattr(link, "run", counted)
    reads = Reads(link)

    answers = await asyncio.gather(*(reads.run(number(n), number(-n)) for n in range(10)))

    assert answers == [[[(n,)], [(-n,)]] for n in range(10)]
    assert len(sizes) < 10


async def test_a_read_that_fails_fails_no_other(link: Link) -> None:
    reads = Reads(link)

    answers = await asyncio.gather(
        reads.run(number(1)), reads.run(("SELECT 1/0", ())), reads.run(number(2)), return_exceptions=True
    )

    assert answers[0] == [[(1,)]]
    assert isinstance(answers[1], psycopg.errors.DivisionByZero)
    assert answers[2] == [[(2,)]]


async def test_a_reader_who_goes_away_leaves_the_others_their_answer(link: Link) -> None:
    reads = Reads(link)
    gone, other = asyncio.create_task(reads.run(number(1))), asyncio.create_task(reads.run(number(2)))
    await asyncio.sleep(0)

    gone.cancel()

    assert await other == [[(2,)]]
