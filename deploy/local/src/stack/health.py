"""Asks a server whether it is ready: by TCP, by gRPC's health protocol, or by what it measures.

The health call is written out in HTTP/2 frames, because the supervisor forks and so never imports grpc.
Sources: RFC 9113 (frames), RFC 7541 (header fields as literals), grpc/health/v1/health.proto.
"""

import asyncio
import contextlib
import ssl
import struct
from pathlib import Path

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _GOAWAY = 0, 1, 4, 7
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_PATIENCE = 2.0  # seconds
_SERVING = b"\x08\x01"  # HealthCheckResponse{status: SERVING}


async def listens(port: int) -> bool:
    """Whether something on 127.0.0.1 accepts a connection on this port."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
    return False


async def measures(port: int, line: bytes) -> bool:
    """Whether the Prometheus page on 127.0.0.1 has this line, e.g. `b"mcp_worker_connected 1.0"`."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n")
                return line in (await reader.read()).splitlines()
            finally:
                writer.close()
    return False


def trusting(folder: Path) -> ssl.SSLContext:
    """A context for mutual TLS with the certificate in a folder; gRPC's servers want HTTP/2 agreed upon."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    context.set_alpn_protocols(["h2"])
    return context


async def serves_grpc(port: int, service: str = "", tls: tuple[ssl.SSLContext, str] | None = None) -> bool:
    """Whether grpc.health.v1 on 127.0.0.1 says SERVING for `service` (empty: the whole server).

    `tls` is how to speak TLS, and the name that the server's certificate has to have.
    """
    context, name = tls or (None, None)
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname=name
            )
            try:
                writer.write(_request(port, service))
                return await _answer(reader, writer)
            finally:
                writer.close()
    return False


def _request(port: int, service: str) -> bytes:
    name = service.encode()
    message = b"\x0a" + bytes([len(name)]) + name if name else b""
    headers = b"\x83\x86"  # :method POST and :scheme http, from the static table
    headers += b"\x04" + _text(b"/grpc.health.v1.Health/Check")  # :path
    headers += b"\x01" + _text(f"127.0.0.1:{port}".encode())  # :authority
    headers += b"\x00" + _text(b"content-type") + _text(b"application/grpc")
    headers += b"\x00" + _text(b"te") + _text(b"trailers")
    body = struct.pack(">BI", 0, len(message)) + message
    return (
        _PREFACE
        + _frame(_SETTINGS, 0, 0, b"")
        + _frame(_HEADERS, _END_HEADERS, 1, headers)
        + _frame(_DATA, _END_STREAM, 1, body)
    )


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    while True:
        head = await reader.readexactly(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        payload = await reader.readexactly(length)
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _DATA and payload:
            return payload[5:] == _SERVING
        elif kind == _GOAWAY or (kind == _HEADERS and flags & _END_STREAM):
            return False


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _text(value: bytes) -> bytes:
    return bytes([len(value)]) + value  # a literal without Huffman coding, shorter than 127 bytes
