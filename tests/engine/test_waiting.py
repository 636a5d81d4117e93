"""What ran out of time while it waited says what for."""

from datetime import UTC, datetime, timedelta

import pytest

from engine.plan import Rate
from engine.waiting import Live, in_vain

NOW = datetime(2030, 1, 1, tzinfo=UTC)
RATE = Rate(5, timedelta(minutes=1))


@pytest.mark.parametrize(
    ("gate", "due", "rate", "said"),
    [
        ("", -2.0, None, "no worker took it within 2 s: it waited for a free worker for PYTHON_SCRIPT;"),
        (
            "rate:k",
            -2.0,
            RATE,
            "no worker took it within 2 s: it waited for a free worker for PYTHON_SCRIPT;",
        ),
        (
            "rate:k",
            -0.5,
            RATE,
            "no worker took it within 2 s: it waited 1.5 s for the rate limit 'k' (5 in 1 min) and then for a free ",
        ),
        ("rate:k", 0.2, RATE, "it waited 2 s for its turn under the rate limit 'k' (5 in 1 min); raise its"),
        ("rate:k", None, RATE, "it waited 2 s for its turn under the rate limit 'k' (5 in 1 min); raise its"),
        ("cache:0f", None, RATE, "it waited 2 s for another run, which computes the same; raise its"),
    ],
)
def test_what_waited_too_long_says_for_what_and_what_to_do(
    gate: str, due: float | None, rate: Rate | None, said: str
) -> None:
    due_at = None if due is None else NOW + timedelta(seconds=due)
    one = Live("a", "PYTHON_SCRIPT", "READY", due_at, "", gate)

    text = in_vain(one, timedelta(seconds=2), NOW - timedelta(seconds=2), NOW, rate)

    assert text.startswith(said)
    assert "waiting_timeout" in text
