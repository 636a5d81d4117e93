"""Apps are reached with a ticket, by a tunnel through the engine to the worker that runs them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chassis.client import EOF
from chassis.context import Caller
from engine import visits
from engine.dispatch import tunnels
from mcpanel.engine.v1 import app_pb2, app_pb2_grpc, run_pb2
from mcpanel.registry.v1 import component_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.apps import AppWorker
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.support.callers import EDITOR, GATEWAY, OTHER_EDITOR, VIEWER, as_caller

Type = component_pb2.Definition
Request = app_pb2.ConnectAppRequest
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    writer.close()


class App:
    """A run whose step `app` is an app that talks as a test says."""

    def __init__(self, engine: Engine, worker: AppWorker, run: run_pb2.Run) -> None:
        self.engine = engine
        self.worker = worker
        self.run = run
        self.name = f"{run.id}/app"
        self.stub = app_pb2_grpc.AppServiceStub(engine.channel)

    async def ticket(self, caller: Caller = EDITOR) -> str:
        request = app_pb2.OpenAppRequest(run_id=self.run.id, step_id="app")
        answer = await self.stub.OpenApp(request, metadata=as_caller(caller))
        return parse_qs(urlsplit(answer.url).query)["ticket"][0]

    async def redeem(self, ticket: str) -> str:
        request = app_pb2.RedeemAppTicketRequest(ticket=ticket, app=self.name)
        return (await self.stub.RedeemAppTicket(request, metadata=as_caller(GATEWAY))).cookie

    async def cookie(self, caller: Caller = EDITOR) -> str:
        return await self.redeem(await self.ticket(caller))

    async def connect(self, cookie: str, name: str = "", at: Engine | None = None) -> Any:
        """A connection that stands."""
        stub: Any = app_pb2_grpc.AppServiceStub((at or self.engine).channel)
        call = stub.ConnectApp(metadata=as_caller(GATEWAY))
        await call.write(Request(open=Request.Open(app=name or self.name, cookie=cookie)))
        first = await call.read()
        if first is EOF:
            await call  # raises what it ended with
        assert first.WhichOneof("item") == "opened"
        return call

    async def is_running(self) -> None:
        async with asyncio.timeout(5):
            while not self.worker.assignments:
                await asyncio.sleep(0.01)


@pytest.fixture
async def talk() -> AsyncIterator[Callable[[Talk], Any]]:
    """`await talk(echo)` starts an app's server; its port."""
    servers: list[asyncio.Server] = []

    async def start(handler: Talk) -> int:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    yield start
    for server in servers:
        server.close()


@pytest.fixture
async def app(engine: Engine, peers: Peers, talk: Callable[[Talk], Any]) -> AsyncIterator[App]:
    """An app that says what it is told."""
    worker = AppWorker(engine.address, await talk(echo))
    async with worker:
        component = peers.registry.component("app", Type.STREAMLIT_APP)
        peers.registry.workflow({"id": "app", "component": component})
        found = App(engine, worker, await engine.start_run())
        await found.is_running()
        yield found


async def test_bytes_go_to_the_app_and_come_back(app: App) -> None:
    call = await app.connect(await app.cookie())

    sent = bytes(range(256)) * 256
    for _ in range(40):  # more than may wait on the way
        await call.write(Request(chunk=sent))
    received = b""
    while len(received) < 40 * len(sent):
        received += (await call.read()).chunk
    await call.done_writing()

    assert received == sent * 40
    assert (await call.read()).WhichOneof("item") == "end"


async def test_what_the_app_said_last_arrives_before_the_end(app: App, talk: Callable[[Talk], Any]) -> None:
    async def farewell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 1_000_000)
        await writer.drain()
        writer.close()

    cookie = await app.cookie()
    app.worker.port = await talk(farewell)
    call = await app.connect(cookie)

    received = 0
    while (message := await call.read()).WhichOneof("item") == "chunk":
        received += len(message.chunk)

    assert received == 1_000_000
    assert message.WhichOneof("item") == "end"


async def test_an_app_learns_that_its_visitor_has_gone(app: App, talk: Callable[[Talk], Any]) -> None:
    gone = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()
        writer.close()

    cookie = await app.cookie()
    app.worker.port = await talk(wait)
    call = await app.connect(cookie)

    call.cancel()

    async with asyncio.timeout(5):
        await gone.wait()


async def test_a_side_that_does_not_read_holds_up_the_other(app: App, talk: Callable[[Talk], Any]) -> None:
    pipe = tunnels.Pipe()
    for _ in range(8):
        await pipe.put(b"x")

    ninth = asyncio.create_task(pipe.put(b"y"))
    await asyncio.sleep(0)
    waited = not ninth.done()
    assert await anext(aiter(pipe)) == b"x"
    await ninth

    assert waited


async def test_a_ticket_is_good_once(app: App) -> None:
    ticket = await app.ticket()
    await app.redeem(ticket)

    refusal = await refused(app.redeem(ticket))

    assert refusal.reason == "APP_TICKET_INVALID"


