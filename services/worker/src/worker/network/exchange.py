"""One connection to the proxy: a tunnel (CONNECT), or one request of plain http that names its host in full.

Source: RFC 9110 §7.6 (forwarding, hop-by-hop fields), §9.3.6 (CONNECT); RFC 9112 §3.2.2 (absolute form).
"""

import asyncio
import contextlib
from typing import Any, Final
from urllib.parse import urlsplit

import h11

from chassis import hosts
from worker.network.reach import Reach, RefusedError, Streams

_READ: Final = 64 * 1024
_HEAD: Final = 64 * 1024
_HEAD_SECONDS: Final = 30.0
_HTTP: Final = 80
_LINGER_SECONDS: Final = 2.0
_NOT_PASSED_ON: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization"}
    | {b"te", b"trailer", b"upgrade", b"expect"}
)

Headers = list[tuple[bytes, bytes]]


class BrokenError(Exception):
    """One side does not speak HTTP; the connection ends."""


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reach: Reach) -> None:
    """Serves the connection's one request. Raises RefusedError before anything was answered; BrokenError, OSError."""
    client = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD)
    try:
        async with asyncio.timeout(_HEAD_SECONDS):
            request = await _next(client, reader)
    except h11.RemoteProtocolError as error:
        raise RefusedError(400, f"the proxy understands HTTP only: {error}") from None
    if not isinstance(request, h11.Request):
        return
    if request.method == b"CONNECT":
        await _tunnel(client, request, (reader, writer), reach)
    else:
        await _forward(client, request, (reader, writer), reach)


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, refusal: RefusedError) -> None:
    """Answers with the refusal, in the status line too: it is all that clients show of a CONNECT that failed."""
    text = str(refusal).encode("ascii", "replace").replace(b"\r", b" ").replace(b"\n", b" ")
    head = b"HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    with contextlib.suppress(OSError):
        writer.write(head % (refusal.status, text, len(text) + 1) + text + b"\n")
        await writer.drain()
        await _finish(reader, writer)


async def _finish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says that this was all. What is unread when a socket closes would reset it, and lose the end of the answer."""
    if not writer.is_closing():
        writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while await reader.read(_READ):
                pass


async def _tunnel(client: h11.Connection, request: h11.Request, ours: Streams, reach: Reach) -> None:
    target = request.target.decode("latin-1")
    reader, writer = ours
    try:
        host = hosts.parse(target, family=False)
    except hosts.HostError as error:
        raise RefusedError(400, str(error)) from None
    far_reader, far_writer = await reach.connect(host, limit=_READ)
    try:
        await _send(client, writer, h11.Response(status_code=200, headers=[], reason=b"Connected"))
        early, _ = client.trailing_data
        far_writer.write(early)
        await _both(_copy(reader, far_writer), _copy(far_reader, writer))
    finally:
        far_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_READ):
        writer.write(data)
        await writer.drain()
    if not writer.is_closing():
        writer.write_eof()


async def _both(*parts: Any) -> None:
    """Runs both to their end; when one fails the other is stopped. Raises what it raised."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forward(client: h11.Connection, request: h11.Request, ours: Streams, reach: Reach) -> None:
    host, path = _absolute(request.target.decode("latin-1"))
    reader, writer = ours
    far_reader, far_writer = await reach.connect(host, limit=_READ)
    far = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD)
    name = host.address if host.port != _HTTP else host.address.removesuffix(f":{_HTTP}")
    headers = [(b"Host", name.encode()), *_passed_on(request, besides=b"host"), (b"Connection", b"close")]
    try:
        try:
            head = h11.Request(method=request.method, target=path.encode("latin-1"), headers=headers)
            await _send(far, far_writer, head)
            if (
                client.they_are_waiting_for_100_continue
            ):  # the server's word on it would come too late for some
                await _send(client, writer, h11.InformationalResponse(status_code=100, headers=[]))
            sending = asyncio.create_task(_pass_body(client, reader, far, far_writer))
            try:
                await _pass_answer(far, far_reader, client, writer)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
            await _finish(reader, writer)
        except h11.ProtocolError as error:
            raise BrokenError(str(error)) from error
    finally:
        far_writer.transport.abort()


def _absolute(target: str) -> tuple[hosts.Host, str]:
    """The host of a URL and the rest of it, as the host expects it. Raises RefusedError."""
    try:
        parts = urlsplit(target)
        if parts.scheme != "http" or not parts.netloc:
            raise RefusedError(
                400, "the proxy takes CONNECT, or http:// in full; use an HTTP client that knows proxies"
            )
        host = hosts.parse(parts.netloc, port=_HTTP, family=False)
    except ValueError as error:
        raise RefusedError(400, str(error)) from None
    return host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _passed_on(message: h11.Request | h11.Response, *, besides: bytes = b"") -> Headers:
    """The headers that are meant for the other end."""
    named = {
        word.strip().lower()
        for name, value in message.headers
        if name == b"connection"
        for word in value.split(b",")
    }
    left_out = _NOT_PASSED_ON | named | {besides}
    return [(name, value) for name, value in message.headers.raw_items() if name.lower() not in left_out]


async def _pass_body(
    client: h11.Connection,
    reader: asyncio.StreamReader,
    far: h11.Connection,
    far_writer: asyncio.StreamWriter,
) -> None:
    """Passes the request's body on. When the step hangs up, before or after its end, so does the proxy."""
    try:
        while isinstance(event := await _next(client, reader), h11.Data):
            await _send(far, far_writer, h11.Data(data=event.data))
        if isinstance(event, h11.EndOfMessage):
            await _send(far, far_writer, h11.EndOfMessage())
            while await reader.read(_READ):
                pass
    finally:
        far_writer.transport.abort()


async def _pass_answer(
    far: h11.Connection,
    far_reader: asyncio.StreamReader,
    client: h11.Connection,
    writer: asyncio.StreamWriter,
) -> None:
    while True:
        event = await _next(far, far_reader)
        if isinstance(event, h11.Response):
            headers = [*_passed_on(event), (b"Connection", b"close")]
            answer = h11.Response(status_code=event.status_code, headers=headers, reason=event.reason)
            await _send(client, writer, answer)
        elif isinstance(event, h11.Data):
            await _send(client, writer, h11.Data(data=event.data))
        elif isinstance(event, h11.EndOfMessage):
            await _send(client, writer, h11.EndOfMessage())
            return
        elif not isinstance(event, h11.InformationalResponse):
            raise BrokenError("the server ended the connection before it answered")


async def _next(connection: h11.Connection, reader: asyncio.StreamReader) -> Any:
    """The other side's next event. Raises h11.RemoteProtocolError, OSError."""
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(_READ))
    return event


async def _send(connection: h11.Connection, writer: asyncio.StreamWriter, event: h11.Event) -> None:
    writer.write(connection.send(event) or b"")
    await writer.drain()
