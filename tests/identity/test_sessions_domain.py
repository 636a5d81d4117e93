"""What a refresh token that is shown leads to."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain import sessions
from identity.domain.sessions import RefreshToken, Verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEXT, OTHER = b"n" * 32, b"o" * 32


def verdict(
    *, age: float = 0, used: float | None = None, ended: bool = False, successor: bytes = NEXT
) -> Verdict:
    """The verdict over a token made `age` seconds ago and used `used` seconds ago."""
    session = sessions.opened("s", "u", NOW)
    session = replace(session, ended_at=NOW if ended else None)
    made = NOW - timedelta(seconds=age)
    token = RefreshToken(
        b"t",
        "s",
        made,
        made + sessions.REFRESH_LIFE,
        None if used is None else NOW - timedelta(seconds=used),
        None if used is None else successor,
    )
    return sessions.judge(session, token, NEXT, NOW)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({}, Verdict.ROTATE),
        ({"age": 7 * 86400 - 1}, Verdict.ROTATE),
        ({"age": 7 * 86400}, Verdict.REFUSE),
        ({"used": 0}, Verdict.REPLAY),
        ({"used": 10}, Verdict.REPLAY),
        ({"used": 10.001}, Verdict.REVOKE),
        ({"used": 86400}, Verdict.REVOKE),
        ({"used": 1, "successor": OTHER}, Verdict.REFUSE),  # the signing key changed in between
        ({"ended": True}, Verdict.REFUSE),
        ({"ended": True, "used": 1}, Verdict.REFUSE),
        ({"ended": True, "used": 60}, Verdict.REFUSE),
    ],
)
def test_a_refresh_token_is_good_for_one_use_and_a_short_repeat(
    given_: dict[str, float], expected: Verdict
) -> None:
    assert verdict(**given_) is expected  # type: ignore[arg-type]  # each case names what it overrides


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_the_next_token_is_the_same_however_often_it_is_asked_for(random: bytes, secret: bytes) -> None:
    first = sessions.first_token(random)

    following = sessions.next_token(first, secret)

    assert following == sessions.next_token(first, secret)
    assert following != first
    assert sessions.next_token(following, secret) != following
    assert len(sessions.digest(following)) == 32


@given(st.binary(min_size=32, max_size=32))
def test_the_next_token_cannot_be_told_without_the_secret(random: bytes) -> None:
    first = sessions.first_token(random)

    assert sessions.next_token(first, b"a" * 32) != sessions.next_token(first, b"b" * 32)
