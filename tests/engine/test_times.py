"""When schedules fire: calendars and their clocks, distances, and what becomes of times that were missed."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Invalid
from engine import times
from engine.times import Every


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fires(expression: str, zone: str, after: str, count: int) -> list[str]:
    found = islice(times.cron(expression, zone).after(at(after)), count)
    return [one.strftime("%m-%d %H:%M") for one in found]


MOMENTS = st.integers(946_684_800, 7_226_582_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
NOW = at("2026-11-21T12:00:30")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 6 * * MON-FRI", ["11-23 06:30", "11-24 06:30"]),
        ("@daily", ["11-22 00:00", "11-23 00:00"]),
        ("@Hourly", ["11-21 13:00", "11-21 14:00"]),
        ("*/20 * * * *", ["11-21 12:20", "11-21 12:40"]),
        ("0 9 * JAN,DEC MON#1", ["12-07 09:00", "01-04 09:00"]),
        ("0 0 L * *", ["11-30 00:00", "12-31 00:00"]),
        ("0   0 29\t2 *", ["02-29 00:00", "02-29 00:00"]),
    ],
)
def test_a_cron_expression_names_moments(expression: str, expected: list[str]) -> None:
    assert fires(expression, "", "2026-11-21T12:00:30", 2) == expected


def test_a_time_that_the_clocks_skip_fires_right_after_the_gap() -> None:
    # In Berlin 02:00 became 03:00 on 29 March 2026, which is 01:00 UTC.
    assert fires("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00", 3) == [
        "03-28 01:30",
        "03-29 01:00",
        "03-30 00:30",
    ]


def test_times_that_meet_in_the_gap_fire_once() -> None:
    found = fires("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T23:00", 3)

    assert found == ["03-29 01:00", "03-29 01:30", "03-30 00:00"]


def test_a_time_that_the_clocks_show_twice_fires_the_first_time_only() -> None:
    # In Berlin 03:00 became 02:00 on 25 October 2026, which is 01:00 UTC.
    assert fires("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2) == ["10-25 00:30", "10-26 01:30"]
    # 01:10 UTC is 02:10 the second time.
    assert fires("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", 1) == ["10-26 01:30"]


def test_a_time_in_every_hour_goes_by_the_time_that_really_passes() -> None:
    assert fires("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:15", 4) == [
        "10-25 00:30",
        "10-25 01:00",
        "10-25 01:30",
        "10-25 02:00",
    ]
    assert fires("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:45", 2) == ["03-29 01:00", "03-29 01:30"]


@pytest.mark.parametrize(
    ("expression", "zone", "field"),
    [
        ("* * * *", "", "expression"),
        ("* * * * * *", "", "expression"),
        ("60 * * * *", "", "expression"),
        ("a b c d e", "", "expression"),
        ("*/0 * * * *", "", "expression"),
        ("0 0 * * MON#1/2", "", "expression"),
        ("0 0 30 2 *", "", "expression"),
        ("0 0 30 FEB 1-5", "Europe/Berlin", ""),
        ("@reboot", "", "expression"),
        ("@daily", "Mars/Olympus", "time_zone"),
        ("@daily", "../../etc/passwd", "time_zone"),
        ("@daily", "Europe", "time_zone"),
    ],
)
def test_what_cannot_be_read_is_refused_naming_it(expression: str, zone: str, field: str) -> None:
    if not field:  # the day of the week makes it fire
        assert times.cron(expression, zone)
        return
    with pytest.raises(Invalid) as caught:
        times.cron(expression, zone)

    assert [one.field for one in caught.value.fields] == [f"schedule.cron.{field}"]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("60 * * * *", ["the minute of", "cannot be '60'", "0 to 59", "'*/15'"]),
        ("0 24 * * *", ["the hour of", "cannot be '24'", "0 to 23"]),
        ("0 0 32 * *", ["the day of the month of", "cannot be '32'", "1 to 31"]),
        ("0 0 * FOO *", ["the month of", "cannot be 'FOO'", "JAN to DEC"]),
        ("0 0 * * 8", ["the day of the week of", "cannot be '8'", "'MON-FRI'"]),
        ("0 0 31 2 *", ["'0 0 31 2 *' never fires", "month '2'", "'0 0 L * *'"]),
        ("* * * *", ["five fields", "has 4", "'30 6 * * MON-FRI'"]),
    ],
)
def test_a_refusal_names_the_part_what_was_given_and_an_example(expression: str, words: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        times.cron(expression, "")

    assert [word for word in words if word not in caught.value.message] == []


@given(
    st.timedeltas(timedelta(seconds=1), timedelta(days=366)),
    MOMENTS,
    MOMENTS,
)
def test_intervals_are_counted_from_their_anchor(
    interval: timedelta, anchor: datetime, moment: datetime
) -> None:
    first, second = islice(Every(interval, anchor).after(moment), 2)

    assert moment < first <= moment + interval
    assert (first - anchor) % interval == timedelta()
    assert second - first == interval


@pytest.mark.parametrize(
    ("policy", "expected", "skipped"),
    [("NONE", [], 3), ("LATEST", ["11:50"], 2), ("ALL", ["11:30", "11:40", "11:50"], 0)],
)
def test_missed_times_are_made_up_for_as_the_policy_says(
    policy: str, expected: list[str], skipped: int
) -> None:
    every = times.cron("*/10 * * * *", "")

    due = times.due(every, at("2026-11-21T11:30"), None, policy, at("2026-11-21T11:59"))

    assert [one.strftime("%H:%M") for one in due.fires] == expected
    assert due.skipped == skipped
    assert due.next == at("2026-11-21T12:00")


@pytest.mark.parametrize("policy", ["NONE", "LATEST", "ALL"])
def test_what_came_within_the_last_minute_is_only_late_and_fires(policy: str) -> None:
    every = Every(timedelta(seconds=20), at("2026-11-21T00:00"))

    due = times.due(every, at("2026-11-21T11:59:40"), None, policy, NOW)

    assert [one.strftime("%H:%M:%S") for one in due.fires] == ["11:59:40", "12:00:00", "12:00:20"]
    assert (due.skipped, due.next) == (0, at("2026-11-21T12:00:40"))


@pytest.mark.parametrize(("policy", "count"), [("NONE", 0), ("LATEST", 1), ("ALL", 31)])
@pytest.mark.parametrize("interval", [timedelta(minutes=1), timedelta(seconds=10)])
def test_what_came_last_is_missed_with_what_was_missed_before_it(
    policy: str, count: int, interval: timedelta
) -> None:
    first = at("2026-11-21T12:00:00") - 30 * interval

    due = times.due(Every(interval, first), first, None, policy, at("2026-11-21T12:00:05"))

    assert due.fires == tuple(first + number * interval for number in range(31 - count, 31))
    assert due.skipped == 31 - count
    assert due.next == at("2026-11-21T12:00:00") + interval


def test_all_makes_up_for_the_latest_hundred_at_most_however_long_ago() -> None:
    minutely = times.cron("* * * * *", "")

    due = times.due(minutely, at("2020-01-01T00:00"), None, "ALL", NOW)

    assert len(due.fires) == times.MOST_CAUGHT_UP
    assert due.fires[-1] == at("2026-11-21T12:00")
    assert due.skipped > 900


def test_nothing_fires_after_the_end() -> None:
    end = at("2026-11-21T11:45")

    due = times.due(times.cron("*/10 * * * *", ""), at("2026-11-21T11:30"), end, "ALL", NOW)

    assert [one.strftime("%H:%M") for one in due.fires] == ["11:30", "11:40"]
    assert due.next is None
    assert times.upcoming(times.cron("@daily", ""), NOW, end, 5) == []
