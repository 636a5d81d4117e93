"""Logging in, and every way it fails."""

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any

import grpc
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from chassis.database import Database
from identity import store
from identity.domain.throttling import Limit
from identity.logins import Limits
from identity.passwords import Passwords
from identity.tables import attempts, users
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import PASSWORD, Start, World, bearer
from tests.identity.records import records

LIMITS = Limits(
    logins_per_email=Limit(3, timedelta(minutes=15)), logins_per_address=Limit(6, timedelta(minutes=15))
)


def wrong(world: World, email: str = "ada@example.com", address: str = "192.0.2.1") -> Any:
    """A login with a wrong password."""
    return world.stub.Login(
        pb.LoginRequest(email=email, password="not the password"), metadata=bearer("", address)
    )


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


async def test_a_login_answers_in_the_words_of_oauth(world: World) -> None:
    user = await world.register("ada@example.com", "Editor")

    answer = await world.stub.Login(pb.LoginRequest(email="ADA@example.com", password=PASSWORD))

    assert (answer.token_type, answer.expires_in) == ("Bearer", 600)
    claims = claims_of(answer.access_token)
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("mcpanel", "mcpanel", user.id)
    assert (claims["name"], claims["roles"]) == ("ada@example.com", ["Editor"])
    assert "definitions.create" in claims["permissions"]
    assert claims["exp"] - claims["iat"] == 600
    assert claims["sid"]
    assert claims["jti"]


async def test_the_access_token_opens_the_door(world: World) -> None:
    mine = await world.enter("ada@example.com")

    me = await world.stub.GetMe(pb.GetMeRequest(), metadata=mine)

    assert (me.principal.kind, me.principal.name) == (pb.Principal.USER, "ada@example.com")
    assert me.user.HasField("last_login_at")


async def test_every_failure_reads_alike(world: World) -> None:
    user = await world.register("off@example.com")
    await world.register("ada@example.com")
    off = pb.UpdateUserRequest(user_id=user.id, user=pb.User(is_active=False))
    await world.stub.UpdateUser(off, metadata=world.admin)

    answers = [
        await failure(world.stub.Login(pb.LoginRequest(email=email, password=password)))
        for email, password in [
            ("ada@example.com", "not the password"),
            ("nobody@example.com", PASSWORD),
            ("off@example.com", PASSWORD),
            ("off@example.com", "not the password"),
            ("not an email", PASSWORD),
        ]
    ]

    assert {(code, error.reason, error.message) for code, error in answers} == {
        (
            grpc.StatusCode.UNAUTHENTICATED,
            "LOGIN_FAILED",
            "the email or the password is wrong, or the account is off",
        )
    }
    assert len({tuple(sorted(error.metadata.keys())) for _, error in answers}) == 1


