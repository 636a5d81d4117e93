"""The backlog is fair: what goes on comes first, what begins takes turns, and nobody waits for ever."""

from engine.dispatch.backlog import Backlog, Entry

LANE = "PYTHON_SCRIPT"
OTHER = "TYPESCRIPT_SCRIPT"


def of(run_id: str, *numbers: int) -> list[Entry]:
    return [(run_id, str(number)) for number in numbers]


def filled(*entries: Entry, begins: bool = True, priority: int = 0, lane: str = LANE) -> Backlog:
    return add(Backlog(), *entries, begins=begins, priority=priority, lane=lane)


def add(
    backlog: Backlog, *entries: Entry, begins: bool = True, priority: int = 0, lane: str = LANE
) -> Backlog:
    for entry in entries:
        backlog.add(lane, entry, begins=begins, priority=priority)
    return backlog


def test_runs_take_turns_to_begin_however_many_steps_each_has() -> None:
    backlog = filled(*of("large", 1, 2, 3), *of("small", 1))

    assert backlog.take(LANE, 4) == [("large", "1"), ("small", "1"), ("large", "2"), ("large", "3")]


def test_what_goes_on_comes_before_what_begins() -> None:
    backlog = filled(*of("new", 1))
    add(backlog, *of("old", 1, 2), begins=False)

    assert backlog.take(LANE, 3) == [("old", "1"), ("old", "2"), ("new", "1")]


def test_what_begins_gets_one_slot_in_four_beside_what_goes_on() -> None:
    backlog = filled(*of("new", 1, 2))
    add(backlog, *of("old", *range(8)), begins=False)

    taken = [run_id for run_id, _ in backlog.take(LANE, 8)]

    assert taken == ["old", "old", "old", "new"] * 2


def test_a_higher_priority_comes_first() -> None:
    backlog = filled(*of("low", 1), begins=False)
    add(backlog, *of("high", 1), priority=1)

    assert backlog.take(LANE, 2) == [("high", "1"), ("low", "1")]


def test_a_step_is_known_once_until_it_is_taken() -> None:
    backlog = filled(*of("a", 1, 1))
    add(backlog, *of("a", 1), begins=False)

    assert backlog.total() == backlog.size(LANE) == 1
    assert backlog.take(LANE, 5) == of("a", 1)
    assert backlog.take(LANE, 5) == []
    assert add(backlog, *of("a", 1)).take(LANE, 5) == of("a", 1)


def test_a_step_that_is_removed_is_not_taken() -> None:
    backlog = filled(*of("a", 1, 2))
    add(backlog, *of("a", 3), begins=False)

    for entry in of("a", 1, 3, 4):
        backlog.remove(entry)

    assert backlog.take(LANE, 5) == of("a", 2)
    assert backlog.lanes() == []


def test_what_is_put_back_is_the_next() -> None:
    backlog = filled(*of("a", 1, 2), *of("b", 1))
    (taken,) = backlog.take(LANE, 1)

    backlog.add(LANE, taken, begins=True, first=True)

    assert backlog.take(LANE, 1) == [taken]


def test_what_does_not_fit_is_to_be_scanned_for() -> None:
    backlog = filled(*of("a", *range(5001)))

    assert backlog.size(LANE) == 5000
    assert backlog.to_scan == {LANE}


def test_the_lane_that_was_served_longest_ago_comes_first() -> None:
    backlog = filled(*of("a", 1, 2))
    add(backlog, *of("b", 1, 2), lane=OTHER)
    backlog.take(LANE, 1)

    assert backlog.lanes() == [OTHER, LANE]
    assert backlog.take(OTHER, 1)
    assert backlog.lanes() == [LANE, OTHER]


def test_a_lane_in_which_a_higher_priority_waits_comes_first() -> None:
    backlog = filled(*of("a", 1))
    add(backlog, *of("b", 1), lane=OTHER, priority=5)

    assert backlog.lanes() == [OTHER, LANE]


def test_what_begins_gives_way_to_others_and_not_to_its_own() -> None:
    backlog = filled(*of("a", 1))

    assert not backlog.gives_way([LANE], "a", 0, begins=True)
    assert backlog.gives_way([LANE], "b", 0, begins=True)
    assert not backlog.gives_way([OTHER], "b", 0, begins=True)


def test_a_run_keeps_its_slot_three_times_while_others_wait() -> None:
    backlog = filled(*of("new", 1))

    kept = [not backlog.gives_way([LANE], "old", 0, begins=False) for _ in range(4)]

    assert kept == [True, True, True, False]
    assert backlog.due(coming=1) == 1
    assert backlog.take(LANE, 1) == of("new", 1)
    assert backlog.due(coming=1) == 0


def test_of_many_slots_that_are_kept_at_once_others_get_a_quarter() -> None:
    backlog = filled(*of("new", *range(20)))

    assert backlog.due(coming=16) == 4


def test_only_a_higher_priority_makes_a_run_give_its_slot_away_at_once() -> None:
    backlog = filled(*of("high", 1), priority=1)
    add(backlog, *of("low", 1), priority=-1)

    assert backlog.gives_way([LANE], "old", 0, begins=False)
    assert not backlog.gives_way([LANE], "old", 1, begins=False)
    assert not filled(*of("low", 1), priority=-1).gives_way([LANE], "old", 0, begins=True)
