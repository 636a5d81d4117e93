"""The layers around the messages of streams, in both directions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from chassis import errors
from chassis.database import Database
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, worker_pb2, worker_pb2_grpc
from tests.chassis.conftest import Serve
from tests.chassis.interceptors.servicers import RUN_ID, Engine
from tests.chassis.probes import failure, read
from tests.support.callers import ADMIN, VIEWER, WORKER, as_caller


async def collect(call: Any, received: list[Any]) -> None:
    async for message in call:
        received.append(message)  # noqa: PERF401  # what came before a failure is the point


async def ended(call: Any) -> None:
    """Reads to the end, and raises what the call failed with."""
    while await call.read() is not grpc.aio.EOF:  # type: ignore[attr-defined]  # missing from the stubs
        pass
    code, details = await call.code(), await call.details()
    raise grpc.aio.AioRpcError(
        code, await call.initial_metadata(), await call.trailing_metadata(), details, None
    )


@pytest.mark.parametrize("style", ["yield", "write"])
async def test_a_stream_that_fails_midway_ends_with_its_error(serve: Serve, style: str) -> None:
    servicer = Engine(2, errors.OutOfRange("POSITION_OUT_OF_RANGE", "pruned"))
    channel = await serve((engine_pb2_grpc.add_EngineServiceServicer_to_server, servicer))
    stub = engine_pb2_grpc.EngineServiceStub(channel)
    call = (
        stub.WatchRun(engine_pb2.WatchRunRequest(run_id=RUN_ID), metadata=as_caller(VIEWER))
        if style == "yield"
        else stub.ReadArtifact(engine_pb2.ReadArtifactRequest(artifact_id=RUN_ID), metadata=as_caller(VIEWER))
    )
    received: list[Any] = []

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await collect(call, received)

    code, error = read(caught.value)
    assert (code, error.reason) == (grpc.StatusCode.OUT_OF_RANGE, "POSITION_OUT_OF_RANGE")
    if style == "yield":  # what REST shows of it, since its status was sent long ago
        assert (received.pop().error.code, received[-1].HasField("error")) == (code.value[0], False)
    assert len(received) == 2


class Careless(engine_pb2_grpc.EngineServiceServicer):
    """Yields with its transaction open."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async with self.db.read():
            yield engine_pb2.WatchRunResponse()


async def test_a_stream_that_yields_inside_a_transaction_fails_loudly(
    serve: Serve, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    channel = await serve((engine_pb2_grpc.add_EngineServiceServicer_to_server, Careless(db)))
    stub = engine_pb2_grpc.EngineServiceStub(channel)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await collect(
            stub.WatchRun(engine_pb2.WatchRunRequest(run_id=RUN_ID), metadata=as_caller(VIEWER)), []
        )

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "a message was yielded inside an open transaction" in caplog.text


async def test_an_unknown_exception_in_a_stream_is_internal_and_neutral(serve: Serve) -> None:
    servicer = Engine(1, RuntimeError("hunter2"))
    channel = await serve((engine_pb2_grpc.add_EngineServiceServicer_to_server, servicer))
    stub = engine_pb2_grpc.EngineServiceStub(channel)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in stub.WatchRun(engine_pb2.WatchRunRequest(run_id=RUN_ID), metadata=as_caller(VIEWER)):
            pass

    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in str(caught.value)


async def test_a_client_that_leaves_a_stream_has_its_handler_cleaned_up(serve: Serve) -> None:
    servicer = Engine(1)
    channel = await serve((engine_pb2_grpc.add_EngineServiceServicer_to_server, servicer))
    stub = engine_pb2_grpc.EngineServiceStub(channel)
    call = stub.WatchRun(engine_pb2.WatchRunRequest(run_id=RUN_ID), metadata=as_caller(VIEWER))
    await call.read()

    call.cancel()
    async with asyncio.timeout(10):
        await servicer.closed.wait()

    assert servicer.cleaned


async def test_a_stream_ends_by_itself_when_the_server_drains(serve: Serve) -> None:
    channel = await serve((engine_pb2_grpc.add_EngineServiceServicer_to_server, Engine(1)))
    stub = engine_pb2_grpc.EngineServiceStub(channel)
    call = stub.WatchRun(engine_pb2.WatchRunRequest(run_id=RUN_ID), metadata=as_caller(VIEWER))
    await call.read()

    await channel.server.stop(grace=10)  # type: ignore[attr-defined]

    assert await call.read() is grpc.aio.EOF  # type: ignore[attr-defined]
    assert await call.code() is grpc.StatusCode.OK


class Worker(worker_pb2_grpc.WorkerServiceServicer):
    """Work iterates its requests, UploadArtifact reads them from the context."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    async def Work(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        async for message in request_iterator:
            self.received.append(message)
            yield worker_pb2.EngineMessage(welcome=worker_pb2.EngineMessage.Welcome())

    async def UploadArtifact(self, request_iterator: Any, context: Any) -> Any:
        while isinstance(message := await context.read(), worker_pb2.UploadArtifactRequest):
            self.received.append(message)
        return worker_pb2.UploadArtifactResponse()


WORKER_ADD = worker_pb2_grpc.add_WorkerServiceServicer_to_server


def hello(worker_id: str) -> Any:
    return worker_pb2.WorkerMessage(hello=worker_pb2.WorkerMessage.Hello(worker_id=worker_id, slots=1))


async def test_a_worker_with_the_permission_connects_and_every_message_is_validated(serve: Serve) -> None:
    servicer = Worker()
    stub: Any = worker_pb2_grpc.WorkerServiceStub(await serve((WORKER_ADD, servicer)))
    call: Any = stub.Work(metadata=as_caller(WORKER))

    await call.write(hello("w1"))
    welcome = await call.read()
    await call.write(hello("w\0"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ended(call)

    assert welcome.HasField("welcome")
    assert read(caught.value)[1].reason == "NUL_CHARACTER"
    assert len(servicer.received) == 1


async def test_reading_from_the_context_validates_too(serve: Serve) -> None:
    servicer = Worker()
    stub: Any = worker_pb2_grpc.WorkerServiceStub(await serve((WORKER_ADD, servicer)))

    async def messages() -> AsyncIterator[Any]:
        yield worker_pb2.UploadArtifactRequest(chunk=b"fine")
        yield worker_pb2.UploadArtifactRequest(
            header=worker_pb2.UploadArtifactRequest.Header(name="../etc/passwd")
        )

    code, error = await failure(stub.UploadArtifact(messages(), metadata=as_caller(WORKER)))

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert len(servicer.received) == 1


async def test_a_person_cannot_connect_as_a_worker(serve: Serve) -> None:
    stub: Any = worker_pb2_grpc.WorkerServiceStub(await serve((WORKER_ADD, Worker())))
    call: Any = stub.Work(metadata=as_caller(ADMIN))

    code = await call.code()

    assert code is grpc.StatusCode.PERMISSION_DENIED
