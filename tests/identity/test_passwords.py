"""Password hashes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chassis.config import load
from chassis.errors import Exhausted
from identity.config import IdentityConfig
from identity.passwords import Passwords


@pytest.fixture
async def quick() -> AsyncIterator[Passwords]:
    passwords = Passwords(memory_kib=8, passes=1)
    yield passwords
    await passwords.close()


async def test_a_password_matches_its_own_hash_only(quick: Passwords) -> None:
    stored = await quick.hash("correct horse")

    assert await quick.verify(stored, "correct horse")
    assert not await quick.verify(stored, "Correct horse")
    assert stored != await quick.hash("correct horse")


async def test_nobodys_password_is_right(quick: Passwords) -> None:
    assert not await quick.verify(None, "anything")
    assert not await quick.verify("not a hash", "anything")


async def test_one_password_typed_in_two_ways_is_the_same(quick: Passwords) -> None:
    stored = await quick.hash("Ångström und Zoë")

    assert await quick.verify(stored, "A\u030angstro\u0308m und Zoe\u0308")


async def test_the_costs_are_strong_unless_told_otherwise() -> None:
    config = load(IdentityConfig, {"MCPANEL_DATABASE_URL": "postgresql://x"})
    passwords = Passwords(memory_kib=config.argon2_memory_kib, passes=config.argon2_passes)

    stored = await passwords.hash("correct horse")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify(stored, "correct horse")
    await passwords.close()


async def test_a_flood_is_refused_instead_of_queued_for_ever(quick: Passwords) -> None:
    answers = await asyncio.gather(*(quick.hash("x") for _ in range(200)), return_exceptions=True)

    refused = [answer for answer in answers if isinstance(answer, Exhausted)]
    assert len(refused) == 200 - 64
    assert {error.reason for error in refused} == {"TOO_MANY_REQUESTS"}
    assert await quick.hash("x")


async def test_a_hash_of_other_costs_is_dated(quick: Passwords) -> None:
    stronger = Passwords(memory_kib=16, passes=1)
    stored = await quick.hash("x")

    assert stronger.is_dated(stored)
    assert not quick.is_dated(stored)
    await stronger.close()
