"""Artifacts in a bucket: the same promises as in a folder, over the protocol of S3."""

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import pytest

from chassis.errors import DataLoss, TooLarge, Unavailable
from engine.artifacts import ArtifactStore, Folder, PlaceError, open_store
from engine.artifacts.contents import UnreachableError
from engine.sweep import AGE
from tests.engine.conftest import Engines
from tests.engine.support.files import read
from tests.engine.support.peers import Peers
from tests.engine.support.s3 import S3
from tests.engine.support.worker import Attempt, FakeWorker

MIB = 1024 * 1024
URL = "s3://results/mcpanel"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """A bucket, and the variables that lead to it."""
    server = S3()
    for name, value in {
        "AWS_ENDPOINT": server.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-central-1",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


@pytest.fixture
def bucket(s3: S3) -> ArtifactStore:
    """The store in it."""
    return open_store(URL, Folder)  # type: ignore[arg-type]  # no folder is needed


async def store(bucket: ArtifactStore, content: bytes) -> str:
    async with bucket.upload() as upload:
        for start in range(0, len(content), 100_000):
            await upload.write(content[start : start + 100_000])
        return (await upload.finish()).sha256


async def test_a_content_comes_back_whole_and_in_part_and_is_never_read_for_more(
    bucket: ArtifactStore, s3: S3
) -> None:
    content = os.urandom(9 * MIB)

    sha256 = await store(bucket, content)
    sent = s3.sent
    part = b"".join([chunk async for chunk in bucket.read(sha256, 8 * MIB, 1000)])
    whole = b"".join([chunk async for chunk in bucket.read(sha256)])

    assert sha256 == hashlib.sha256(content).hexdigest()
    assert list(s3.objects) == [f"mcpanel/{sha256[:2]}/{sha256}"]
    assert (part, whole) == (content[8 * MIB : 8 * MIB + 1000], content)
    assert s3.sent - sent == 1000 + len(content)
    assert s3.most_in_part <= 8 * MIB
    assert [chunk async for chunk in bucket.read(sha256, len(content))] == []


async def test_what_grows_too_large_or_is_given_up_leaves_nothing(bucket: ArtifactStore, s3: S3) -> None:
    with pytest.raises(TooLarge):
        async with bucket.upload(10) as upload:
            await upload.write(bytes(11))
    async with bucket.upload() as given_up:
        await given_up.write(bytes(100))

    assert s3.objects == {}


async def test_a_content_that_is_not_there_and_a_bucket_that_is_away_are_told_apart(
    bucket: ArtifactStore, s3: S3
) -> None:
    with pytest.raises(DataLoss):
        await anext(aiter(bucket.read("0" * 64)))
    s3.down = True
    with pytest.raises(Unavailable):
        await store(bucket, b"x")
    with pytest.raises(UnreachableError):
        await bucket.contents("", 10)


async def test_old_contents_and_remains_go_and_young_ones_stay(bucket: ArtifactStore, s3: S3) -> None:
    hashes = sorted([await store(bucket, bytes([number])) for number in range(8)])
    s3.put("mcpanel/incoming/broken-off", b"x")

    pages = [
        await bucket.contents("", 5),
        await bucket.contents(hashes[4], 5),
        await bucket.contents("", 100),
    ]
    young = await bucket.discard(hashes[0], AGE), await bucket.discard_broken_off(AGE, 10)
    s3.grow_old(AGE + 10)
    old = await bucket.discard(hashes[0], AGE), await bucket.discard_broken_off(AGE, 10)
    again = await bucket.discard(hashes[0], AGE)

    assert pages == [hashes[:5], hashes[5:], hashes]
    assert (young, old, again) == ((False, 0), (True, 1), False)
    assert sorted(key.rpartition("/")[2] for key in s3.objects) == hashes[1:]


async def test_a_run_passes_large_values_on_through_a_bucket(engines: Engines, peers: Peers, s3: S3) -> None:
    engine = await engines.start(artifacts_url=URL)
    peers.registry.workflow(
        {"id": "make"},
        {"id": "use", "needs": ["make"], "with_": {"text": "${{ steps.make.output.text }}"}},
        outputs={"made": "${{ steps.make.output }}", "length": "${{ steps.use.output }}"},
    )

    async def make(attempt: Attempt) -> object:
        return {"text": "x" * 500_000}

    async def use(attempt: Attempt) -> object:
        return len((await attempt.whole())["text"])

    async with FakeWorker(engine.address) as worker:
        worker.code |= {"make": make, "use": use}
        run = await engine.ended((await engine.start_run()).id)

    assert run.outputs["length"] == 500_000
    made: Any = run.outputs["made"]
    assert len(s3.objects) == 1
    assert len((await read(engine, made["$artifact"]))[0]) == made["sizeBytes"]


@pytest.mark.parametrize("url", ["nothing://x", "s3:", "here"])
def test_a_place_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(PlaceError, match="no place for artifacts"):
        open_store(url, Folder)  # type: ignore[arg-type]  # no folder is needed
