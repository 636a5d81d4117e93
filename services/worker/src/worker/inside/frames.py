"""Frames on the pipes between a step and the worker.

A frame is a four-byte big-endian length, one kind byte and that many bytes of payload. Kind `J` is a JSON object,
kind `B` is raw bytes that belong to the `J` frame before it.
"""

import json
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:  # see usercode
    from typing import Any

HEAD = struct.Struct(">IB")
JSON = ord("J")
BYTES = ord("B")
LIMIT = 8 * 1024 * 1024
"""The largest payload either side accepts, in bytes."""


class FrameError(Exception):
    """The other side sent something that is no frame, or closed the pipe in the middle of one."""


def pack(kind: int, payload: bytes) -> bytes:
    """The frame's bytes. Raises FrameError when the payload is over LIMIT."""
    if len(payload) > LIMIT:
        raise FrameError(f"a frame of {len(payload)} bytes is over the limit of {LIMIT}")
    return HEAD.pack(len(payload), kind) + payload


def pack_json(message: "dict[str, Any]") -> bytes:
    """A JSON frame's bytes."""
    return pack(
        JSON, json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    )


def read_exactly(fd: int, count: int) -> bytes:
    """`count` bytes from a blocking descriptor. Raises FrameError at the end of the stream."""
    parts = []
    while count:
        part = os.read(fd, min(count, 1 << 20))
        if not part:
            raise FrameError("the worker closed the pipe")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read(fd: int) -> tuple[int, bytes]:
    """The next frame's kind and payload, from a blocking descriptor."""
    length, kind = HEAD.unpack(read_exactly(fd, HEAD.size))
    return kind, read_exactly(fd, length)


def read_chunks(fd: int) -> bytes:
    """The payloads of BYTES frames up to an empty one, from a blocking descriptor."""
    parts = []
    while part := read(fd)[1]:
        parts.append(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    """Writes everything to a blocking descriptor."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
