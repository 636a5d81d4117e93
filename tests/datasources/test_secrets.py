"""Secrets: where they lie, who may refer to them, and that nobody ever sees one."""

import asyncio
import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc.aio
import psycopg
import pytest

from chassis import logs, vault
from chassis.errors import Denied, Invalid, Precondition, ServiceError
from chassis.rewrap import Rotation
from chassis.vault import Vault
from datasources.references import References
from datasources.tables import metadata
from mcpanel.datasources.v1 import datasources_pb2 as pb
from tests.datasources.calls import create, get, sales, update
from tests.datasources.conftest import Target, World
from tests.support.callers import ADMIN, EDITOR, as_caller

CANARY = "canary-5f0e7a1c9b"


async def test_rotation_wraps_every_secret_anew(world: World, target: Target) -> None:
    await world.create(target.data_source())
    vault.rotate(world.config.master_key)

    wrapped = await world.service.rotation.look()

    assert wrapped == 1
    assert await world.service.rotation.look() == 0
    assert await world.value("SELECT 1") == 1.0


async def test_rotation_is_on_record_once_with_which_key_became_which_and_how_many_were_wrapped(
    world: World, target: Target
) -> None:
    await world.create(target.data_source())
    await world.create(target.data_source("another"))
    vault.rotate(world.config.master_key)
    replica = Rotation(
        world.service.db,
        Vault(world.config.master_key),
        world.service.rotation._places,
        service="datasources",
    )

    await asyncio.gather(world.service.rotation.look(), replica.look())
    await replica.look()

    entries = [one for one in await world.records() if one["entity_type"] == "master_key"]
    [rotated] = [one for one in entries if one["action"] == "MASTER_KEY_ROTATED"]
    first, second = world.service.vault.key_ids.values()
    assert rotated["details"] == {
        "old": {"version": 1, "key_id": first},
        "new": {"version": 2, "key_id": second},
    }
    assert rotated["actor"]["id"] == "datasources"
    wrapped = [one["details"] for one in entries if one["action"] == "SECRETS_REWRAPPED"]
    assert sum(one["count"] for one in wrapped) == 2
    assert wrapped[-1] == {"version": 2, "count": wrapped[-1]["count"], "left": 0}


async def test_without_its_master_key_a_secret_does_not_open(world: World, target: Target) -> None:
    await world.create(target.data_source())
    world.config.master_key.unlink()
    world.service.connections._credentials._vault = Vault(world.config.master_key)

    with pytest.raises(Precondition) as caught:
        await world.query("SELECT 1")

    assert caught.value.reason == "CONNECTION_FAILED"
    assert "master key" in caught.value.message


# --- use


async def test_each_use_of_a_secret_is_on_record_with_who_it_was_for(world: World, target: Target) -> None:
    world.environ["MCPANEL_SECRET_DB"] = str(urlsplit(target.url).password)
    source = await world.create(target.data_source(secret_ref="env:MCPANEL_SECRET_DB"))

    await world.value("SELECT 1")
    await world.value("SELECT 2")  # over the same connection

    [entry] = [one for one in await world.records() if one["action"] == "SECRET_USED"]
    assert (entry["actor"]["id"], entry["entity_id"]) == (EDITOR.id, source.id)
    assert entry["method"].endswith("/ExecuteQuery")
    assert entry["details"]["secret_ref"] == "env:MCPANEL_SECRET_DB"
    assert world.environ["MCPANEL_SECRET_DB"] not in str(entry)


async def test_a_secret_whose_use_cannot_be_recorded_is_not_used(world: World, target: Target) -> None:
    await world.create(target.data_source())
    with psycopg.connect(world.config.database_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE outbox RENAME TO gone")

        with pytest.raises(ServiceError):
            await world.value("SELECT 1")

        owner.execute("ALTER TABLE gone RENAME TO outbox")
    assert world.service.pools.open == 0
    assert [one["action"] for one in await world.records()] == ["DATA_SOURCE_CREATED"]
    assert await world.value("SELECT 1") == 1


async def test_a_failure_after_a_use_is_recorded_beside_it(world: World, target: Target) -> None:
    await world.create(target.data_source(port=1))

    with pytest.raises(grpc.aio.AioRpcError):
        await world.stub.ScanSchema(pb.ScanSchemaRequest(data_source_id="sample"), metadata=as_caller(ADMIN))

    assert [one["action"] for one in await world.records()][1:] == ["SECRET_USED", "DATA_SOURCE_SCANNED"]


# --- references


@pytest.fixture
def references(tmp_path: Path) -> References:
    """References to one variable and one file."""
    folder = tmp_path / "secrets"
    (folder / "deep").mkdir(parents=True)
    (folder / "password").write_text("hunter2\n")
    (folder / "deep" / "one").write_text("hunter3")
    (folder / "inside").symlink_to(folder / "deep" / "one")
    (tmp_path / "outside").write_text(CANARY)
    (folder / "escape").symlink_to(tmp_path / "outside")
    (folder / "up").symlink_to(tmp_path)
    (folder / "empty").write_text("")
    (folder / "long").write_text("x" * 5000)
    environ = {"MCPANEL_SECRET_A": "hunter1", "MCPANEL_DATABASE_URL": CANARY, "MCPANEL_SECRETS_DIR": CANARY}
    return References(environ, folder)


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("env:MCPANEL_SECRET_A", "hunter1"),
        ("file:password", "hunter2"),
        ("file:deep/one", "hunter3"),
        ("file:inside", "hunter3"),
    ],
)
def test_a_reference_is_read(reference: str, value: str, references: References) -> None:
    assert references.read(reference) == value