async def test_one_password_is_checked_whoever_is_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No measuring: the same number of hashes is made with the same costs for everyone."""
    await world.register("ada@example.com")
    off = await world.register("off@example.com")
    await world.stub.UpdateUser(
        pb.UpdateUserRequest(user_id=off.id, user=pb.User(is_active=False)), metadata=world.admin
    )
    hashed: list[str] = []
    verify = PasswordHasher.verify

    def counting(self: PasswordHasher, stored: Any, password: Any) -> Any:
        hashed.append(str(stored).split("$")[3])
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", counting)
    counts = []
    for email in ("ada@example.com", "nobody@example.com", "off@example.com"):
        before = len(hashed)
        await failure(wrong(world, email))
        counts.append(len(hashed) - before)

    assert counts == [1, 1, 1]
    assert len(set(hashed)) == 1


async def test_a_failed_login_is_in_the_action_log(world: World, db: Database) -> None:
    user = await world.register("ada@example.com")

    await failure(wrong(world))

    [entry] = await records(db, "LOGIN_FAILED")
    assert (entry["outcome"], entry["entity_id"]) == ("LOGIN_FAILED", user.id)
    assert entry["details"]["email"] == "ada@example.com"
    assert entry["actor"]["client_address"] == "192.0.2.1"
    assert "not the password" not in json.dumps(entry)


async def test_a_password_typed_as_the_email_is_not_written_down(world: World, db: Database) -> None:
    await failure(wrong(world, "my-secret-password"))

    assert "my-secret-password" not in json.dumps(await records(db))


async def test_a_login_is_in_the_action_log_as_the_users(world: World, db: Database) -> None:
    user = await world.register("ada@example.com")

    await world.login("ada@example.com")

    [entry] = await records(db, "USER_LOGGED_IN")
    assert (entry["actor"]["id"], entry["actor"]["kind"]) == (user.id, "user")
    assert (entry["entity_type"], entry["entity_id"]) == ("user", user.id)


async def test_too_many_failures_close_an_email_for_a_while(start: Start) -> None:
    world = await start(LIMITS)
    await world.register("ada@example.com")
    for _ in range(3):
        await failure(wrong(world))

    code, error = await failure(world.stub.Login(pb.LoginRequest(email="ada@example.com", password=PASSWORD)))

    assert (code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS")
    assert error.retry_after
    assert timedelta(minutes=14) < error.retry_after <= timedelta(minutes=15)


async def test_an_unknown_email_closes_just_the_same(start: Start) -> None:
    world = await start(LIMITS)
    for _ in range(3):
        await failure(wrong(world, "nobody@example.com"))

    _, error = await failure(wrong(world, "NOBODY@example.com", "192.0.2.2"))

    assert error.reason == "TOO_MANY_REQUESTS"


async def test_too_many_failures_close_an_address_but_no_other(start: Start) -> None:
    world = await start(LIMITS)
    await world.register("ada@example.com")
    for number in range(6):
        await failure(wrong(world, f"n{number}@example.com"))

    _, error = await failure(
        world.stub.Login(
            pb.LoginRequest(email="ada@example.com", password=PASSWORD), metadata=bearer("", "192.0.2.1")
        )
    )
    elsewhere = await world.stub.Login(
        pb.LoginRequest(email="ada@example.com", password=PASSWORD), metadata=bearer("", "192.0.2.2")
    )

    assert error.reason == "TOO_MANY_REQUESTS"
    assert elsewhere.access_token


async def test_attempts_made_at_once_are_counted_too(start: Start) -> None:
    world = await start(LIMITS)
    await world.register("ada@example.com")

    answers = await asyncio.gather(*(failure(wrong(world)) for _ in range(10)))

    assert sorted(error.reason for _, error in answers) == ["LOGIN_FAILED"] * 3 + ["TOO_MANY_REQUESTS"] * 7


async def test_a_limit_holds_across_replicas_and_restarts(start: Start) -> None:
    one, other = await start(LIMITS), await start(LIMITS)
    for _ in range(3):
        await failure(wrong(one))

    _, error = await failure(wrong(other))

    assert error.reason == "TOO_MANY_REQUESTS"


async def test_a_success_forgives_the_email(start: Start) -> None:
    world = await start(LIMITS)
    await world.register("ada@example.com")
    for _ in range(3):
        await failure(wrong(world, address="192.0.2.1"))
        await failure(wrong(world, address="192.0.2.2"))
        await world.login("ada@example.com")


async def test_successes_are_not_counted_as_attempts_of_the_address(start: Start) -> None:
    world = await start(LIMITS)
    await world.register("ada@example.com")

    for _ in range(10):
        await world.stub.Login(
            pb.LoginRequest(email="ada@example.com", password=PASSWORD), metadata=bearer("", "192.0.2.1")
        )


async def test_an_ended_window_starts_again(start: Start, db: Database) -> None:
    world = await start(LIMITS)
    await world.register("ada@example.com")
    for _ in range(4):
        await failure(wrong(world))
    async with db.begin() as tx:
        await tx.execute(update(attempts).values(window_ends_at=tx.now))

    assert (await world.login("ada@example.com")).access_token


async def test_ended_windows_are_purged(world: World, db: Database) -> None:
    await failure(wrong(world))
    async with db.begin() as tx:
        await tx.execute(update(attempts).values(window_ends_at=tx.now))

    await world.service.purge.once()

    async with db.read() as tx:
        assert (await tx.execute(select(attempts))).all() == []


async def test_a_hash_with_old_costs_is_made_anew_at_login(start: Start, db: Database) -> None:
    old = await start()
    await old.register("ada@example.com")
    new = await start(MCPANEL_ARGON2_PASSES="2")

    await new.login("ada@example.com")

    async with db.read() as tx:
        stored = await tx.scalar(select(users.c.password_hash))
        user = await store.users.find_by_email(tx, "ada@example.com")
    assert "t=2" in stored
    assert user
    assert user.etag == "1"
    assert (await old.login("ada@example.com")).access_token


async def test_logins_at_once_all_take_the_hash_that_one_of_them_made_anew(start: Start) -> None:
    old, new = await start(), await start(MCPANEL_ARGON2_PASSES="2")
    await old.register("ada@example.com")

    answers = await asyncio.gather(*(new.login("ada@example.com") for _ in range(4)))

    assert all(answer.access_token for answer in answers)


async def test_a_password_changed_while_it_is_checked_is_the_old_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await world.register("ada@example.com")
    verify = Passwords.verify

    async def meanwhile(self: Passwords, stored: str | None, password: str) -> bool:
        matches = await verify(self, stored, password)
        request = pb.UpdateUserRequest(user_id=user.id, user=pb.User(), new_password="another password")
        await world.stub.UpdateUser(request, metadata=world.admin)
        return matches

    monkeypatch.setattr(Passwords, "verify", meanwhile)
    _, error = await failure(world.login("ada@example.com"))

    assert error.reason == "LOGIN_FAILED"


async def test_a_login_needs_no_good_credential_beside_it(world: World) -> None:
    await world.register("ada@example.com")
    request = pb.LoginRequest(email="ada@example.com", password=PASSWORD)

    answer = await world.stub.Login(request, metadata=bearer("mcp_stale"))

    assert answer.access_token
