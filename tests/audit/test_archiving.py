"""Old entries become files that prove themselves; what is younger stays, provable as before."""

import asyncio
import gzip
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit import archiving
from audit.__main__ import run as audit
from audit.archiving import Archive, Archivist, SegmentBroken
from audit.domain import Segment
from audit.merkle import verify_inclusion
from audit.witness.shelf import Shelf
from chassis import errors
from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.conftest import ORIGIN, Start, World, records
from tests.audit.exports import fetched, judged, problems
from tests.support.callers import ADMIN, as_caller

LATER = timedelta(days=1)


@pytest.fixture
async def log_of_9(start: Start) -> World:
    """Nine entries in four batches."""
    world = await start()
    await world.append(records(0, 2), records(2, 5), records(5, 6), records(6, 9))
    return world


async def archived(world: World, folder: Path, before: datetime, segment: int = 100) -> list[Segment]:
    """The segments of one run."""
    archive = Archive(world.db, world.signer, Shelf(str(folder), ORIGIN))
    return [one async for one in archive.run(before, segment)]


async def signed_at(world: World, size: int) -> datetime:
    """When the checkpoint of so many entries was signed."""
    row = world.owner.execute("SELECT signed_at FROM checkpoints WHERE tree_size = %s", (size,)).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.ndjson.gz"))


async def test_what_is_old_becomes_files_that_verify_offline(log_of_9: World, tmp_path: Path) -> None:
    before = await signed_at(log_of_9, 9)

    found = await archived(log_of_9, tmp_path, before, segment=4)

    assert [(one.first, one.end) for one in found] == [(0, 2), (2, 6)]
    for one, path in zip(found, files(tmp_path), strict=True):
        assert hashlib.sha256(path.read_bytes()).digest() == one.sha256
        verdict = judged(gzip.decompress(path.read_bytes()).decode(), log_of_9.signer.verifier, part=True)
        assert (verdict.problems, verdict.first, verdict.entries) == ((), one.first, one.end - one.first)
    assert [one.index for one in (await log_of_9.page()).action_logs] == [8, 7, 6]


