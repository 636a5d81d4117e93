"""Key files and service accounts, made where they are missing."""

import asyncio
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from chassis.database import Database, Transaction
from identity import bootstrap, store
from identity.authenticator import LocalAuthenticator
from identity.domain.api_keys import FILE_KEY
from identity.signing import SECRET_FILE, Signer, SigningKeyError, load
from identity.tables import api_keys, metadata, service_accounts, signing_keys
from tests.identity.records import move, records

NAMES = {"admin", "worker", "registry", "engine", "datasources", "audit", "identity", "gateway"}


@pytest.fixture
async def fresh(fresh_url: str) -> AsyncIterator[Database]:
    """A migrated database that nobody bootstrapped."""
    database = Database(fresh_url, metadata, name="test")
    yield database
    await database.close()


async def account_id(tx: Transaction, name: str) -> str:
    return str(await tx.scalar(select(service_accounts.c.id).where(service_accounts.c.name == name)))


async def run(db: Database, keys: Path) -> list[str]:
    return await bootstrap.run(db, keys, keys / "signing.key")


async def works(db: Database, key: str) -> bool:
    try:
        await LocalAuthenticator(db, lambda _: None, lambda _: None).by_secret(key)
    except Exception:
        return False
    return True


def content(keys: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in keys.iterdir()}


async def test_every_account_gets_a_private_key_file(fresh: Database, tmp_path: Path) -> None:
    keys = tmp_path / "keys"

    done = await run(fresh, keys)

    assert {path.stem for path in keys.iterdir()} == NAMES | {"signing"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.iterdir()} == {0o600}
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert len(done) == len(NAMES) + 2
    for name in NAMES:
        assert await works(fresh, (keys / f"{name}.key").read_text().strip())


async def test_no_key_is_printed_or_recorded(fresh: Database, tmp_path: Path) -> None:
    done = await run(fresh, tmp_path)

    told = "\n".join(done) + repr(await records(fresh))
    for text in content(tmp_path).values():
        assert text.strip() not in told
    assert len(await records(fresh, "SERVICE_ACCOUNT_CREATED")) == len(NAMES)
    assert len(await records(fresh, "API_KEY_CREATED")) == len(NAMES)


async def test_a_second_run_does_nothing(fresh: Database, tmp_path: Path) -> None:
    await run(fresh, tmp_path)
    before = content(tmp_path)

    assert await run(fresh, tmp_path) == []
    assert content(tmp_path) == before


async def test_runs_at_once_agree(fresh: Database, tmp_path: Path) -> None:
    await asyncio.gather(run(fresh, tmp_path), run(fresh, tmp_path))

    async with fresh.read() as tx:
        working = await tx.scalar(select(func.count()).where(api_keys.c.revoked_at.is_(None)))
        accounts = await tx.scalar(select(func.count()).select_from(service_accounts))
    assert working == accounts == len(NAMES)
    assert await works(fresh, (tmp_path / "admin.key").read_text().strip())


async def test_a_lost_key_file_gets_a_fresh_key_and_the_old_one_is_revoked(
    fresh: Database, tmp_path: Path
) -> None:
    await run(fresh, tmp_path)
    before = content(tmp_path)
    (tmp_path / "worker.key").unlink()

    [done] = await run(fresh, tmp_path)

    after = content(tmp_path)
    assert "worker.key" in done
    assert not await works(fresh, before["worker.key"].strip())
    assert await works(fresh, after["worker.key"].strip())
    assert {name: text for name, text in after.items() if name != "worker.key"} == {
        name: text for name, text in before.items() if name != "worker.key"
    }
    assert len(await records(fresh, "API_KEY_REVOKED")) == 1


