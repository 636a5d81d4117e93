"""Limits of attempts and what they count by."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.errors import Exhausted
from identity.domain import throttling
from identity.domain.throttling import Attempts, Limit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = Limit(3, timedelta(minutes=1))


def test_attempts_within_the_limit_pass() -> None:
    throttling.check(Attempts("email:a", 3, NOW), LIMIT, NOW)


def test_one_attempt_too_many_says_when_the_window_ends() -> None:
    with pytest.raises(Exhausted) as refused:
        throttling.check(Attempts("email:a", 4, NOW + timedelta(seconds=42)), LIMIT, NOW)

    assert refused.value.reason == "TOO_MANY_REQUESTS"
    assert refused.value.retry_after == timedelta(seconds=42)


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.7", "address:192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "address:2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "address:192.0.2.7"),
        ("unix", "address:unix"),
        ("", "address:"),
        ("x" * 500, "address:" + "x" * 64),
    ],
)
def test_an_address_counts_as_the_client_it_belongs_to(address: str, subject: str) -> None:
    assert throttling.address_subject("address", address) == subject
