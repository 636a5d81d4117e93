"""Failpoints are names that must exist, and never work in production."""

import pytest

from chassis.failpoints import FailpointError, Failpoints


@pytest.mark.parametrize(
    "text",
    ["comit.before=kill", "commit.during=kill", "commit.before=stop", "commit.before=kill@x", "commit"],
)
def test_what_is_no_failpoint_is_refused_and_the_names_are_said(text: str) -> None:
    with pytest.raises(FailpointError, match=r"commit\.after, commit\.before"):
        Failpoints(["commit"]).arm({"MCPANEL_FAILPOINTS": text})


def test_failpoints_are_refused_in_production() -> None:
    with pytest.raises(FailpointError, match="production"):
        Failpoints(["commit"]).arm(
            {"MCPANEL_FAILPOINTS": "commit.before=kill", "MCPANEL_PROFILE": "production"}
        )


def test_a_process_dies_at_the_visit_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    deaths: list[int] = []
    monkeypatch.setattr("os.kill", lambda _pid, number: deaths.append(number))
    points = Failpoints(["commit", "send"])
    points.arm({"MCPANEL_FAILPOINTS": " commit.before=kill@2, send.after=kill"})

    visits = []
    for name in ("commit.before", "commit.after", "commit.before", "commit.before", "send.after"):
        points.reach(name)
        visits.append(len(deaths))

    assert visits == [0, 0, 1, 1, 2]
