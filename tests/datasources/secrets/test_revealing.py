"""Who is told a secret's value: a run whose token names it, and nobody else."""

import asyncio
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from chassis import vault
from chassis.errors import Denied, NotFound, Precondition, ServiceError
from chassis.vault import Vault
from datasources.tables import named_secret_values
from tests.datasources.conftest import World
from tests.datasources.secrets.calls import VALUE, call, create, reveal
from tests.support.callers import ADMIN, EDITOR, REGISTRY, WORKER


async def test_a_runs_token_reveals_the_secrets_it_names_and_no_others(world: World) -> None:
    linked, other = await create(world, "linked"), await create(world, "other")

    told = await reveal(world, linked.id, linked.id)
    with pytest.raises(Denied) as caught:
        await reveal(world, other.id, linked.id)

    assert told == VALUE
    assert "link it to the component's version" in caught.value.message


@pytest.mark.parametrize("caller", [ADMIN, EDITOR, WORKER, REGISTRY], ids=lambda one: one.name)
async def test_nobody_is_told_a_value_without_a_runs_token(world: World, caller: Any) -> None:
    made = await create(world)

    with pytest.raises(Denied) as caught:
        await call(world, "RevealSecret", caller, secret_id=made.id)

    assert caught.value.reason == "INTERNAL_ONLY"


async def test_a_permission_without_a_token_that_names_it_reveals_nothing(world: World) -> None:
    made = await create(world)

    with pytest.raises(Denied) as caught:
        await reveal(world, made.id)

    assert caught.value.reason == "PERMISSION_MISSING"


async def test_a_secret_that_was_deleted_is_not_found(world: World) -> None:
    made = await create(world)
    await call(world, "DeleteSecret", ADMIN, secret_id=made.id)

    with pytest.raises(NotFound) as caught:
        await reveal(world, made.id, made.id)

    assert caught.value.reason == "SECRET_NOT_FOUND"


async def test_each_telling_is_on_record_with_its_run_and_without_the_value(world: World) -> None:
    made = await create(world)

    await reveal(world, made.id, made.id)

    [entry] = [one for one in await world.records() if one["action"] == "SECRET_REVEALED"]
    assert (entry["actor"]["id"], entry["entity_type"], entry["entity_id"]) == (EDITOR.id, "secret", made.id)
    assert entry["details"] == {"name": "signing", "secret_ref": "", "run_id": "run-1"}


async def test_a_secret_whose_telling_cannot_be_recorded_is_not_told(world: World) -> None:
    made = await create(world)
    with psycopg.connect(world.config.database_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE outbox RENAME TO gone")

        with pytest.raises(ServiceError):
            await reveal(world, made.id, made.id)

        owner.execute("ALTER TABLE gone RENAME TO outbox")
    assert await reveal(world, made.id, made.id) == VALUE


async def _key_versions(world: World) -> set[int]:
    """The versions of the master key that secrets are wrapped with."""
    async with world.service.db.read() as tx:
        return set((await tx.execute(select(named_secret_values.c.key_version))).scalars())


async def test_a_new_master_key_wraps_secrets_anew_and_a_lost_one_opens_none(world: World) -> None:
    made = await create(world)
    vault.rotate(world.config.master_key)

    async with asyncio.timeout(10):
        while await _key_versions(world) != {2}:
            await world.service.rotation.look()  # the service's own first look may be under way
    assert await reveal(world, made.id, made.id) == VALUE
    world.config.master_key.unlink()
    world.service.secrets.vault = Vault(world.config.master_key)
    with pytest.raises(Precondition) as caught:
        await reveal(world, made.id, made.id)

    assert caught.value.reason == "SECRET_UNREADABLE"
    assert "set it again" in caught.value.message
