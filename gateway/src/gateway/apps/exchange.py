"""One request to an app and its answer. Nothing of it waits in memory as a whole; each has a connection of its own."""

import asyncio
import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

import h11

from chassis.authentication.credentials import same_origin
from chassis.client import ServiceChannel
from chassis.errors import ServiceError, Unauthenticated, Unavailable
from gateway.apps import headers as rules
from gateway.apps.tunnel import Tunnel, at_the_right_replica
from gateway.problems import http_status
from mcpanel.engine.v1 import app_pb2, app_pb2_grpc

_CHUNK: Final = 65536
_MOST_HEADERS: Final = 64 * 1024
_AGAIN: Final = 2
"""Seconds after which a page asks again for an app that does not answer yet."""
_PAGE: Final = "<!doctype html><meta charset=utf-8><title>{title}</title>{head}<p>{text}</p>\n"


@dataclass(frozen=True, slots=True)
class Setting:
    """What every exchange works with: a channel with the gateway's own key, and the consoles' origins."""

    engine: ServiceChannel
    consoles: Sequence[str]


class Refused(Exception):
    """The request is answered here; the message is for people."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Starting(Refused):
    """The app does not answer yet; the page asks again by itself, with the address it has."""


class Exchange:
    """Reads a request from a browser, by way of the edge, and answers it."""

    def __init__(self, setting: Setting, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._setting = setting
        self._reader = reader
        self._writer = writer
        self._browser = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEADERS)
        self._is_head = False

    async def run(self) -> None:
        """Answers one request. Raises OSError when the browser has gone."""
        try:
            request = await self._heard()
            if not isinstance(request, h11.Request):
                return
            await self._answer(request)
        except h11.RemoteProtocolError as error:
            await self._refuse(Refused(error.error_status_hint, "The request is not well-formed HTTP."))
        except h11.LocalProtocolError:
            await self._refuse(Refused(502, "The app's answer is none that can be passed on."))
        except Refused as refused:
            await self._refuse(refused)
        except ServiceError as error:
            await self._refuse(_refusal(error))

    async def _answer(self, request: h11.Request) -> None:
        self._is_head = request.method == b"HEAD"
        if request.method == b"CONNECT":
            raise Refused(405, "An app is no proxy.")
        try:
            url = urlsplit(request.target.decode("latin-1"))
        except ValueError:
            raise Refused(400, "The address is not well-formed.") from None
        where = rules.target(url.path)
        if where is None or b".." in unquote_to_bytes(url.path).split(b"/"):
            raise Refused(404, "There is no such app. The console leads to those that run.")
        head: list[tuple[bytes, bytes]] = list(request.headers)
        secure = rules.get(head, b"x-forwarded-proto") == "https"
        ticket = parse_qs(url.query).get("ticket", [""])[0]
        if request.method == b"GET" and where.rest == "/" and ticket:
            await self._admit(where, ticket, secure=secure)
            return
        cookie = rules.cookie(head, rules.cookie_name(where.app, secure=secure))
        if not cookie:
            raise Refused(401, "Open the app from the console: this address alone does not let anybody in.")
        if not where.rest:
            await self._redirect(where)
            return
        upgrades = rules.get(head, b"upgrade").lower() == "websocket"
        if request.method not in (b"GET", b"HEAD") or upgrades:
            _refuse_foreign(head)
        async with Tunnel(self._setting.engine, where.app, cookie) as tunnel:
            host = rules.get(head, b"x-forwarded-host") or rules.get(head, b"host")
            own = rules.said_for(where, host, self._setting.consoles, secure=secure)
            await _Relay(self, request, tunnel, where, own, upgrades=upgrades).run()

    async def _admit(self, where: rules.Target, ticket: str, *, secure: bool) -> None:
        """Exchanges the ticket for the cookie. A page leads on: after a redirect, whoever came from another site would
        not send it.
        """
        stub: Any = app_pb2_grpc.AppServiceStub(self._setting.engine)
        wanted = app_pb2.RedeemAppTicketRequest(ticket=ticket[:256], app=where.app)
        answer = await at_the_right_replica(lambda: stub.RedeemAppTicket(wanted))
        name = rules.cookie_name(where.app, secure=secure)
        place = "/; Secure" if secure else where.prefix
        seconds = max(0, answer.expires_at.seconds - answer.issued_at.seconds)
        cookie = f"{name}={answer.cookie}; Path={place}; Max-Age={seconds}; HttpOnly; SameSite=Strict"
        head = f'<meta http-equiv="refresh" content="0; url={html.escape(where.prefix)}">'
        page = _PAGE.format(title="Opening the app", head=head, text="Opening the app …")
        await self._page(200, page, [(b"set-cookie", cookie.encode())])

    async def _redirect(self, where: rules.Target) -> None:
        await self._page(308, "", [(b"location", where.prefix.encode())])

    async def _refuse(self, refused: Refused) -> None:
        if self._browser.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return  # the answer has begun: that it breaks off is all that can be said
        text = html.escape(str(refused))
        if isinstance(refused, Starting):
            head = f'<meta http-equiv="refresh" content="{_AGAIN}">'
            page = _PAGE.format(title="The app is starting", head=head, text=text)
            await self._page(refused.status, page, [(b"retry-after", str(_AGAIN).encode())])
            return
        await self._page(refused.status, _PAGE.format(title=f"{refused.status}", head="", text=text), [])

    async def _page(self, status: int, page: str, more: list[tuple[bytes, bytes]]) -> None:
        consoles = " ".join(self._setting.consoles) or "'none'"
        policy = f"default-src 'none'; frame-ancestors {consoles}"
        content = page.encode()
        own: list[tuple[bytes, bytes]] = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-length", str(len(content)).encode()),
            (b"cache-control", b"no-store"),
            (b"content-security-policy", policy.encode()),
            (b"connection", b"close"),
            *more,
        ]
        await self.send(h11.Response(status_code=status, headers=own))
        if not self._is_head:
            await self.send(h11.Data(data=content))
        await self.send(h11.EndOfMessage())

    async def send(self, event: Any) -> None:
        """Sends an event of the answer to the browser."""
        data = self._browser.send(event)
        if data:
            await self.send_raw(data)

    async def send_raw(self, data: bytes) -> None:
        """Sends bytes to the browser, when it has room."""
        self._writer.write(data)
        await self._writer.drain()

    async def body(self) -> Any:
        """The next event of the request's body."""
        return await self._heard()

    def early(self) -> bytes:
        """What the browser has sent of another protocol already."""
        return bytes(self._browser.trailing_data[0])

    async def raw(self) -> bytes:
        """The next bytes, whatever they are; none when the browser has gone."""
        return await self._reader.read(_CHUNK)

    async def _heard(self) -> Any:
        while (event := self._browser.next_event()) is h11.NEED_DATA:
            self._browser.receive_data(await self._reader.read(_CHUNK))
        if event is h11.PAUSED:
            raise Refused(400, "The request goes on as something that is no HTTP.")
        return event


