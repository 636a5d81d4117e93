"""Artifacts: stored whole or not at all, under the attempt that made them, and read back in chunks."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from engine.artifacts import Folder
from engine.sweep import AGE, Sweep
from mcpanel.engine.v1 import engine_pb2, worker_pb2, worker_pb2_grpc
from tests.engine.conftest import Engine
from tests.engine.support.errors import refused
from tests.engine.support.files import files_in, grow_old, read
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker
from tests.support.callers import EDITOR, WORKER, as_caller

Upload = worker_pb2.UploadArtifactRequest


async def upload(engine: Engine, ref: Any, name: str, *chunks: bytes, media_type: str = "") -> Any:
    async def requests() -> Any:
        yield Upload(header=Upload.Header(ref=ref, name=name, media_type=media_type))
        for chunk in chunks:
            yield Upload(chunk=chunk)

    stub = worker_pb2_grpc.WorkerServiceStub(engine.channel)
    return (await stub.UploadArtifact(requests(), metadata=as_caller(WORKER))).artifact


@pytest.fixture
async def attempt(engine: Engine, peers: Peers, worker: FakeWorker) -> Attempt:
    peers.registry.workflow({"id": "a"})
    worker.code["a"] = Attempt.hang
    await engine.start_run()
    async with asyncio.timeout(10):
        while not worker.holding:
            await asyncio.sleep(0.01)
    return next(iter(worker.holding.values()))


async def test_a_file_comes_back_as_it_went_in(engine: Engine, attempt: Attempt) -> None:
    content = bytes(range(256)) * 1000

    stored = await upload(engine, attempt.ref, "chart.svg", content[:100_000], content[100_000:])

    assert (stored.media_type, stored.size_bytes) == ("image/svg+xml", len(content))
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert await read(engine, stored.id) == (content, len(content))
    request = engine_pb2.ListArtifactsRequest(run_id=attempt.ref.run_id)
    listed = await engine.stub.ListArtifacts(request, metadata=as_caller(EDITOR))
    assert list(listed.artifacts) == [stored]


async def test_a_part_of_a_file_comes_without_the_rest(engine: Engine, attempt: Attempt) -> None:
    content = bytes(range(256)) * 1000
    stored = await upload(engine, attempt.ref, "chart.svg", content)

    async def part(offset: int, length: int = 0) -> tuple[bytes, int]:
        request = engine_pb2.ReadArtifactRequest(artifact_id=stored.id, offset=offset, length=length)
        stream = engine.stub.ReadArtifact(request, metadata=as_caller(EDITOR))
        messages = [message async for message in stream]
        return b"".join(one.chunk for one in messages), messages[-1].end.size_bytes

    assert await part(200_000, 70_000) == (content[200_000:], 56_000)
    assert await part(1, 100_000) == (content[1:100_001], 100_000)
    assert await part(256_000) == (b"", 0)
    assert await part(2**62, 10) == (b"", 0)


async def test_the_same_name_again_replaces_the_file(engine: Engine, attempt: Attempt) -> None:
    first = await upload(engine, attempt.ref, "report.md", b"one")
    second = await upload(engine, attempt.ref, "report.md", b"two", media_type="text/markdown")

    assert second.id == first.id
    assert (await read(engine, first.id))[0] == b"two"


async def test_a_stale_attempt_stores_nothing(engine: Engine, attempt: Attempt) -> None:
    ref = worker_pb2.AttemptRef()
    ref.CopyFrom(attempt.ref)
    ref.epoch += 1

    refusal = await refused(upload(engine, ref, "late.txt", b"x"))

    assert (refusal.code, refusal.reason) == ("ABORTED", "STALE_EPOCH")


async def test_a_step_reads_the_files_of_its_run_and_of_no_other(
    engine: Engine, attempt: Attempt, worker: FakeWorker
) -> None:
    stored = await upload(engine, attempt.ref, "table.bin", bytes(600_000))
    stub = worker_pb2_grpc.WorkerServiceStub(engine.channel)
    await engine.start_run()
    async with asyncio.timeout(10):
        while len(worker.holding) < 2:
            await asyncio.sleep(0.01)
    other = next(one.ref for one in worker.holding.values() if one.ref.run_id != attempt.ref.run_id)

    async def content(ref: worker_pb2.AttemptRef) -> bytes:
        request = worker_pb2.ReadStepArtifactRequest(ref=ref, artifact_id=stored.id)
        messages = [one async for one in stub.ReadStepArtifact(request, metadata=as_caller(WORKER))]
        assert messages[-1].end.size_bytes == 600_000
        return b"".join(one.chunk for one in messages)

    assert await content(attempt.ref) == bytes(600_000)
    assert (await refused(content(other))).reason == "ARTIFACT_NOT_FOUND"
    stale = worker_pb2.AttemptRef()
    stale.CopyFrom(attempt.ref)
    stale.epoch += 1
    assert (await refused(content(stale))).reason == "STALE_EPOCH"


@pytest.mark.parametrize("run_id", ["", "nonsense"])
async def test_what_no_run_is_called_by_is_stale_too(engine: Engine, run_id: str) -> None:
    refusal = await refused(upload(engine, worker_pb2.AttemptRef(run_id=run_id, step_id="a"), "x.txt", b"x"))

    assert (refusal.code, refusal.reason) == ("ABORTED", "STALE_EPOCH")


async def test_an_upload_without_a_header_or_with_a_path_for_a_name_is_refused(
    engine: Engine, attempt: Attempt
) -> None:
    async def chunks() -> Any:
        yield Upload(chunk=b"x")

    stub = worker_pb2_grpc.WorkerServiceStub(engine.channel)
    assert (
        await refused(stub.UploadArtifact(chunks(), metadata=as_caller(WORKER)))
    ).reason == "ARTIFACT_INVALID"
    assert (await refused(upload(engine, attempt.ref, "../etc/passwd", b"x"))).reason == "INVALID_FIELD"


async def test_an_artifact_that_is_not_there_is_not_found(engine: Engine) -> None:
    refusal = await refused(read(engine, "0197f000-0000-7000-8000-000000000001"))

    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "ARTIFACT_NOT_FOUND")


async def test_an_editor_may_not_upload(engine: Engine, attempt: Attempt) -> None:
    async def requests() -> Any:
        yield Upload(header=Upload.Header(ref=attempt.ref, name="x"))

    stub = worker_pb2_grpc.WorkerServiceStub(engine.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.UploadArtifact(requests(), metadata=as_caller(EDITOR))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_file_that_grows_too_large_or_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    files = Folder(tmp_path)

    async with files.upload(10) as one:
        await one.write(b"12345")
    with pytest.raises(Exception, match="at most 10 bytes"):
        async with files.upload(10) as two:
            await two.write(b"12345678901")

    assert files_in(tmp_path) == []


async def test_what_broke_off_and_what_was_replaced_is_swept_when_it_is_old(
    engine: Engine, attempt: Attempt, tmp_path: Path
) -> None:
    folder = tmp_path / "artifacts"
    sweep = Sweep(engine.built.db, Folder(folder))
    replaced = await upload(engine, attempt.ref, "report.md", b"one")
    kept = await upload(engine, attempt.ref, "report.md", b"two")
    for name in ("broken-off", "young"):
        (folder / "incoming" / name).write_bytes(b"x")
    first = [await sweep.round(), await sweep.round()]

    for path in files_in(folder):
        if path.name != "young":
            grow_old(path)
    second = [await sweep.round(), await sweep.round()]

    assert replaced.sha256 != kept.sha256
    assert (sum(first), sum(second)) == (0, 2)
    assert {path.name for path in files_in(folder)} == {"young", kept.sha256}
    assert (await read(engine, kept.id))[0] == b"two"


async def test_a_content_goes_only_when_two_visits_found_nobody_who_has_it(
    engine: Engine, attempt: Attempt, tmp_path: Path
) -> None:
    files = Folder(tmp_path / "artifacts")
    sweep = Sweep(engine.built.db, files)
    await upload(engine, attempt.ref, "report.md", b"one")
    await upload(engine, attempt.ref, "report.md", b"two")
    for path in files_in(tmp_path / "artifacts"):
        grow_old(path)

    first = await sweep.round()
    again = await upload(engine, attempt.ref, "other.md", b"one")
    later = [await sweep.round() for _ in range(3)]

    assert (first, later) == (0, [0, 0, 0])
    assert (await read(engine, again.id))[0] == b"one"


async def test_a_round_visits_so_many_files_and_the_next_goes_on(
    engine: Engine, attempt: Attempt, tmp_path: Path
) -> None:
    sweep = Sweep(engine.built.db, Folder(tmp_path / "artifacts"), most=3)
    for number in range(8):
        await upload(engine, attempt.ref, "report.md", bytes([number]))
    for path in files_in(tmp_path / "artifacts"):
        grow_old(path)

    removed = [await sweep.round() for _ in range(6)]

    assert removed[:3] == [0, 0, 0]
    assert max(removed) <= 3
    assert sum(removed) == 7
    assert len(files_in(tmp_path / "artifacts")) == 1


async def test_a_running_upload_is_never_swept_however_long_it_takes(tmp_path: Path) -> None:
    files = Folder(tmp_path)

    async with files.upload() as one:
        await one.write(bytes(100_000))
        (incoming,) = files_in(tmp_path)
        grow_old(incoming)
        removed = await Folder(tmp_path).discard_broken_off(AGE, 10)
        stored = await one.finish()

    assert removed == 0
    assert not await files.discard(stored.sha256, AGE)  # young: its age counts from its end
    assert [path.name for path in files_in(tmp_path)] == [stored.sha256]


async def test_a_content_that_is_stored_anew_while_it_is_removed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Folder(tmp_path)
    async with files.upload() as one:
        await one.write(b"same")
        stored = await one.finish()
    (content,) = files_in(tmp_path)
    grow_old(content)
    rename = Path.rename

    def stored_anew_first(self: Path, target: Path) -> Path:
        self.touch()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stored_anew_first)
    removed = await files.discard(stored.sha256, AGE)

    assert not removed
    assert [path.read_bytes() for path in files_in(tmp_path)] == [b"same"]
