"""What the audit service needs before it serves: its key, its tables, its configuration."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audit import keys
from chassis import migrations
from tests.support.servers import TestPostgres


def test_the_first_start_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    folder = tmp_path / "keys"

    made = keys.load_or_create(folder, "test.local/audit")

    assert (folder / keys.FILE).stat().st_mode & 0o777 == 0o600
    assert keys.load_or_create(folder, "test.local/audit")().secret() == made().secret()
    assert [path.name for path in folder.iterdir()] == [keys.FILE]


def test_two_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(lambda _: keys.load_or_create(tmp_path, "test.local/audit")().secret(), range(8))
        )

    assert len(set(made)) == 1


def test_a_key_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    keys.load_or_create(tmp_path, "test.local/audit")

    with pytest.raises(keys.KeyFileError, match=r"is the key of the log 'test\.local/audit'"):
        keys.load_or_create(tmp_path, "other.local/audit")
    (tmp_path / keys.FILE).write_text("PRIVATE+KEY+half")
    with pytest.raises(keys.KeyFileError, match="is not a signing key"):
        keys.load_or_create(tmp_path, "test.local/audit")


def test_the_tables_in_code_are_those_the_migrations_make(postgres: TestPostgres) -> None:
    url = postgres.create_database("audit", migrate="audit")

    migrations.check(url, "audit")
    migrations.downgrade(url, "audit", "base")
    migrations.upgrade(url, "audit")
    migrations.check(url, "audit")


def test_a_service_on_an_unmigrated_database_refuses_to_start(postgres: TestPostgres, tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "MCPANEL_DATABASE_URL": postgres.create_database("audit"),
        "MCPANEL_HOME": str(tmp_path),
        "MCPANEL_LISTEN": "127.0.0.1:0",
        "MCPANEL_ENV_FILE": os.devnull,
    }

    done = subprocess.run(
        [sys.executable, "-m", "audit"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "run python -m audit migrate" in done.stdout + done.stderr


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "MCPANEL_ENV_FILE": os.devnull}

    done = subprocess.run(
        [sys.executable, "-m", "audit"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert "MCPANEL_DATABASE_URL is not set" in done.stderr
