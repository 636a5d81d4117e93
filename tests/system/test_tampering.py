"""Somebody with the database in hand edits the action log: VerifyLog names the entry. What was edited is put back."""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.stack import Stack
from tests.system.console import Console, fresh

Edit = Callable[[psycopg.Connection[Any], int], None]


def edit_the_row(connection: psycopg.Connection[Any], index: int) -> None:
    """Makes another actor responsible."""
    connection.execute("update entries set actor_name = 'somebody else' where index = %s", (index,))


def edit_the_row_and_its_leaf(connection: psycopg.Connection[Any], index: int) -> None:
    """Edits the row, and stores another leaf hash beside it."""
    edit_the_row(connection, index)
    leaf = hashlib.sha256(b"\0whatever").digest()
    connection.execute("update entries set leaf_hash = %s where index = %s", (leaf, index))


@contextmanager
def tampered(stack: Stack, edit: Edit, index: int) -> Any:
    """The log with one entry edited, its triggers switched off for it; afterwards as it was."""
    with stack.superuser("audit") as connection:
        connection.autocommit = True
        connection.execute("set session_replication_role = replica")
        connection.execute("create temp table kept as select * from entries where index = %s", (index,))
        edit(connection, index)
        yield
        connection.execute("delete from entries where index = %s", (index,))
        connection.execute("insert into entries select * from kept")


@pytest.mark.parametrize("edit", [edit_the_row, edit_the_row_and_its_leaf])
async def test_an_edited_entry_is_named(stack: Stack, admin: Console, edit: Edit) -> None:
    definition = {"name": fresh("proof"), "type": "DATA"}
    made = await admin.call("POST", "/api/v1/mcp-definitions", json={"definition": definition})
    entry = (await admin.action_logs(f'entity_id = "{made["definition"]["id"]}"'))[0]

    scope: AbstractContextManager[None] = tampered(stack, edit, entry["index"])
    with scope:
        found = await admin.call("POST", "/api/v1/action-logs:verify", json={})
    mended = await admin.call("POST", "/api/v1/action-logs:verify", json={})

    assert not found["ok"]
    assert [problem["index"] for problem in found["problems"]] == [entry["index"]]
    assert found["problems"][0]["actionLogId"] == entry["id"]
    assert mended["ok"]


async def test_an_export_over_rest_is_verified_offline_with_the_key_of_the_log(
    stack: Stack, admin: Console, tmp_path: Path
) -> None:
    export, edited, key = (tmp_path / name for name in ("export.ndjson", "edited.ndjson", "pinned.key"))
    export.write_text((await admin.http.get("/api/v1/action-logs:export")).text)
    lines = export.read_text().splitlines()
    place = next(at for at, line in enumerate(lines) if '"outcome":"OK"' in line)
    lines[place] = lines[place].replace('"outcome":"OK"', '"outcome":"INTERNAL"')
    edited.write_text("\n".join(lines))

    signing = stack.home.path / "keys" / "audit.signing.key"
    key.write_text(_python("-m", "audit", "key", str(signing)).stdout)
    whole = _python("-I", "-m", "audit.verify", str(export), "--key", str(key))
    forged = _python("-I", "-m", "audit.verify", str(edited), "--key", str(key))

    assert (whole.returncode, whole.stderr) == (0, "")
    count = sum('{"entry":' in line for line in lines)
    assert whole.stdout.startswith(f"verified: {count} entries of mcpanel.local/audit from 0")
    assert (forged.returncode, forged.stdout.split(" ")[0]) == (1, "ENTRY_CHANGED")


async def test_the_log_is_watched_and_downloaded_through_the_edge(admin: Console) -> None:
    async with admin.http.stream("GET", "/api/v1/action-logs:watch?page_size=1") as answer:
        lines = answer.aiter_lines()
        async with asyncio.timeout(30):
            first, live = [json.loads(await anext(lines)) for _ in range(2)]

    table = await admin.http.get(
        "/api/v1/action-logs.csv", params={"from_index": first["actionLog"]["index"]}
    )

    assert "live" in live
    assert table.headers["content-type"].startswith("text/csv")
    assert first["actionLog"]["id"] in table.text


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What a process says that has nothing of the suite's environment."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env={})
