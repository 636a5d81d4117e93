"""Artifact downloads."""

import pytest

from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.gateway.conftest import Gateway

PATH = "/api/v1/artifacts/a"


def artifact(media_type: str, content: bytes = b"hello") -> list[engine_pb2.ReadArtifactResponse]:
    """An artifact's stream."""
    record = run_pb2.Artifact(
        id="a", name="chart ü.svg", media_type=media_type, size_bytes=len(content), sha256="ab12"
    )
    return [
        engine_pb2.ReadArtifactResponse(artifact=record),
        engine_pb2.ReadArtifactResponse(chunk=content),
        engine_pb2.ReadArtifactResponse(end=engine_pb2.ReadArtifactResponse.End(size_bytes=len(content))),
    ]


async def test_a_download_is_sandboxed_and_cannot_be_sniffed(gateway: Gateway) -> None:
    gateway.engine.artifact = artifact("image/svg+xml", b"<svg/>")

    answer = await gateway.http.get(PATH)

    assert answer.content == b"<svg/>"
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-length"] == "6"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''chart%20%C3%BC.svg"


@pytest.mark.parametrize("media_type", ["text/html", "application/xhtml+xml", "application/octet-stream"])
async def test_what_is_not_known_to_be_safe_is_a_file(gateway: Gateway, media_type: str) -> None:
    gateway.engine.artifact = artifact(media_type)

    answer = await gateway.http.get(PATH)

    assert answer.headers["content-disposition"].startswith("attachment")


async def test_a_client_that_has_it_gets_no_content(gateway: Gateway) -> None:
    gateway.engine.artifact = artifact("text/plain")

    answer = await gateway.http.get(PATH, headers={"if-none-match": '"ab12"'})

    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_download_cut_short_is_no_short_file(gateway: Gateway) -> None:
    gateway.engine.artifact = artifact("text/plain")[:2]

    with pytest.raises(Exception, match="ended early"):
        await gateway.http.get(PATH)


@pytest.mark.parametrize(
    ("wanted", "content", "shown"),
    [
        ("bytes=0-0", b"h", "bytes 0-0/5"),
        ("bytes=1-3", b"ell", "bytes 1-3/5"),
        ("bytes=2-", b"llo", "bytes 2-4/5"),
        ("bytes=0-", b"hello", "bytes 0-4/5"),
        ("bytes=3-99999999999999999999", b"lo", "bytes 3-4/5"),
        ("bytes=-2", b"lo", "bytes 3-4/5"),
        ("bytes=-99", b"hello", "bytes 0-4/5"),
    ],
)
async def test_a_part_is_sent_without_what_precedes_it(
    gateway: Gateway, wanted: str, content: bytes, shown: str
) -> None:
    gateway.engine.artifact = artifact("text/plain")

    answer = await gateway.http.get(PATH, headers={"range": wanted})

    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (206, content, shown)
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-security-policy"].startswith("sandbox")
    first = int(shown.removeprefix("bytes ").partition("-")[0])
    assert gateway.engine.reads[-1] == (first, len(content))
    assert gateway.engine.reads[0][0] > 5


@pytest.mark.parametrize("wanted", ["bytes=5-", "bytes=99999999999999999999-", "bytes=-0"])
async def test_a_part_that_there_is_not_is_416(gateway: Gateway, wanted: str) -> None:
    gateway.engine.artifact = artifact("text/plain")

    answer = await gateway.http.get(PATH, headers={"range": wanted})

    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */5")


async def test_of_nothing_there_is_no_part(gateway: Gateway) -> None:
    gateway.engine.artifact = artifact("text/plain", b"")

    assert (await gateway.http.get(PATH, headers={"range": "bytes=0-"})).status_code == 416
    assert (await gateway.http.get(PATH)).status_code == 200


@pytest.mark.parametrize(
    "wanted",
    ["bytes=3-1", "bytes=0-1,3-4", "items=0-1", "bytes=", "bytes=a-b", "bytes=--1", "0-1", "bytes=²-"],
)
async def test_what_is_no_single_range_is_as_good_as_none(gateway: Gateway, wanted: str) -> None:
    gateway.engine.artifact = artifact("text/plain")

    answer = await gateway.http.get(PATH, headers={b"range": wanted.encode()})

    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("tag", "status"),
    [('"ab12"', 206), ('"other"', 200), ('W/"ab12"', 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)],
)
async def test_a_part_of_something_else_is_not_continued(gateway: Gateway, tag: str, status: int) -> None:
    gateway.engine.artifact = artifact("text/plain")

    answer = await gateway.http.get(PATH, headers={"range": "bytes=2-", "if-range": tag})

    assert (answer.status_code, answer.content) == (status, b"llo" if status == 206 else b"hello")


async def test_a_head_reads_no_content(gateway: Gateway) -> None:
    gateway.engine.artifact = artifact("text/plain")

    answer = await gateway.http.head(PATH, headers={"range": "bytes=0-1"})

    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "5")
    assert gateway.engine.reads[0][0] > 5