@pytest.mark.parametrize(
    "reference",
    [
        "env:MCPANEL_DATABASE_URL",
        "env:MCPANEL_SECRETS_DIR",
        "env:MCPANEL_SECRET_",
        "env:MCPANEL_SECRET_MISSING",
        "env:mcpanel_secret_a",
        "env:PATH",
        "file:missing",
        "file:../outside",
        "file:deep/../../outside",
        "file:/etc/passwd",
        "file:escape",
        "file:up/outside",
        "file:deep",
        "file:.",
        "file:",
        "file:empty",
        "file:long",
        "file:password\n",
        "vault:x",
        "password",
    ],
)
def test_a_reference_beyond_what_is_allowed_is_refused(reference: str, references: References) -> None:
    with pytest.raises(Invalid) as caught:
        references.read(reference)

    assert caught.value.reason == "SECRET_REFERENCE_INVALID"
    assert CANARY not in caught.value.message


def test_without_a_folder_no_file_is_read() -> None:
    with pytest.raises(Invalid, match="MCPANEL_SECRETS_DIR"):
        References({}, None).read("file:password")


async def test_administrators_may_refer_to_secrets(world: World, target: Target) -> None:
    world.environ["MCPANEL_SECRET_TARGET"] = target.data_source().secret_value
    (world.config.secrets_dir or Path()).joinpath("target").write_text(target.data_source().secret_value)

    for name, reference in (("by-env", "env:MCPANEL_SECRET_TARGET"), ("by-file", "file:target")):
        made = await world.create(target.data_source(name, secret_ref=reference))

        assert made.has_secret
        assert not made.secret_ref
        assert await world.value("SELECT 1", source=name) == 1.0


async def test_others_may_not_refer_to_secrets_nor_learn_which_exist(world: World) -> None:
    await create(world, sales())

    for reference in ("env:MCPANEL_SECRET_A", "env:MCPANEL_SECRET_MISSING"):
        with pytest.raises(Denied):
            await create(world, sales(name="other", secret_ref=reference), caller=EDITOR)
        with pytest.raises(Denied):
            await update(world, pb.DataSource(secret_ref=reference), caller=EDITOR)


async def test_a_reference_to_nothing_is_refused_when_it_is_set(world: World) -> None:
    with pytest.raises(Invalid) as caught:
        await create(world, sales(secret_ref="env:MCPANEL_SECRET_MISSING"))

    assert caught.value.reason == "SECRET_REFERENCE_INVALID"


# --- a stored secret does not follow a change that would show it to somebody


@pytest.mark.parametrize(
    "fields", [{"host": "127.0.0.2"}, {"port": 6543}, {"tls_mode": pb.DataSource.DISABLED}]
)
async def test_a_stored_secret_is_not_sent_elsewhere_by_who_does_not_know_it(
    fields: dict[str, Any], world: World
) -> None:
    await create(world, sales(secret_value=CANARY), caller=EDITOR)

    with pytest.raises(Invalid) as caught:
        await update(world, pb.DataSource(**fields), caller=EDITOR)

    assert caught.value.fields[0].field == "data_source.secret_value"
    assert (await update(world, pb.DataSource(**fields, secret_value="mine"), caller=EDITOR)).has_secret
    assert (await update(world, pb.DataSource(host="127.0.0.3"), caller=ADMIN)).host == "127.0.0.3"


async def test_a_secret_is_replaced_kept_and_taken_away(world: World, target: Target) -> None:
    await world.create(target.data_source("sales"))
    right = target.data_source().secret_value

    await update(world, pb.DataSource(description="kept"))
    assert await world.value("SELECT 1", source="sales") == 1.0
    await update(world, pb.DataSource(secret_value="wrong"))
    with pytest.raises(Precondition) as caught:
        await world.query("SELECT 1", source="sales")
    assert "wrong user name or password" in caught.value.message
    await update(world, pb.DataSource(secret_value=right))
    assert await world.value("SELECT 1", source="sales") == 1.0
    assert not (await update(world, pb.DataSource(), "secret_value")).has_secret
    with pytest.raises(Precondition) as caught:
        await world.query("SELECT 1", source="sales")
    assert "wants a password" in caught.value.message


# --- the canary


async def test_a_secret_is_in_no_answer_no_record_no_table_and_no_log(
    world: World, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = sales(secret_value=CANARY, port=target.data_source().port)
    answers: list[Any] = [
        await create(world, source, request_id="one"),
        await create(world, source, request_id="one"),
        await update(world, pb.DataSource(secret_value=CANARY, description="x"), request_id="two"),
        await get(world),
        await world.stub.ListDataSources(pb.ListDataSourcesRequest(), metadata=as_caller(ADMIN)),
        await world.stub.TestConnection(
            pb.TestConnectionRequest(data_source_id="sales"), metadata=as_caller(ADMIN)
        ),
    ]
    with pytest.raises(ServiceError) as caught:
        await world.query("SELECT 1", source="sales")
    answers += [caught.value, caught.value.metadata]

    async with world.service.db.read() as tx:
        tables = [(await tx.execute(table.select())).all() for table in metadata.sorted_tables]

    format_ = logs.JsonFormatter("datasources").format
    for text in (str(answers), repr(tables), "".join(map(format_, caplog.records))):
        assert CANARY not in text
    assert CANARY.encode() not in b"".join(_bytes(tables))


def _bytes(tables: list[Any]) -> list[bytes]:
    cells = [cell for rows in tables for row in rows for cell in row]
    return [bytes(cell) for cell in cells if isinstance(cell, (bytes, memoryview))]