class _Relay:
    """Passes a request on to an app and its answer back, both at once."""

    def __init__(
        self,
        exchange: Exchange,
        request: h11.Request,
        tunnel: Tunnel,
        where: rules.Target,
        own: rules.Headers,
        *,
        upgrades: bool,
    ) -> None:
        self._exchange = exchange
        self._request = request
        self._tunnel = tunnel
        self._where = where
        self._own = own
        self._upgrades = upgrades
        self._app = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEADERS)
        self._switched = asyncio.Event()

    async def run(self) -> None:
        """Returns when the answer is complete, or the websocket closed. Raises ServiceError and Refused."""
        sending = asyncio.create_task(self._ask())
        answering = asyncio.create_task(self._answer())
        try:
            await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                sending.result()  # raises, or the browser has gone
                return
            answering.result()
        finally:
            for task in (sending, answering):
                task.cancel()
            await asyncio.gather(sending, answering, return_exceptions=True)

    async def _ask(self) -> None:
        head = rules.to_app(list(self._request.headers), upgrades=self._upgrades)
        try:
            event: Any = h11.Request(method=self._request.method, target=self._request.target, headers=head)
        except h11.LocalProtocolError:
            raise Refused(400, "The request names no host.") from None
        while True:
            data = self._app.send(event)
            try:
                await self._tunnel.write(data or b"")
            except Unavailable:
                break  # the app answers without having read everything, or not at all: the answer tells
            if isinstance(event, h11.EndOfMessage):
                break
            event = await self._exchange.body()
            if isinstance(event, h11.EndOfMessage):
                event = h11.EndOfMessage()  # trailers are nobody's business
        data = b""
        if self._upgrades:
            await self._switched.wait()
            data = self._exchange.early()
        while data or (data := await self._exchange.raw()):
            if self._upgrades:
                await self._tunnel.write(data)
            data = b""

    async def _answer(self) -> None:
        while True:
            event = await self._said()
            if isinstance(event, h11.InformationalResponse):
                if event.status_code == 101:
                    await self._switch(event)
                    return
            elif isinstance(event, h11.Response):
                head = rules.from_app(list(event.headers), self._where) + self._own
                await self._exchange.send(h11.Response(status_code=event.status_code, headers=head))
            elif isinstance(event, h11.Data):
                await self._exchange.send(h11.Data(data=bytes(event.data)))
            elif isinstance(event, h11.EndOfMessage):
                await self._exchange.send(h11.EndOfMessage())
                return

    async def _switch(self, event: h11.InformationalResponse) -> None:
        head = [*rules.from_app(list(event.headers), self._where), (b"connection", b"upgrade")]
        await self._exchange.send(h11.InformationalResponse(status_code=101, headers=head))
        trailing, _ = self._app.trailing_data
        self._switched.set()
        data = bytes(trailing)
        while data or (data := await self._tunnel.read()):
            await self._exchange.send_raw(data)
            data = b""

    async def _said(self) -> Any:
        try:
            while (event := self._app.next_event()) is h11.NEED_DATA:
                self._app.receive_data(await self._tunnel.read())
        except h11.RemoteProtocolError:
            raise Refused(
                502, "The app answered with something that is no HTTP, or closed too early."
            ) from None
        if isinstance(event, h11.ConnectionClosed):
            raise Refused(502, "The app closed the connection without an answer.")
        if event is h11.PAUSED:
            raise Refused(502, "The app answered with something that is no HTTP.")
        return event


def _refuse_foreign(head: Sequence[tuple[bytes, bytes]]) -> None:
    """Raises Refused when a browser says that another site's page asks."""
    said = {
        name: value
        for name in ("sec-fetch-site", "origin", "x-forwarded-host", "x-forwarded-proto")
        if (value := rules.get(head, name.encode()))
    }
    if said.keys() & {"sec-fetch-site", "origin"} and not same_origin(said):
        raise Refused(403, "Only the app's own pages may ask this.")


def _refusal(error: ServiceError) -> Refused:
    """What people are told of an error."""
    if isinstance(error, Unauthenticated):
        return Refused(401, "The visit is over, or its ticket was used. Open the app from the console again.")
    if error.reason == "APP_NOT_ANSWERING":
        return Starting(503, "The app is starting. This page opens it as soon as it answers.")
    return Refused(http_status(error), f"{error.message[:1].upper()}{error.message[1:]}.")
