"""Artifact downloads. What a step made is nobody's page: it is sandboxed, and a file unless known to be safe."""

import mimetypes
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis.client import ServiceChannel
from chassis.errors import NotFound
from gateway import credentials
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2

INLINE: Final = frozenset(
    {
        "application/json",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/svg+xml",
        "image/webp",
        "text/csv",
        "text/markdown",
        "text/plain",
    }
)
"""Media types shown in the browser. The policy below keeps even an SVG from running or loading anything."""
_POLICY: Final = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Download:
    """Serves `GET /api/v1/artifacts/{artifact_id}`."""

    def __init__(self, engine: ServiceChannel) -> None:
        self._stub = engine_pb2_grpc.EngineServiceStub(engine)

    async def respond(self, request: Request) -> Response:
        """Answers 200 with the content, 304 when the client has it, or the engine's refusal."""
        artifact_id = request.path_params["artifact_id"]
        call = self._stub.ReadArtifact(
            engine_pb2.ReadArtifactRequest(artifact_id=artifact_id), metadata=credentials.metadata(request)
        )
        stream = aiter(call)
        try:
            first = await anext(stream)
        except StopAsyncIteration:
            raise NotFound("ARTIFACT_NOT_FOUND", f"artifact {artifact_id!r} does not exist") from None
        headers = _headers(first.artifact)
        known = {
            tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")
        }
        if known & {headers["etag"], "*"}:
            call.cancel()
            return Response(status_code=304, headers=headers)
        headers["content-length"] = str(first.artifact.size_bytes)
        if request.method == "HEAD":
            call.cancel()
            return Response(headers=headers, media_type=_media_type(first.artifact))
        return StreamingResponse(
            _content(stream, first.artifact), headers=headers, media_type=_media_type(first.artifact)
        )


async def _content(stream: Any, artifact: run_pb2.Artifact) -> AsyncIterator[bytes]:
    """The bytes. A stream cut short raises, so that the client sees a broken download and not a short file."""
    ended = False
    async for message in stream:
        if message.HasField("chunk"):
            yield message.chunk
        ended = message.HasField("end")
    if not ended:
        raise ConnectionError(f"artifact {artifact.id} ended early")


def _media_type(artifact: run_pb2.Artifact) -> str:
    return artifact.media_type or mimetypes.guess_type(artifact.name)[0] or "application/octet-stream"


def _headers(artifact: run_pb2.Artifact) -> dict[str, str]:
    kind = "inline" if _media_type(artifact).split(";")[0].strip() in INLINE else "attachment"
    return {
        "cache-control": "private, max-age=31536000, immutable",
        "content-disposition": f"{kind}; filename*=UTF-8''{quote(artifact.name)}",
        "content-security-policy": _POLICY,
        "etag": f'"{artifact.sha256}"',
        "x-content-type-options": "nosniff",
    }
