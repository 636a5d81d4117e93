"""How users come to be and may change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis import errors
from identity.domain import users
from identity.domain.roles import BUILT_IN
from identity.domain.users import Change, User

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ADA = users.new(
    "u1", email="Ada@Example.com", full_name="Ada", role_name="Viewer", password_hash="h", now=NOW
)


def change(user: User, values: dict[str, Any], **how: Any) -> Change:
    defaults: dict[str, Any] = {
        "etag": "",
        "new_password_hash": None,
        "oneself": False,
        "proved": False,
        "needed": "users.update",
        "administers": True,
        "now": LATER,
    }
    return users.change(user, values, **{**defaults, **how})


@pytest.mark.parametrize("other", ["ada@example.com", " ADA@EXAMPLE.COM ", "\uff41da@example.com"])
def test_spellings_of_one_email_are_the_same(other: str) -> None:
    assert users.email_key(other) == ADA.email_key


@pytest.mark.parametrize(
    ("wanted", "chooses", "by_operator", "first", "role"),
    [
        ("", False, False, True, "Viewer"),
        ("Admin", False, False, True, "Viewer"),
        ("Admin", False, True, True, "Viewer"),
        ("", True, True, True, "Admin"),
        ("", True, False, True, "Viewer"),
        ("", True, True, False, "Viewer"),
        ("Editor", True, True, True, "Editor"),
        ("Admin", True, False, False, "Admin"),
    ],
)
def test_a_new_users_role_is_viewer_unless_an_administrator_says_otherwise(
    wanted: str, chooses: bool, by_operator: bool, first: bool, role: str
) -> None:
    assert users.role_for_new(wanted, chooses=chooses, by_operator=by_operator, first=first) == role


def test_a_change_counts_the_version_up() -> None:
    done = change(ADA, {"full_name": "Ada Lovelace"}).user

    assert (done.full_name, done.version, done.updated_at) == ("Ada Lovelace", 2, LATER)
    assert done.etag != ADA.etag


def test_a_change_to_the_same_values_changes_nothing() -> None:
    done = change(ADA, {"full_name": "Ada", "is_active": True})

    assert done.user == ADA
    assert not done.ends_sessions


@pytest.mark.parametrize(
    ("values", "new_hash", "ends"),
    [
        ({"full_name": "A"}, None, False),
        ({"email": "ada@new.example"}, None, False),
        ({"role_name": "Editor"}, None, True),
        ({"is_active": False}, None, True),
        ({}, "other", True),
    ],
)
def test_role_activity_and_password_end_the_sessions(
    values: dict[str, Any], new_hash: str | None, ends: bool
) -> None:
    assert change(ADA, values, new_password_hash=new_hash).ends_sessions is ends


def test_a_stale_etag_is_refused_with_the_present_one() -> None:
    with pytest.raises(errors.Conflict) as refused:
        change(ADA, {"full_name": "A"}, etag="7")

    assert refused.value.reason == "ETAG_MISMATCH"
    assert refused.value.metadata == {"etag": "1"}


@pytest.mark.parametrize("values", [{"email": "x@example.com"}, {"role_name": "Admin"}, {"is_active": False}])
def test_users_change_only_their_own_name(values: dict[str, Any]) -> None:
    with pytest.raises(errors.Denied) as refused:
        change(ADA, values, oneself=True, administers=False)

    assert refused.value.reason == "PERMISSION_MISSING"
    assert change(ADA, {"full_name": "A"}, oneself=True, administers=False).user.full_name == "A"


def test_what_stays_the_same_needs_no_permission() -> None:
    values = {"email": ADA.email, "role_name": "Viewer", "is_active": True, "full_name": "A"}

    assert change(ADA, values, oneself=True, administers=False).user.full_name == "A"


@pytest.mark.parametrize("administers", [True, False])
def test_ones_own_password_needs_the_present_one(administers: bool) -> None:
    with pytest.raises(errors.Denied) as refused:
        change(ADA, {}, oneself=True, administers=administers, new_password_hash="other")

    assert refused.value.reason == "LOGIN_FAILED"
    done = change(ADA, {}, oneself=True, administers=administers, proved=True, new_password_hash="other")
    assert done.password_changed
    assert done.user.password_hash == "other"


@pytest.mark.parametrize("field", ["email", "role_name"])
def test_email_and_role_cannot_be_emptied(field: str) -> None:
    with pytest.raises(errors.Invalid, match=f"user.{field}"):
        change(ADA, {field: ""})


def test_a_new_email_is_found_by_its_own_spelling() -> None:
    assert change(ADA, {"email": "ADA@new.example"}).user.email_key == "ada@new.example"


ADMIN = change(ADA, {"role_name": "Admin"}).user


@pytest.mark.parametrize(
    ("after", "administrators", "allowed"),
    [
        (None, 1, False),
        (None, 2, True),
        (ADA, 1, False),
        (ADA, 2, True),
        (change(ADMIN, {"is_active": False}).user, 1, False),
        (change(ADMIN, {"full_name": "A"}).user, 1, True),
    ],
)
def test_the_last_administrator_stays(after: User | None, administrators: int, allowed: bool) -> None:
    if allowed:
        users.keep_an_administrator(ADMIN, after, BUILT_IN, administrators)
        return
    with pytest.raises(errors.Precondition) as refused:
        users.keep_an_administrator(ADMIN, after, BUILT_IN, administrators)
    assert refused.value.reason == "LAST_ADMINISTRATOR"


def test_whoever_is_no_administrator_may_go_even_without_any() -> None:
    users.keep_an_administrator(ADA, None, BUILT_IN, 0)


def test_neither_facts_nor_repr_hold_the_passwords_hash() -> None:
    user = change(ADA, {}, new_password_hash="very-secret-hash").user

    assert "very-secret-hash" not in repr(user)
    assert "very-secret-hash" not in repr(user.facts())
