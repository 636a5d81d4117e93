"""The plan of faults is its seed's, and leaves none out."""

import itertools

from tests.chaos.nemesis import Fault, plan


def first(seed: int, seconds: float, groups: int = 200) -> list[tuple[Fault, ...]]:
    return list(itertools.islice(plan(seed, seconds), groups))


def test_a_seed_always_gives_the_same_faults_and_another_gives_others() -> None:
    assert first(7, 600) == first(7, 600)
    assert first(7, 600) != first(8, 600)


def test_every_fault_comes_alone_or_beside_one_to_another_victim() -> None:
    groups = first(7, 600)

    assert {len(group) for group in groups} == {1, 2}
    assert all(len({fault.victim for fault in group}) == len(group) for group in groups)
    kinds = {fault.kind for group in groups for fault in group}
    assert {"kill", "freeze", "wipe", "half-open", "reset", "delay", "slow down"} < kinds
    assert len(kinds) == 10


def test_nothing_is_frozen_for_longer_than_a_sixth_of_the_whole() -> None:
    def longest(seconds: float) -> float:
        return max(fault.seconds for group in first(7, seconds) for fault in group if fault.kind == "freeze")

    assert (longest(600), longest(180), longest(30)) == (90.0, 15.0, 1.0)
