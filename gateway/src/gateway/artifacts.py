"""Artifact downloads. What a step made is nobody's page: it is sandboxed, and a file unless known to be safe."""

import mimetypes
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis.client import ServiceChannel
from chassis.errors import NotFound, Unavailable
from gateway import credentials, ranges
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


_BEYOND: Final = 2**62
"""An offset at which nothing is sent: for who asks only what there is."""


class Download:
    """Serves `GET /api/v1/artifacts/{artifact_id}`."""

    def __init__(self, engine: ServiceChannel) -> None:
        self._stub = engine_pb2_grpc.EngineServiceStub(engine)

    async def respond(self, request: Request) -> Response:
        """Answers 200 with the content, 206 with a part of it, 304 when the client has it, or the engine's refusal.

        A Range that cannot be met is answered 416; one that is malformed, or several, is as good as none (RFC 9110).
        """
        wanted = ranges.parse(request.headers.get("range", "")) if request.method == "GET" else None
        artifact, call, stream = await self._open(
            request, everything=request.method == "GET" and wanted is None
        )
        headers = _headers(artifact)
        known = {
            tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")
        }
        if known & {headers["etag"], "*"}:
            call.cancel()
            return Response(status_code=304, headers=headers)
        status, length = 200, artifact.size_bytes
        if wanted is not None:
            call.cancel()
            if request.headers.get("if-range", headers["etag"]) != headers["etag"]:
                part = None  # the client has a part of something else
            elif (part := wanted.within(artifact.size_bytes)) is None:
                return Response(status_code=416, headers={"content-range": f"bytes */{artifact.size_bytes}"})
            again, call, stream = await self._open(request, part=part)
            if again.sha256 != artifact.sha256:
                call.cancel()
                raise Unavailable("DEPENDENCY_UNAVAILABLE", "the artifact was just replaced; ask again")
            if part is not None:
                status, length = 206, part.length
                headers["content-range"] = f"bytes {part.first}-{part.last}/{artifact.size_bytes}"
        headers["content-length"] = str(length)
        if request.method == "HEAD":
            call.cancel()
            return Response(headers=headers, media_type=_media_type(artifact))
        return StreamingResponse(
            _content(stream, artifact), status_code=status, headers=headers, media_type=_media_type(artifact)
        )

    async def _open(
        self, request: Request, *, everything: bool = True, part: ranges.Part | None = None
    ) -> tuple[run_pb2.Artifact, Any, Any]:
        """The record, the call and what follows on it: the content, or a part, or (not `everything`) nothing."""
        artifact_id = request.path_params["artifact_id"]
        wanted = engine_pb2.ReadArtifactRequest(artifact_id=artifact_id)
        if part is not None:
            wanted.offset, wanted.length = part.first, part.length
        elif not everything:
            wanted.offset = _BEYOND
        call = self._stub.ReadArtifact(wanted, metadata=credentials.metadata(request))
        stream = aiter(call)
        try:
            first = await anext(stream)
        except StopAsyncIteration:
            raise NotFound("ARTIFACT_NOT_FOUND", f"artifact {artifact_id!r} does not exist") from None
        return first.artifact, call, stream


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
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=31536000, immutable",
        "content-disposition": f"{kind}; filename*=UTF-8''{quote(artifact.name)}",
        "content-security-policy": _POLICY,
        "etag": f'"{artifact.sha256}"',
        "x-content-type-options": "nosniff",
    }
