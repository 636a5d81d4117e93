"""Calls to other services carry what they must, and fail with a sentence that names the peer."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from chassis import errors
from chassis.client import channel
from chassis.context import Call, current, use
from identity import keyfiles
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2, worker_pb2, worker_pb2_grpc
from mcpanel.registry.v1 import component_pb2, registry_pb2, registry_pb2_grpc
from tests.chassis.conftest import Serve
from tests.support.callers import EDITOR, SERVICE, VIEWER, WORKER, acting_for

GET = registry_pb2.GetDefinitionRequest(definition_id="x")


class Registry(registry_pb2_grpc.RegistryServiceServicer):
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[Call] = []

    async def GetDefinition(self, request: Any, context: Any) -> Any:
        self.calls.append(current())
        if self.error is not None:
            raise self.error
        return registry_pb2.GetDefinitionResponse(definition=component_pb2.Definition(name="x" * 10))


async def connect(serve: Serve, add: Any, servicer: Any, **options: Any) -> Any:
    raw: Any = await serve((add, servicer))
    options.setdefault("key", SERVICE.credential)
    return channel(raw.server.config.listen, peer="registry", **options)


async def test_a_call_carries_deadline_trace_and_the_users_credential(serve: Serve) -> None:
    servicer = Registry()
    link = await connect(serve, registry_pb2_grpc.add_RegistryServiceServicer_to_server, servicer)
    call = Call(method="/a.B/C", trace_id="trace-1234", caller=VIEWER, deadline=time.monotonic() + 3)

    with use(call):
        await registry_pb2_grpc.RegistryServiceStub(link).GetDefinition(GET)

    [received] = servicer.calls
    assert received.trace_id == "trace-1234"
    assert (received.caller.id, received.caller.effective.id) == (SERVICE.id, VIEWER.id)
    left = received.remaining()
    assert left is not None
    assert left < 10
    await link.close()


async def test_the_user_is_passed_on_by_the_second_service_too(serve: Serve) -> None:
    servicer = Registry()
    link = await connect(serve, registry_pb2_grpc.add_RegistryServiceServicer_to_server, servicer)

    with use(Call(method="/a.B/C", caller=acting_for(SERVICE, EDITOR))):
        await registry_pb2_grpc.RegistryServiceStub(link).GetDefinition(GET)

    assert servicer.calls[0].caller.effective.id == EDITOR.id
    await link.close()


async def test_a_call_outside_any_call_has_a_deadline_of_its_own(serve: Serve) -> None:
    servicer = Registry()
    add = registry_pb2_grpc.add_RegistryServiceServicer_to_server
    link = await connect(serve, add, servicer, key=VIEWER.credential)

    await registry_pb2_grpc.RegistryServiceStub(link).GetDefinition(GET)

    left = servicer.calls[0].remaining()
    assert left is not None
    assert left < 60
    await link.close()


async def test_no_call_is_made_without_time(serve: Serve) -> None:
    servicer = Registry()
    link = await connect(serve, registry_pb2_grpc.add_RegistryServiceServicer_to_server, servicer)

    with (
        use(Call(method="/a.B/C", caller=VIEWER, deadline=time.monotonic())),
        pytest.raises(errors.DeadlineExceeded, match="registry"),
    ):
        await registry_pb2_grpc.RegistryServiceStub(link).GetDefinition(GET)

    assert servicer.calls == []
    await link.close()


async def test_what_the_peer_says_passes_through(serve: Serve) -> None:
    raised = errors.NotFound("DEFINITION_NOT_FOUND", "no 'x'", resource=("definition", "x"))
    add = registry_pb2_grpc.add_RegistryServiceServicer_to_server
    link = await connect(serve, add, Registry(raised), key=VIEWER.credential)

    with pytest.raises(errors.NotFound) as caught:
        await registry_pb2_grpc.RegistryServiceStub(link).GetDefinition(GET)

    assert (caught.value.reason, caught.value.resource) == ("DEFINITION_NOT_FOUND", ("definition", "x"))
    await link.close()


async def test_an_absent_peer_is_named() -> None:
    link = channel("127.0.0.1:1", peer="registry")

    with pytest.raises(errors.Unavailable) as caught:
        await registry_pb2_grpc.RegistryServiceStub(link).GetDefinition(GET)

    assert caught.value.message == "registry is unavailable"
    assert caught.value.metadata == {"dependency": "registry"}
    await link.close()


async def test_a_key_file_may_appear_later(serve: Serve, tmp_path: Path) -> None:
    servicer = Registry()
    path = tmp_path / "engine.key"
    link = await connect(
        serve, registry_pb2_grpc.add_RegistryServiceServicer_to_server, servicer, key=None, key_file=path
    )
    stub = registry_pb2_grpc.RegistryServiceStub(link)

    with pytest.raises(errors.Unauthenticated):
        await stub.GetDefinition(GET)
    path.write_text(f"{VIEWER.credential}\n")
    await stub.GetDefinition(GET)

    assert servicer.calls[0].caller.id == VIEWER.id
    await link.close()


async def test_a_key_file_that_is_replaced_is_read_again(serve: Serve, tmp_path: Path) -> None:
    servicer = Registry()
    path = tmp_path / "engine.key"
    keyfiles.write(path, f"{VIEWER.credential}\n")
    add = registry_pb2_grpc.add_RegistryServiceServicer_to_server
    link = await connect(serve, add, servicer, key=None, key_file=path)
    stub = registry_pb2_grpc.RegistryServiceStub(link)

    await stub.GetDefinition(GET)
    keyfiles.write(path, f"{EDITOR.credential}\n")
    await stub.GetDefinition(GET)
    path.unlink()
    await stub.GetDefinition(GET)

    assert [call.caller.id for call in servicer.calls] == [VIEWER.id, EDITOR.id, EDITOR.id]
    await link.close()


async def test_a_message_over_four_mebibytes_is_refused_with_its_limit(serve: Serve) -> None:
    link = await connect(serve, registry_pb2_grpc.add_RegistryServiceServicer_to_server, Registry())
    huge = registry_pb2.GetDefinitionRequest(definition_id="x" * (5 * 1024 * 1024))

    with pytest.raises(errors.TooLarge) as caught:
        await registry_pb2_grpc.RegistryServiceStub(link).GetDefinition(huge)

    assert caught.value.metadata == {"limit_bytes": "4194304"}
    await link.close()


class Engine(engine_pb2_grpc.EngineServiceServicer):
    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[Any]:
        yield engine_pb2.WatchRunResponse(event=run_pb2.RunEvent(seq=1))
        raise errors.OutOfRange("POSITION_OUT_OF_RANGE", "pruned")


@pytest.mark.parametrize("style", ["iterate", "read"])
async def test_a_stream_that_fails_raises_the_peers_error(serve: Serve, style: str) -> None:
    link = await connect(serve, engine_pb2_grpc.add_EngineServiceServicer_to_server, Engine())
    request = engine_pb2.WatchRunRequest(run_id="018f0000-0000-7000-8000-000000000000")
    call: Any = engine_pb2_grpc.EngineServiceStub(link).WatchRun(
        request, metadata=(("authorization", f"Bearer {VIEWER.credential}"),)
    )
    received = []

    async def consume() -> None:
        if style == "iterate":
            async for message in call:
                received.append(message)  # noqa: PERF401  # what came before the failure is the point
        else:
            while True:
                received.append(await call.read())

    with pytest.raises(errors.OutOfRange, match="pruned"):
        await consume()

    event, last = received
    assert event.event.seq == 1
    assert "pruned" in last.error.message
    await link.close()


class Worker(worker_pb2_grpc.WorkerServiceServicer):
    async def Work(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        async for _ in request_iterator:
            yield worker_pb2.EngineMessage()

    async def UploadArtifact(self, request_iterator: Any, context: Any) -> Any:
        size = 0
        async for message in request_iterator:
            size += len(message.chunk)
        return worker_pb2.UploadArtifactResponse(artifact=run_pb2.Artifact(size_bytes=size))


async def test_streams_of_requests_work_both_ways(serve: Serve) -> None:
    link = await connect(
        serve, worker_pb2_grpc.add_WorkerServiceServicer_to_server, Worker(), key=WORKER.credential
    )
    stub = worker_pb2_grpc.WorkerServiceStub(link)

    async def chunks() -> AsyncIterator[Any]:
        for _ in range(3):
            yield worker_pb2.UploadArtifactRequest(chunk=b"xx")

    uploaded = await stub.UploadArtifact(chunks())
    work: Any = stub.Work()
    hello = worker_pb2.WorkerMessage.Hello(worker_id="w", slots=1)
    await work.write(worker_pb2.WorkerMessage(hello=hello))
    answer = await work.read()
    await work.done_writing()
    end = await work.read()

    assert uploaded.artifact.size_bytes == 6
    assert isinstance(answer, worker_pb2.EngineMessage)
    assert end is grpc.aio.EOF  # type: ignore[attr-defined]  # missing from the stubs
    await link.close()


class Refuses(worker_pb2_grpc.WorkerServiceServicer):
    """Reads nothing of what is sent, and answers at once."""

    async def Work(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        for _ in ():
            yield
        raise errors.Denied("INTERNAL_ONLY", "no work for you")

    async def UploadArtifact(self, request_iterator: Any, context: Any) -> Any:
        raise errors.Conflict("STALE_EPOCH", "somebody else has it")


async def test_a_stream_that_is_refused_while_it_sends_fails_with_the_refusal(serve: Serve) -> None:
    link = await connect(
        serve, worker_pb2_grpc.add_WorkerServiceServicer_to_server, Refuses(), key=WORKER.credential
    )
    stub = worker_pb2_grpc.WorkerServiceStub(link)
    message = worker_pb2.WorkerMessage(hello=worker_pb2.WorkerMessage.Hello(worker_id="w", slots=1))
    told = []

    for _ in range(20):
        uploading = stub.UploadArtifact(iter([worker_pb2.UploadArtifactRequest(chunk=b"x" * 65536)] * 200))
        with pytest.raises(errors.ServiceError) as caught:
            await uploading
        told.append(caught.value.reason)
        work: Any = stub.Work(iter([message] * 200))
        with pytest.raises(errors.ServiceError) as caught:
            await anext(aiter(work))
        told.append(caught.value.reason)

    assert told == ["STALE_EPOCH", "INTERNAL_ONLY"] * 20
    await link.close()


async def test_a_write_that_comes_too_late_fails_with_the_refusal(serve: Serve) -> None:
    link = await connect(
        serve, worker_pb2_grpc.add_WorkerServiceServicer_to_server, Refuses(), key=WORKER.credential
    )
    message = worker_pb2.WorkerMessage(hello=worker_pb2.WorkerMessage.Hello(worker_id="w", slots=1))

    async def write(work: Any) -> None:
        while True:
            await work.write(message)

    for _ in range(20):
        with pytest.raises(errors.Denied, match="no work for you"):
            await write(worker_pb2_grpc.WorkerServiceStub(link).Work())

    await link.close()


class Hurries(worker_pb2_grpc.WorkerServiceServicer):
    """Answers with what it has to say, and reads nothing."""

    async def Work(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        yield worker_pb2.EngineMessage()


async def test_what_was_answered_while_a_stream_sends_ends_as_it_was_meant(serve: Serve) -> None:
    link = await connect(
        serve, worker_pb2_grpc.add_WorkerServiceServicer_to_server, Hurries(), key=WORKER.credential
    )
    message = worker_pb2.WorkerMessage(hello=worker_pb2.WorkerMessage.Hello(worker_id="w", slots=1))

    for _ in range(20):
        work: Any = worker_pb2_grpc.WorkerServiceStub(link).Work(iter([message] * 200))
        assert [one async for one in work] == [worker_pb2.EngineMessage()]

    await link.close()
