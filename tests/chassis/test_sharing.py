"""Calls that ask the same at the same time."""

import asyncio

import pytest

from chassis.sharing import Remembered, Shared


class Source:
    """Answers with how often it was asked, once it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()
        self.failing = False

    async def ask(self) -> int:
        self.asked += 1
        number = self.asked
        await self.go.wait()
        if self.failing:
            raise ValueError("no")
        return number


async def begun(*tasks: "asyncio.Task[int]") -> None:
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_those_who_come_while_a_question_is_on_its_way_share_the_next() -> None:
    shared, source = Shared[str, int](), Source()
    first = asyncio.create_task(shared.get("a", source.ask))
    await begun(first)
    others = [asyncio.create_task(shared.get("a", source.ask)) for _ in range(10)]
    await begun(*others)

    source.go.set()

    assert await first == 1
    assert await asyncio.gather(*others) == [2] * 10
    assert source.asked == 2


async def test_an_answer_is_not_kept() -> None:
    shared, source = Shared[str, int](), Source()
    source.go.set()

    assert [await shared.get("a", source.ask) for _ in range(3)] == [1, 2, 3]


async def test_different_questions_share_nothing() -> None:
    shared, source = Shared[str, int](), Source()
    source.go.set()

    assert sorted(await asyncio.gather(*(shared.get(key, source.ask) for key in "abc"))) == [1, 2, 3]


async def test_a_failure_is_its_asker_s_own() -> None:
    shared, source = Shared[str, int](), Source()
    first = asyncio.create_task(shared.get("a", source.ask))
    await begun(first)
    second = asyncio.create_task(shared.get("a", source.ask))
    third = asyncio.create_task(shared.get("a", source.ask))
    await begun(second, third)

    source.failing = True
    source.go.set()
    with pytest.raises(ValueError, match="no"):
        await first
    with pytest.raises(ValueError, match="no"):
        await second
    with pytest.raises(ValueError, match="no"):
        await third
    assert source.asked == 3


async def test_an_asker_who_goes_away_leaves_the_others_their_answer() -> None:
    shared, source = Shared[str, int](), Source()
    first = asyncio.create_task(shared.get("a", source.ask))
    await begun(first)
    second = asyncio.create_task(shared.get("a", source.ask))
    third = asyncio.create_task(shared.get("a", source.ask))
    await begun(second, third)

    second.cancel()
    source.go.set()

    assert await first == 1
    assert await third == 2


async def test_an_answer_is_remembered_for_as_long_as_it_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("chassis.sharing.time.monotonic", lambda: now)
    remembered, source = Remembered[str, int](4), Source()
    source.go.set()

    first = [await remembered.get("a", source.ask), await remembered.get("a", source.ask)]
    now += 4
    later = await remembered.get("a", source.ask)

    assert (first, later) == ([1, 1], 2)


async def test_what_is_not_to_be_kept_and_what_failed_is_asked_anew() -> None:
    remembered, source = Remembered[str, int](60, keeps=lambda answer: answer > 2), Source()
    source.go.set()
    source.failing = True
    with pytest.raises(ValueError, match="no"):
        await remembered.get("a", source.ask)
    source.failing = False

    assert [await remembered.get("a", source.ask) for _ in range(4)] == [2, 3, 3, 3]
