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