@pytest.mark.parametrize("wrong", ["", "nonsense", "another account's"])
async def test_a_file_whose_key_does_not_work_is_replaced(
    fresh: Database, tmp_path: Path, wrong: str
) -> None:
    await run(fresh, tmp_path)
    other = (tmp_path / "engine.key").read_text()
    (tmp_path / "worker.key").write_text(other if wrong == "another account's" else wrong)

    await run(fresh, tmp_path)

    assert (tmp_path / "worker.key").read_text() not in ("", "nonsense", other)
    assert await works(fresh, (tmp_path / "worker.key").read_text().strip())
    assert await works(fresh, other.strip())


async def test_the_operators_other_keys_survive_a_lost_file(fresh: Database, tmp_path: Path) -> None:
    await run(fresh, tmp_path)
    async with fresh.begin() as tx:
        [made] = await store.keys.lock_working_of_account(tx, await account_id(tx, "admin"), FILE_KEY)
        await store.keys.add(tx, replace(made, id="other", lookup="other", name="ci", made_with=made.id))
    (tmp_path / "admin.key").unlink()

    await run(fresh, tmp_path)

    async with fresh.read() as tx:
        other = await store.keys.find(tx, "other")
    assert other is not None
    assert other.revoked_at is None


async def test_a_new_signing_key_retires_the_old_one_which_still_verifies(
    fresh: Database, tmp_path: Path
) -> None:
    await run(fresh, tmp_path)
    old = load(tmp_path / "signing.key")
    signer = Signer(tmp_path / "signing.key")
    (tmp_path / "signing.key").unlink()

    await run(fresh, tmp_path)

    new = load(tmp_path / "signing.key")
    async with fresh.read() as tx:
        published = await store.signing_keys.published(tx)
        assert await store.signing_keys.is_current(tx, new.public.kid)
        assert not await store.signing_keys.is_current(tx, old.public.kid)
    assert published == [new.public, old.public]
    assert signer.key.public == new.public


async def test_a_rotation_publishes_the_new_key_beside_the_old_one_and_keeps_the_rest(
    fresh: Database, tmp_path: Path
) -> None:
    await run(fresh, tmp_path)
    signer, secret = Signer(tmp_path / "signing.key"), (tmp_path / SECRET_FILE).read_text()
    old = signer.key.public

    said = await bootstrap.rotate(fresh, tmp_path / "signing.key")

    new = signer.key.public
    async with fresh.read() as tx:
        published = await store.signing_keys.published(tx)
        current = [await store.signing_keys.is_current(tx, one.kid) for one in (new, old)]
    assert published == [new, old]
    assert current == [True, False]
    assert (tmp_path / SECRET_FILE).read_text() == secret
    assert await run(fresh, tmp_path) == []
    assert len(await records(fresh, "SIGNING_KEY_CHANGED")) == 2
    assert "signing.key" in said[0]


async def test_a_retired_key_is_published_until_its_tokens_have_expired(
    fresh: Database, tmp_path: Path
) -> None:

    await run(fresh, tmp_path)
    (tmp_path / "signing.key").unlink()
    await run(fresh, tmp_path)

    counts = []
    for minutes in (0, -69, -2):
        await move(fresh, signing_keys, "retired_at", timedelta(minutes=minutes))
        async with fresh.read() as tx:
            counts.append(len(await store.signing_keys.published(tx)))

    assert counts == [2, 2, 1]


async def test_a_damaged_signing_key_is_never_replaced_silently(fresh: Database, tmp_path: Path) -> None:
    await run(fresh, tmp_path)
    (tmp_path / "signing.key").write_text("nonsense")

    with pytest.raises(SigningKeyError, match=r"signing\.key cannot be used"):
        await run(fresh, tmp_path)

    assert (tmp_path / "signing.key").read_text() == "nonsense"


async def test_the_signing_key_of_another_database_is_taken_over(fresh: Database, tmp_path: Path) -> None:
    await run(fresh, tmp_path)
    key = load(tmp_path / "signing.key").public

    async with fresh.begin() as tx:
        await tx.execute(signing_keys.delete())
    await run(fresh, tmp_path)

    async with fresh.read() as tx:
        assert await store.signing_keys.published(tx) == [key]
