"""The inbox is in order within a run and fair between runs."""

import asyncio
from dataclasses import dataclass

import pytest

from engine.dispatch import inbox
from engine.dispatch.inbox import Inbox


@dataclass(frozen=True)
class Item:
    run_id: str
    number: int
    weight: int = 1


def filled(*runs: tuple[str, int]) -> Inbox[Item]:
    made: Inbox[Item] = Inbox()
    for run_id, count in runs:
        for number in range(count):
            made.put(Item(run_id, number))
    return made


def test_a_flood_of_one_run_leaves_room_for_the_others() -> None:
    box = filled(("flood", 100), ("quiet", 2))

    taken = box.take(10, 5)

    assert [item.run_id for item in taken] == ["flood"] * 5 + ["quiet"] * 2
    assert len(box) == 95


def test_a_run_that_was_cut_off_goes_behind_those_that_were_not_served() -> None:
    box = filled(("a", 4), ("b", 1))

    assert [item.run_id for item in box.take(1, 1)] == ["a"]
    assert [item.run_id for item in box.take(3, 3)] == ["b", "a", "a"]


def test_a_run_with_little_to_say_is_served_together_with_many_floods() -> None:
    box = filled(*((f"flood {number}", 100) for number in range(10)), ("quiet", 1))

    taken = box.take(20, 10)

    assert "quiet" in {item.run_id for item in taken}
    assert len(taken) == 20


def test_what_takes_longer_counts_for_more() -> None:
    box: Inbox[Item] = Inbox()
    for number in range(5):
        box.put(Item("a", number, weight=100))

    assert [item.number for item in box.take(250, 250)] == [0, 1, 2]
    assert len(box) == 200


def test_what_is_put_back_comes_first_and_in_its_order() -> None:
    box = filled(("a", 5))
    taken = box.take(2, 2)
    box.put_back(taken)

    assert [item.number for item in box.take(9, 9)] == [0, 1, 2, 3, 4]


def test_a_held_run_waits_with_everything_that_comes_for_it() -> None:
    box = filled(("a", 2), ("b", 1))
    box.hold("a")
    box.put(Item("a", 2))

    assert [item.run_id for item in box.take(9, 9)] == ["b"]
    box.release("a")
    assert [item.number for item in box.take(9, 9)] == [0, 1, 2]


async def test_a_full_inbox_makes_its_feeders_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "FULL", 3)
    box = filled(("a", 3))
    waiting = asyncio.ensure_future(box.room())
    await asyncio.sleep(0)
    assert not waiting.done()

    box.take(1, 1)
    await asyncio.wait_for(waiting, 1)