async def test_the_service_archives_by_itself_what_it_does_not_have_to_keep(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archivist.archive

    async def a_month_later(self: Archivist, before: datetime) -> bool:
        return await archive(self, before + timedelta(days=31))

    monkeypatch.setattr(Archivist, "archive", a_month_later)
    await (await start()).append(records(0, 3))

    world = await start(archive=str(tmp_path), keep_days=30)

    async with asyncio.timeout(60):
        while (await world.page()).action_logs:
            await asyncio.sleep(0.02)
    assert len(files(tmp_path)) == 1


async def test_an_archive_that_cannot_be_written_is_said_and_tried_again(
    log_of_9: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = Shelf(str(tmp_path / "gone"), ORIGIN)
    (tmp_path / "gone").rmdir()
    (tmp_path / "gone").write_text("a file")
    archivist = Archivist(log_of_9.db, lambda: log_of_9.signer, shelf, timedelta())

    assert not await archivist.archive(datetime.now(UTC) + LATER)
    (tmp_path / "gone").unlink()
    assert await archivist.archive(datetime.now(UTC) + LATER)

    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == [
        "entries could not be archived"
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["archive", "PLACE", "0"], "DAYS has to be a whole number from 1 to 3650, not '0'"),
        (["archive", "PLACE", "x"], "DAYS has to be a whole number from 1 to 3650, not 'x'"),
        (["archive", "PLACE"], "archive takes PLACE, a folder or a bucket (s3://...), and DAYS"),
        (["rotate", "FILE", "3651"], "DAYS has to be a whole number from 0 to 3650, not '3651'"),
        (["key"], "key takes FILE"),
        (["migrate", "now"], "migrate takes nothing more"),
        (["archives"], "there is no command 'archives'"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(arguments) == 2

    usage, said = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: python -m audit [migrate | ")
    assert said.startswith(f"error: {why}")


async def test_what_is_younger_is_verified_proved_exported_and_appended_to_as_before(
    log_of_9: World, tmp_path: Path
) -> None:
    kept = (await log_of_9.checkpoint()).note
    await archived(log_of_9, tmp_path, await signed_at(log_of_9, 9))

    await log_of_9.append(records(9, 12))

    verdict = await log_of_9.verify()
    assert (verdict.ok, verdict.first_index, verdict.tree_size) == (True, 6, 12)
    checkpoint = await log_of_9.checkpoint()
    assert verdict.root_hash == checkpoint.root_hash
    asked = pb.GetInclusionProofRequest(action_log_id="r7")
    proof = await log_of_9.stub.GetInclusionProof(asked, metadata=as_caller(ADMIN))
    verify_inclusion(
        7,
        12,
        bytes.fromhex(proof.leaf_hash),
        [bytes.fromhex(one) for one in proof.hashes],
        bytes.fromhex(checkpoint.root_hash),
    )
    assert problems(await fetched(log_of_9.stub, 6), log_of_9.signer.verifier, [kept], part=True) == []


async def test_what_was_archived_is_named_with_where_to_go_on(log_of_9: World, tmp_path: Path) -> None:
    await archived(log_of_9, tmp_path, await signed_at(log_of_9, 9))

    with pytest.raises(errors.OutOfRange) as exporting:
        await fetched(log_of_9.stub)
    watched = aiter(
        log_of_9.stub.WatchActionLogs(pb.WatchActionLogsRequest(from_index=5), metadata=as_caller(ADMIN))
    )
    with pytest.raises(errors.OutOfRange) as watching:
        await anext(watched)

    assert exporting.value.metadata["first_index"] == watching.value.metadata["first_index"] == "6"


async def test_an_edit_behind_what_was_archived_is_still_named(log_of_9: World, tmp_path: Path) -> None:
    await archived(log_of_9, tmp_path, await signed_at(log_of_9, 9))

    log_of_9.sabotage("UPDATE entries SET action = 'x' WHERE index = 7")

    assert await log_of_9.problems() == [("ENTRY_CHANGED", 7)]


async def test_entries_that_are_only_said_to_be_archived_are_noticed(log_of_9: World) -> None:
    log_of_9.sabotage("DELETE FROM entries WHERE index < 4")
    log_of_9.sabotage("INSERT INTO segments VALUES (0, 4, 'x', 'nowhere', now())")

    assert ("CHECKPOINT_MISMATCH", 4) in await log_of_9.problems()  # no checkpoint ends there


async def test_entries_that_the_log_never_said_to_be_archived_are_missing(log_of_9: World) -> None:
    log_of_9.sabotage("DELETE FROM entries WHERE index < 5")
    log_of_9.sabotage("INSERT INTO segments VALUES (0, 5, 'x', 'nowhere', now() - interval '1 hour')")

    assert await log_of_9.problems() == [("ENTRY_MISSING", 0)]


async def test_what_the_log_says_to_be_archived_is_not_missing_however_long_ago(
    start: Start, tmp_path: Path
) -> None:
    world = await start(relaying=True)
    await world.append(records(0, 4))
    await archived(world, tmp_path, datetime.now(UTC) + LATER)
    await world.append(records(4, 5))
    async with asyncio.timeout(30):
        while not (await world.page('action = "ACTION_LOG_ARCHIVED"')).action_logs:
            await asyncio.sleep(0.05)

    world.owner.execute("UPDATE segments SET archived_at = archived_at - interval '1 hour'")

    assert await world.problems() == []


async def test_an_archive_is_in_the_log_and_names_its_files(log_of_9: World, tmp_path: Path) -> None:
    [segment] = await archived(log_of_9, tmp_path, await signed_at(log_of_9, 9))

    async with log_of_9.db.read() as tx:
        [row] = (await tx.execute(log_of_9.db.tables.outbox.select())).all()
    assert row.record["action"] == "ACTION_LOG_ARCHIVED"
    assert row.record["details"]["new"] == {
        "first_index": 0,
        "end_index": 6,
        "place": segment.place,
        "sha256": segment.sha256.hex(),
    }


async def test_personal_values_stay_where_they_can_be_forgotten(log_of_9: World, tmp_path: Path) -> None:
    await archived(log_of_9, tmp_path, datetime.now(UTC) + LATER)

    [path] = files(tmp_path)
    assert b"ada@example.com" not in gzip.decompress(path.read_bytes())
    assert b'"c2:' in gzip.decompress(path.read_bytes())


async def test_nothing_is_removed_that_does_not_read_back_as_it_was(log_of_9: World, tmp_path: Path) -> None:
    log_of_9.sabotage("UPDATE entries SET action = 'x' WHERE index = 3")
    with pytest.raises(SegmentBroken, match="ENTRY_CHANGED 3"):
        await archived(log_of_9, tmp_path, datetime.now(UTC) + LATER)

    files(tmp_path)[0].write_bytes(b"half")
    with pytest.raises(SegmentBroken, match="cannot be read back"):
        await archived(log_of_9, tmp_path, datetime.now(UTC) + LATER)

    assert len((await log_of_9.page()).action_logs) == 9


async def test_a_run_that_ended_in_between_is_gone_on_with(
    log_of_9: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "_CHUNK", 2)
    stopping = Archive(log_of_9.db, log_of_9.signer, Shelf(str(tmp_path), ORIGIN))
    removing, stopping_at = Archive._remove, iter((False, True))

    async def fail(archive: Archive) -> None:
        if next(stopping_at):
            raise KeyboardInterrupt
        await removing(archive)

    monkeypatch.setattr(Archive, "_remove", fail)
    with pytest.raises(KeyboardInterrupt):
        [_ async for _ in stopping.run(await signed_at(log_of_9, 9))]
    monkeypatch.setattr(Archive, "_remove", removing)
    recorded = len((await log_of_9.page()).action_logs)

    again = await archived(log_of_9, tmp_path, await signed_at(log_of_9, 9))

    assert (recorded, again) == (9, [])
    assert [one.index for one in (await log_of_9.page()).action_logs] == [8, 7, 6]


async def test_an_emptied_log_goes_on(log_of_9: World, tmp_path: Path) -> None:
    await archived(log_of_9, tmp_path, datetime.now(UTC) + LATER)

    empty = await log_of_9.verify()
    await log_of_9.append(records(9, 10))

    assert (empty.ok, (await log_of_9.verify()).ok, (await log_of_9.checkpoint()).tree_size) == (
        True,
        True,
        10,
    )
