"""Artifacts as they are read, and as they lie in a folder."""

import os
import time
from pathlib import Path

from engine.sweep import AGE
from mcpanel.engine.v1 import engine_pb2
from tests.engine.conftest import Engine
from tests.support.callers import EDITOR, as_caller


async def read(engine: Engine, artifact_id: str) -> tuple[bytes, int]:
    """The artifact's content, and the size that is told at its end."""
    content, size = b"", -1
    request = engine_pb2.ReadArtifactRequest(artifact_id=artifact_id)
    async for message in engine.stub.ReadArtifact(request, metadata=as_caller(EDITOR)):
        content += message.chunk
        if message.HasField("end"):
            size = message.end.size_bytes
    return content, size


def grow_old(path: Path) -> None:
    """As if nobody had touched it for a little more than the sweep's patience."""
    os.utime(path, (0, time.time() - AGE - 10))


def files_in(folder: Path) -> list[Path]:
    """Every file in the folder, however deep."""
    return [path for path in folder.rglob("*") if path.is_file()]
