"""Streams that stay open: who has them goes on being asked, and how many there are is bounded."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from chassis.context import Caller
from chassis.errors import Unavailable
from chassis.interceptors import streams
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc
from tests.chassis.conftest import Serve
from tests.chassis.probes import read
from tests.support.callers import EDITOR, VIEWER, TestAuthenticator, as_caller

REQUEST = engine_pb2.WatchRunRequest(run_id="018f0000-0000-7000-8000-000000000000")


class Engine(engine_pb2_grpc.EngineServiceServicer):
    """Has something to say all the time."""

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[Any]:
        while True:
            yield engine_pb2.WatchRunResponse()
            await asyncio.sleep(0.01)


class Authenticator(TestAuthenticator):
    """One whose identity may be away."""

    is_away = False

    async def confirm(self, caller: Caller) -> Caller:
        """The caller as it is by now."""
        if self.is_away:
            raise Unavailable("DEPENDENCY_UNAVAILABLE", "identity is unavailable")
        return await super().confirm(caller)


@pytest.fixture
def authenticator(monkeypatch: pytest.MonkeyPatch) -> Authenticator:
    """Asked before each message."""
    monkeypatch.setattr(streams, "_LOOK_EVERY", 0.0)
    return Authenticator()


@pytest.fixture
async def stub(serve: Serve, authenticator: Authenticator) -> Any:
    """A stub to the engine."""
    pair = (engine_pb2_grpc.add_EngineServiceServicer_to_server, Engine())
    return engine_pb2_grpc.EngineServiceStub(await serve(pair, authenticator=authenticator))


async def opened(stub: Any, caller: Caller = VIEWER) -> Any:
    """A stream that has begun."""
    call = stub.WatchRun(REQUEST, metadata=as_caller(caller))
    await call.read()
    return call


async def ended(call: Any) -> tuple[grpc.StatusCode, str]:
    """How the stream ends: the code and the reason."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _read_on(call)
    code, error = read(caught.value)
    return code, error.reason


async def _read_on(call: Any) -> None:
    while await call.read():
        pass


async def test_a_stream_ends_when_what_opened_it_is_revoked(stub: Any, authenticator: Authenticator) -> None:
    call, other = await opened(stub), await opened(stub, EDITOR)

    authenticator.expel(VIEWER)

    assert await ended(call) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    assert await other.read()


async def test_a_stream_ends_when_its_caller_may_no_longer_call(
    stub: Any, authenticator: Authenticator
) -> None:
    call = await opened(stub)

    authenticator.admit(dataclasses.replace(VIEWER, permissions=frozenset()))

    assert await ended(call) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


async def test_a_stream_goes_on_while_nobody_can_say_whether_it_may(
    stub: Any, authenticator: Authenticator
) -> None:
    call = await opened(stub)

    authenticator.is_away = True

    assert [await call.read() for _ in range(20)]


async def test_a_caller_has_so_many_streams_and_others_have_theirs(
    stub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST", 2)
    first, _ = await opened(stub), await opened(stub)

    refused = await ended(stub.WatchRun(REQUEST, metadata=as_caller(VIEWER)))
    other = await opened(stub, EDITOR)
    first.cancel()
    async with asyncio.timeout(30):
        while (again := stub.WatchRun(REQUEST, metadata=as_caller(VIEWER))) and not await _begins(again):
            await asyncio.sleep(0.01)

    assert refused == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS")
    assert await other.read()


async def _begins(call: Any) -> bool:
    try:
        return bool(await call.read() is not None)
    except grpc.aio.AioRpcError:
        return False
