"""Migrations of a real service: once, by one at a time, and checked before it serves."""

import asyncio
import json
import subprocess
import sys

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, inspect, text
from sqlalchemy.engine import make_url

from chassis import migrations
from chassis.database import Database
from chassis.migrations import RevisionError
from tests.support.servers import TestPostgres

SERVICES = ("registry", "engine", "datasources", "audit", "identity")


def tables(url: str) -> set[str]:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


@pytest.mark.parametrize("service", SERVICES)
def test_the_migrations_make_exactly_the_tables_of_the_code(postgres: TestPostgres, service: str) -> None:
    url = postgres.create_database("migrated")

    first, second = migrations.upgrade(url, service), migrations.upgrade(url, service)

    assert (first, second) == (True, False)
    assert migrations.current(url) == migrations.head(service)
    assert {"outbox", "idempotency"} <= tables(url)
    migrations.check(url, service)


@pytest.mark.parametrize("service", SERVICES)
def test_the_newest_revision_is_the_one_that_alembic_finds(service: str) -> None:
    config = Config()
    config.set_main_option("script_location", f"{service}:migrations")
    config.set_main_option("path_separator", "os")

    assert migrations.head(service) == ScriptDirectory.from_config(config).get_current_head()


def test_a_process_that_only_serves_does_without_alembic() -> None:
    modules = ", ".join(f"{name}.__main__" for name in (*SERVICES, "gateway"))
    program = f"import sys, {modules}; sys.exit('alembic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


async def test_two_migrations_at_once_become_one_after_the_other(postgres: TestPostgres) -> None:
    url = postgres.create_database("migrated")

    await asyncio.gather(*(asyncio.to_thread(run_apart, url) for _ in range(2)))

    assert migrations.current(url) == migrations.head("registry")


def run_apart(url: str) -> None:
    """Migrates in a process of its own, since alembic's context is one a process."""
    program = [sys.executable, "-m", "chassis.migrations"]
    done = subprocess.run(
        program, input=json.dumps({"registry": url}), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert url not in done.stdout + done.stderr


async def test_a_service_refuses_a_database_that_is_behind(postgres: TestPostgres) -> None:
    db = Database(postgres.create_database("behind"), MetaData())

    with pytest.raises(RevisionError, match="run python -m registry migrate"):
        await migrations.require_head(db, "registry")
    await db.close()


async def test_a_service_says_when_its_database_is_not_there() -> None:
    db = Database("postgresql://u:hunter2@127.0.0.1:1/none", MetaData())

    with pytest.raises(RevisionError, match="cannot be reached") as caught:
        await migrations.require_head(db, "registry")

    assert "hunter2" not in str(caught.value)
    await db.close()


def test_a_migration_that_fails_leaves_no_lock_behind(postgres: TestPostgres) -> None:
    url = postgres.create_database("failing")
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("create table outbox (x int)"))

    with pytest.raises(Exception, match="already exists"):
        migrations.upgrade(url, "registry")
    with engine.begin() as connection:
        connection.execute(text("drop table outbox"))
    done = migrations.upgrade(url, "registry")

    assert done
    engine.dispose()
