"""The one format of API keys, and what keys may do."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import errors
from identity.domain import api_keys, roles
from identity.domain.accounts import Kind
from identity.domain.api_keys import ApiKey

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RANDOM = st.binary(min_size=api_keys.RANDOM_BYTES, max_size=api_keys.RANDOM_BYTES)
ADMIN, EDITOR, VIEWER = roles.BUILT_IN

# Computed with an implementation of base62 and CRC32 in another language; the format must never change.
VECTORS = [
    (bytes(40), "mcp_" + "0" * 11 + "0" * 43 + "4amD9h"),
    (bytes(range(40)), "mcp_" + "001IYT0XLWR" + "1u8QmlquE1rQpeqoulx6MZVGVGgufeog3UsDEHmrG2p" + "4DCZg3"),
    (b"\xff" * 40, "mcp_" + "LygHa16AHYF" + "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1" + "3cnKWw"),
]


def key(**values: object) -> ApiKey:
    defaults: dict[str, object] = {
        "id": "k",
        "lookup": "l",
        "digest": b"",
        "name": "n",
        "user_id": "u",
        "account_id": None,
        "role_name": "Editor",
        "created_at": NOW,
    }
    return ApiKey(**{**defaults, **values})  # type: ignore[arg-type]  # built from what each test overrides


@given(RANDOM)
def test_a_key_reads_back_as_the_lookup_id_it_was_made_with(random: bytes) -> None:
    made = api_keys.generate(random)

    assert len(made) == api_keys.LENGTH
    assert api_keys.lookup_of(made) == made[4:15]
    assert api_keys.matches(made, api_keys.digest(made))
    assert made.startswith(api_keys.shown_prefix(made[4:15]))


@given(RANDOM, st.integers(0, api_keys.LENGTH - 1), st.sampled_from("0Zz_-= é"))
def test_a_key_with_one_wrong_character_is_no_key(random: bytes, position: int, wrong: str) -> None:
    made = api_keys.generate(random)
    typed = made[:position] + wrong + made[position + 1 :]

    assert typed == made or api_keys.lookup_of(typed) is None
    assert typed == made or not api_keys.matches(typed, api_keys.digest(made))


@given(st.text(max_size=80))
def test_any_other_text_is_no_key(text: str) -> None:
    assert api_keys.lookup_of(text) is None


@pytest.mark.parametrize(("random", "expected"), VECTORS, ids=["zeros", "counting", "ones"])
def test_the_format_never_changes(random: bytes, expected: str) -> None:
    assert api_keys.generate(random) == expected


@given(RANDOM, RANDOM)
def test_two_keys_differ_unless_their_randomness_is_the_same(one: bytes, other: bytes) -> None:
    assert (api_keys.generate(one) == api_keys.generate(other)) == (one == other)


def test_too_little_randomness_is_refused() -> None:
    with pytest.raises(ValueError, match="40 random bytes"):
        api_keys.generate(bytes(32))


@pytest.mark.parametrize(
    ("values", "works"),
    [
        ({}, True),
        ({"expires_at": NOW + timedelta(seconds=1)}, True),
        ({"expires_at": NOW}, False),
        ({"revoked_at": NOW - timedelta(days=1)}, False),
        ({"expires_at": NOW + timedelta(days=1), "revoked_at": NOW}, False),
    ],
)
def test_a_key_works_until_it_expires_or_is_revoked(values: dict[str, datetime], works: bool) -> None:
    assert key(**values).works(NOW) is works


@pytest.mark.parametrize(
    ("own", "granted", "role", "permissions"),
    [
        (EDITOR, VIEWER, "Viewer", VIEWER.permissions),
        (EDITOR, EDITOR, "Editor", EDITOR.permissions),
        (VIEWER, EDITOR, "Viewer", VIEWER.permissions),  # the user lost a role the key still has
    ],
)
def test_a_users_key_never_does_more_than_the_user_may_now(
    own: roles.Role, granted: roles.Role, role: str, permissions: frozenset[str]
) -> None:
    found = api_keys.principal_of_owned_key(key(), "ada@example.com", own, granted)

    assert (found.kind, found.id, found.api_key_id) == ("api_key", "u", "k")
    assert found.roles == {role}
    assert found.permissions == permissions


@pytest.mark.parametrize(
    ("kind", "granted", "expected", "permissions"),
    [
        ("operator", ADMIN, "api_key", ADMIN.permissions),
        ("service", None, "service", frozenset()),
        ("worker", None, "worker", {"worker.connect"}),
        ("service", VIEWER, "api_key", VIEWER.permissions),  # a key made through the API is no service's own
        ("operator", None, "api_key", frozenset()),
    ],
)
def test_an_accounts_key_does_what_its_kind_does(
    kind: Kind, granted: roles.Role | None, expected: str, permissions: frozenset[str]
) -> None:
    found = api_keys.principal_of_account_key(key(user_id=None, account_id="a"), kind, "engine", granted)

    assert (found.kind, found.id) == (expected, "a")
    assert found.permissions == permissions


@pytest.mark.parametrize(
    ("scopes", "left"),
    [
        ([], ["runs.read", "runs.start", "workflows.read"]),
        (["runs.read"], ["runs.read"]),
        (["runs.*"], ["runs.read", "runs.start"]),
        (["runs.*", "workflows.read", "users.read"], ["runs.read", "runs.start", "workflows.read"]),
        (["run.*"], []),
        (["*"], []),
    ],
)
def test_scopes_only_take_away(scopes: list[str], left: list[str]) -> None:
    assert sorted(api_keys.narrowed({"runs.read", "runs.start", "workflows.read"}, scopes)) == left


@pytest.mark.parametrize("scope", ["*", "runs", "runs.", "runs.fly", "RUNS.*", ".*", "runs.*.*", ""])
def test_a_scope_that_lets_nothing_through_is_named(scope: str) -> None:
    with pytest.raises(errors.Invalid) as refused:
        api_keys.checked(["runs.*", scope])

    assert refused.value.reason == "SCOPE_UNKNOWN"
    assert [one.field for one in refused.value.fields] == ["scopes[1]"]


@pytest.mark.parametrize(
    ("lifetime", "parent_ends", "expected"),
    [
        (None, None, None),
        (timedelta(hours=1), None, NOW + timedelta(hours=1)),
        (None, NOW + timedelta(hours=2), NOW + timedelta(hours=2)),
        (timedelta(hours=3), NOW + timedelta(hours=2), NOW + timedelta(hours=2)),
        (timedelta(hours=1), NOW + timedelta(hours=2), NOW + timedelta(hours=1)),
    ],
)
def test_a_key_made_with_a_key_never_outlives_it(
    lifetime: timedelta | None, parent_ends: datetime | None, expected: datetime | None
) -> None:
    assert api_keys.expiry(NOW, lifetime, key(expires_at=parent_ends)) == expected


def test_the_facts_of_a_key_hold_neither_key_nor_digest() -> None:
    facts = key(digest=b"digest").facts()

    assert set(facts) == {
        "name",
        "prefix",
        "owner_id",
        "role_name",
        "scopes",
        "rotated_from",
        "made_with",
        "expires_at",
        "revoked_at",
    }