async def test_a_ticket_opens_nothing_by_itself(app: App) -> None:
    refusal = await refused(app.connect(await app.ticket()))

    assert refusal.reason == "APP_TICKET_INVALID"


async def test_a_cookie_is_for_one_app(app: App) -> None:
    cookie = await app.cookie()
    other = await app.engine.start_run()

    refusal = await refused(app.connect(cookie, f"{other.id}/app"))

    assert refusal.reason == "APP_TICKET_INVALID"


async def test_whoever_may_not_see_the_run_opens_no_app(app: App, peers: Peers) -> None:
    component = peers.registry.component("app", Type.STREAMLIT_APP)
    peers.registry.workflow(
        {"id": "app", "component": component}, name="mine", visibility=Type.PRIVATE, owner_id=EDITOR.id
    )
    run = await app.engine.start_run("mine")
    request = app_pb2.OpenAppRequest(run_id=run.id, step_id="app")

    refusal = await refused(app.stub.OpenApp(request, metadata=as_caller(OTHER_EDITOR)))

    assert refusal.reason == "RUN_NOT_FOUND"


async def test_whoever_loses_their_rights_loses_the_app(app: App, peers: Peers) -> None:
    cookie = await app.cookie(VIEWER)
    del peers.identity.people[VIEWER.id]

    refusal = await refused(app.connect(cookie))

    assert refusal.reason == "APP_TICKET_INVALID"


async def test_whoever_logs_out_loses_the_app(app: App, peers: Peers) -> None:
    cookie = await app.cookie()
    peers.identity.ended.add(EDITOR.session_id)

    refusal = await refused(app.connect(cookie))

    assert refusal.reason == "APP_TICKET_INVALID"


async def test_a_step_that_is_no_app_cannot_be_opened(engine: Engine, app: App, peers: Peers) -> None:
    peers.registry.workflow({"id": "gate", "alone": True, "approval": {}}, name="gated")
    run = await engine.start_run("gated")

    refusal = await refused(
        app.stub.OpenApp(app_pb2.OpenAppRequest(run_id=run.id, step_id="gate"), metadata=as_caller(EDITOR))
    )

    assert refusal.reason == "APP_NOT_RUNNING"


async def test_an_app_that_was_stopped_is_reached_no_more(app: App) -> None:
    cookie = await app.cookie()
    await app.engine.cancel(app.run.id)
    await app.engine.ended(app.run.id)

    refusal = await refused(app.connect(cookie))

    assert refusal.reason == "APP_NOT_RUNNING"


async def test_an_app_that_does_not_listen_does_not_answer(app: App) -> None:
    cookie = await app.cookie()
    app.worker.port = 1

    refusal = await refused(app.connect(cookie))

    assert refusal.reason == "APP_NOT_ANSWERING"


async def test_a_ticket_is_not_spent_on_an_app_that_does_not_answer_yet(app: App) -> None:
    listens, app.worker.port = app.worker.port, 1
    ticket = await app.ticket()

    refusals = [await refused(app.redeem(ticket)) for _ in range(2)]
    app.worker.port = listens
    call = await app.connect(await app.redeem(ticket))

    assert [one.reason for one in refusals] == ["APP_NOT_ANSWERING"] * 2
    assert (await refused(app.redeem(ticket))).reason == "APP_TICKET_INVALID"
    call.cancel()


async def test_a_ticket_for_an_app_that_ended_says_that_it_ended(app: App) -> None:
    ticket = await app.ticket()
    await app.engine.cancel(app.run.id)
    await app.engine.ended(app.run.id)

    refusal = await refused(app.redeem(ticket))

    assert refusal.reason == "APP_NOT_RUNNING"


async def test_a_ticket_shown_to_a_replica_without_the_worker_is_shown_to_the_next(
    app: App, engines: Engines
) -> None:
    other = app_pb2_grpc.AppServiceStub((await engines.start()).channel)
    ticket = await app.ticket()
    request = app_pb2.RedeemAppTicketRequest(ticket=ticket, app=app.name)

    refusal = await refused(other.RedeemAppTicket(request, metadata=as_caller(GATEWAY)))

    assert refusal.reason == "APP_ELSEWHERE"
    assert await app.redeem(ticket)


async def test_a_replica_without_the_worker_says_to_ask_the_next(app: App, engines: Engines) -> None:
    other = await engines.start()
    cookie = await app.cookie()

    refusal = await refused(app.connect(cookie, at=other))
    call = await app.connect(cookie)

    assert refusal.reason == "APP_ELSEWHERE"
    assert refusal.code == "UNAVAILABLE"
    call.cancel()


@pytest.mark.parametrize("step", ["app", "each[3]", "sub/inner[0]/x", "Ünï"])
def test_every_step_has_a_name_that_a_path_can_hold(step: str) -> None:
    run = "0190a000-0000-7000-8000-000000000001"

    name = visits.name(run, step)

    assert visits.parse(name) == (run, step)
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/")
    assert name.count("/") == 1
