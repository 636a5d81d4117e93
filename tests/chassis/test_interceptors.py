"""Every layer around a handler, through a real server."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc.aio
import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from chassis import errors, logs
from chassis.config import Address, Networks, ServiceConfig
from chassis.context import Caller, current
from chassis.database import Database
from chassis.interceptors.validation import validate
from chassis.server import Server
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2, worker_pb2, worker_pb2_grpc
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from mcpanel.registry.v1 import component_pb2, registry_pb2, registry_pb2_grpc
from stack.ports import free_port
from tests.chassis.conftest import Serve
from tests.chassis.probes import failure, read
from tests.support.callers import (
    ADMIN,
    EDITOR,
    GATEWAY,
    GUEST,
    SERVICE,
    VIEWER,
    WORKER,
    TestAuthenticator,
    as_caller,
)

RUN_ID = "018f0000-0000-7000-8000-000000000000"


class Registry(registry_pb2_grpc.RegistryServiceServicer):
    """Answers GetDefinition with whatever `answer` does."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[Any] = []

    async def GetDefinition(self, request: Any, context: Any) -> Any:
        self.calls.append(current())
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            await self.answer(request, context)
        return registry_pb2.GetDefinitionResponse(
            definition=component_pb2.Definition(
                id=request.definition_id, name=current().caller.effective.name
            )
        )

    async def GetVersion(self, request: Any, context: Any) -> Any:
        self.calls.append(current())
        return registry_pb2.GetVersionResponse()

    async def CreateDefinition(self, request: Any, context: Any) -> Any:
        self.calls.append(current())
        return registry_pb2.CreateDefinitionResponse(definition=request.definition)


def registry(servicer: Registry) -> Any:
    return registry_pb2_grpc.add_RegistryServiceServicer_to_server, servicer


GET = registry_pb2.GetDefinitionRequest(definition_id="x")


async def test_a_caller_with_the_permission_is_answered(serve: Serve) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry())))

    answer = await stub.GetDefinition(GET, metadata=as_caller(VIEWER))

    assert answer.definition.name == VIEWER.name


async def test_a_caller_without_the_permission_is_denied_naming_it(serve: Serve) -> None:
    servicer = Registry()
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(servicer)))
    request = registry_pb2.CreateDefinitionRequest()

    code, error = await failure(stub.CreateDefinition(request, metadata=as_caller(VIEWER)))

    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert (error.reason, error.metadata["permission"]) == ("PERMISSION_MISSING", "definitions.create")
    assert servicer.calls == []


async def test_a_stranger_learns_nothing_from_how_its_request_is_judged(serve: Serve) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry())))

    code, error = await failure(stub.GetDefinition(registry_pb2.GetDefinitionRequest()))

    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((("authorization", "Bearer nobody"),), "CREDENTIALS_INVALID"),
        ((("authorization", "Basic dXNlcjpwYXNz"),), "CREDENTIALS_INVALID"),
        ((("authorization", "Bearer viewer-token"), ("x-api-key", "admin-token")), "CREDENTIALS_CONFLICT"),
        ((("x-mcpanel-user", "admin"),), "CREDENTIALS_MISSING"),
    ],
)
async def test_a_bad_credential_is_refused(serve: Serve, metadata: Any, reason: str) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry())))

    code, error = await failure(stub.GetDefinition(GET, metadata=metadata))

    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)


async def test_x_api_key_is_an_alias_of_authorization(serve: Serve) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry())))

    answer = await stub.GetDefinition(GET, metadata=(("x-api-key", VIEWER.credential),))

    assert answer.definition.name == VIEWER.name


FOREIGN = ("sec-fetch-site", "cross-site")
NEIGHBOUR = ("sec-fetch-site", "same-site")
TYPED = ("sec-fetch-site", "none")
FOLLOWED = ("sec-fetch-mode", "navigate")
HOST, PLAIN = ("x-forwarded-host", "console:8080"), ("x-forwarded-proto", "http")


@pytest.mark.parametrize(
    ("said", "reads", "writes"),
    [
        ([], True, False),
        ([("sec-fetch-site", "same-origin")], True, True),
        ([FOREIGN], False, False),
        ([NEIGHBOUR], False, False),
        ([TYPED], True, False),
        ([FOREIGN, FOLLOWED], True, False),
        ([("origin", "http://console:8080"), HOST, PLAIN], True, True),
        ([("origin", "https://console:8080"), HOST, PLAIN], True, True),
        ([("origin", "http://console:8080"), HOST, ("x-forwarded-proto", "https")], True, False),
        ([("origin", "http://console:8081"), HOST, PLAIN], True, False),
        ([("origin", "null"), HOST, PLAIN], True, False),
        ([("origin", "http://console:8080")], True, False),
        ([FOREIGN, ("origin", "http://console:8080"), HOST, PLAIN], False, False),
    ],
    ids=str,
)
async def test_a_cookie_counts_where_the_browser_says_that_our_own_page_asks(
    serve: Serve, said: list[tuple[str, str]], reads: bool, writes: bool
) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry())))
    definition = component_pb2.Definition(name="a", type="UTILITY")
    change = registry_pb2.CreateDefinitionRequest(definition=definition)
    metadata = (("cookie", f"theme=dark; __Host-mcpanel={EDITOR.credential}"), *said)

    for ask, allowed in (
        (stub.GetDefinition(GET, metadata=metadata), reads),
        (stub.CreateDefinition(change, metadata=metadata), writes),
    ):
        if allowed:
            assert (await ask).definition.name
        else:
            assert (await failure(ask))[1].reason == "CREDENTIALS_INVALID"


async def test_a_service_acts_with_the_rights_of_the_user_it_calls_for(serve: Serve) -> None:
    servicer = Registry()
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(servicer)))
    change = registry_pb2.CreateDefinitionRequest(definition=component_pb2.Definition(name="a"))

    answer = await stub.GetDefinition(GET, metadata=as_caller(SERVICE, on_behalf_of=VIEWER))
    code, _ = await failure(stub.CreateDefinition(change, metadata=as_caller(SERVICE, on_behalf_of=VIEWER)))

    assert answer.definition.name == VIEWER.name
    assert servicer.calls[0].caller.id == SERVICE.id
    assert code is grpc.StatusCode.PERMISSION_DENIED


async def test_only_services_may_call_for_somebody_else(serve: Serve) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry())))

    answer = await stub.GetDefinition(GET, metadata=as_caller(VIEWER, on_behalf_of=ADMIN))

    assert answer.definition.name == VIEWER.name


class Identity(identity_pb2_grpc.IdentityServiceServicer):
    async def GetJwks(self, request: Any, context: Any) -> Any:
        key = identity_pb2.JsonWebKey(kid=current().caller.kind)
        return identity_pb2.GetJwksResponse(keys=[key])

    async def Authenticate(self, request: Any, context: Any) -> Any:
        return identity_pb2.AuthenticateResponse()


IDENTITY = (identity_pb2_grpc.add_IdentityServiceServicer_to_server, Identity())


@pytest.mark.parametrize(
    ("metadata", "kind"),
    [((), "anonymous"), ((("authorization", "Bearer stale"),), "anonymous"), (as_caller(VIEWER), "user")],
)
async def test_a_public_method_is_open_whatever_the_credential(
    serve: Serve, metadata: Any, kind: str
) -> None:
    stub = identity_pb2_grpc.IdentityServiceStub(await serve(IDENTITY))

    answer = await stub.GetJwks(identity_pb2.GetJwksRequest(), metadata=metadata)

    assert answer.keys[0].kid == kind


async def test_an_internal_method_is_for_services_and_not_even_for_administrators(serve: Serve) -> None:
    stub = identity_pb2_grpc.IdentityServiceStub(await serve(IDENTITY))
    request = identity_pb2.AuthenticateRequest(credential="x")

    await stub.Authenticate(request, metadata=as_caller(SERVICE))
    for caller in (ADMIN, WORKER, GATEWAY):
        code, error = await failure(stub.Authenticate(request, metadata=as_caller(caller)))
        assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "INTERNAL_ONLY")


@pytest.mark.parametrize(
    ("run_id", "told"),
    [
        (
            f"{RUN_ID}:explian",
            "; there is no call ':explian' here, there is GET :compare, GET :explain, GET :watch, ",
        ),
        ("no-uuid", ""),
    ],
)
def test_an_id_that_ends_with_a_mistyped_call_is_told_the_calls_there_are(run_id: str, told: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        validate(engine_pb2.GetRunRequest(run_id=run_id))

    (field,) = caught.value.fields
    assert (field.field, field.description.startswith(f"must be a valid UUID{told}")) == ("run_id", True)
    assert ("POST :cancel" in field.description) == bool(told)


async def test_a_service_calls_as_itself_what_names_it_and_nothing_else(serve: Serve) -> None:
    servicer = Registry()
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(servicer)))
    version = registry_pb2.GetVersionRequest(version_id="x")

    await stub.GetVersion(version, metadata=as_caller(SERVICE))
    refused = [
        await failure(stub.GetVersion(version, metadata=as_caller(GATEWAY))),
        await failure(stub.GetDefinition(GET, metadata=as_caller(SERVICE))),
        await failure(stub.GetVersion(version, metadata=as_caller(SERVICE, on_behalf_of=GUEST))),
    ]

    assert {(code, error.reason) for code, error in refused} == {
        (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
    }
    assert len(servicer.calls) == 1


@pytest.mark.parametrize(
    ("caller", "on_behalf_of", "reaches"),
    [
        (ADMIN, None, True),
        (EDITOR, None, False),
        (SERVICE, None, True),
        (SERVICE, EDITOR, False),
        (SERVICE, ADMIN, True),
    ],
)
async def test_the_rule_says_who_reaches_what_is_somebody_elses(
    serve: Serve, caller: Caller, on_behalf_of: Caller | None, reaches: bool
) -> None:
    servicer = Registry()
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(servicer)))
    version = registry_pb2.GetVersionRequest(version_id="x")

    await stub.GetVersion(version, metadata=as_caller(caller, on_behalf_of=on_behalf_of))

    assert servicer.calls[0].may_others() is reaches


async def test_an_invalid_field_is_named(serve: Serve) -> None:
    servicer = Registry()
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(servicer)))

    code, error = await failure(
        stub.GetDefinition(registry_pb2.GetDefinitionRequest(), metadata=as_caller(VIEWER))
    )

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert [field.field for field in error.fields] == ["definition_id"]
    assert servicer.calls == []


async def test_bytes_that_are_no_message_are_an_invalid_argument(serve: Serve) -> None:
    channel = await serve(registry(Registry()))
    nested = b""
    for _ in range(120):  # a value in a struct in a value …
        nested = b"\x2a" + _varint(len(nested)) + nested
    raw: Any = channel.unary_unary
    call = raw("/mcpanel.registry.v1.RegistryService/CreateVersion")

    for content in (b"\xff\xff", b"\x12" + _varint(len(nested)) + nested):
        code, error = await failure(call(content, metadata=as_caller(EDITOR)))

        assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
        assert "Decode" not in error.message


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])


async def test_nul_is_refused_in_any_string_of_any_request(serve: Serve) -> None:
    engine = (engine_pb2_grpc.add_EngineServiceServicer_to_server, Engine())
    channel = await serve(registry(Registry()), engine)
    run = engine_pb2_grpc.EngineServiceStub(channel)
    definitions = registry_pb2_grpc.RegistryServiceStub(channel)
    in_value = engine_pb2.StartRunRequest(workflow="w")
    in_value.inputs.update({"a": [{"b": "x\0"}]})
    in_key = engine_pb2.StartRunRequest(workflow="w")
    in_key.inputs.update({"a\0": 1})
    plain = registry_pb2.GetDefinitionRequest(definition_id="a\0b")

    found = [
        (await failure(run.StartRun(in_value, metadata=as_caller(EDITOR))))[1],
        (await failure(run.StartRun(in_key, metadata=as_caller(EDITOR))))[1],
        (await failure(definitions.GetDefinition(plain, metadata=as_caller(VIEWER))))[1],
    ]

    assert [one.reason for one in found] == ["NUL_CHARACTER"] * 3
    assert found[0].fields[0].field.startswith("inputs.fields['a']")
    assert [one.fields[0].field for one in found[1:]] == ["inputs.fields", "definition_id"]


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(2**62, 0), (-62135596801, 0), (253402300800, 0), (0, -1), (0, 10**9)]
)
async def test_a_moment_that_is_none_is_refused_in_any_request(
    serve: Serve, seconds: int, nanos: int
) -> None:
    engine = (engine_pb2_grpc.add_EngineServiceServicer_to_server, Engine())
    run = engine_pb2_grpc.EngineServiceStub(await serve(engine))
    request = engine_pb2.StartRunRequest(workflow="w")
    request.start_at.seconds, request.start_at.nanos = seconds, nanos

    code, error = await failure(run.StartRun(request, metadata=as_caller(EDITOR)))

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert [(one.field, one.reason) for one in error.fields] == [("start_at", "TIME_OUT_OF_RANGE")]


@pytest.mark.parametrize(("seconds", "nanos"), [(2**62, 0), (31_557_600_001, 0), (-1, 1), (0, 10**9)])
async def test_a_length_of_time_that_is_none_is_refused_however_deep(
    serve: Serve, seconds: int, nanos: int
) -> None:
    definitions = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry())))
    request = registry_pb2.CreateWorkflowRequest()
    request.workflow.name = "w"
    step = request.workflow.steps.add(id="a")
    step.approval.timeout.seconds, step.approval.timeout.nanos = seconds, nanos

    code, error = await failure(definitions.CreateWorkflow(request, metadata=as_caller(EDITOR)))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "workflow.steps[0].approval.timeout" in {one.field for one in error.fields}


async def test_every_part_of_an_error_reaches_the_caller(serve: Serve) -> None:
    raised = errors.Precondition(
        "RUN_ENDED",
        "the run has ended",
        metadata={"run": "7"},
        resource=("run", "7"),
        allowed=["PENDING", "RUNNING"],
        retry_after=1.5,
        fields=[errors.FieldViolation("a.b", "is wrong", "WRONG")],
        quota={"runs": "10 a minute"},
    )
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry(raised))))

    code, error = await failure(
        stub.GetDefinition(GET, metadata=(*as_caller(VIEWER), ("x-trace-id", "trace-1234")))
    )

    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert isinstance(error, errors.Precondition)
    assert error.metadata == {"run": "7", "trace_id": "trace-1234"}
    for part in ("reason", "message", "resource", "allowed", "retry_after", "fields", "quota"):
        assert getattr(error, part) == getattr(raised, part)


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (
            psycopg.OperationalError("server closed the connection: password=hunter2"),
            grpc.StatusCode.UNAVAILABLE,
        ),
        (
            OperationalError("select hunter2", {}, psycopg.OperationalError("hunter2")),
            grpc.StatusCode.UNAVAILABLE,
        ),
        (psycopg.errors.SerializationFailure("hunter2"), grpc.StatusCode.ABORTED),
        (psycopg.errors.DeadlockDetected("hunter2"), grpc.StatusCode.ABORTED),
        (psycopg.errors.UniqueViolation("Key (name)=(hunter2)"), grpc.StatusCode.INTERNAL),
        (ValueError("hunter2"), grpc.StatusCode.INTERNAL),
    ],
)
async def test_what_was_not_meant_for_callers_is_never_sent(
    serve: Serve, raised: Exception, code: grpc.StatusCode
) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry(raised))))

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetDefinition(GET, metadata=as_caller(VIEWER))

    found, error = read(caught.value)
    assert found is code
    assert "hunter2" not in str(caught.value) + repr(error) + repr(error.metadata)
    assert error.metadata["trace_id"]


async def test_an_unknown_exception_is_logged_with_its_traceback(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry(ValueError("the cause")))))

    with caplog.at_level(logging.ERROR):
        _, error = await failure(stub.GetDefinition(GET, metadata=as_caller(VIEWER)))

    logged = [record for record in caplog.records if record.exc_info]
    assert logged
    assert "the cause" in caplog.text
    assert logged[0].trace_id == error.metadata["trace_id"]  # type: ignore[attr-defined]


async def test_one_line_a_request_names_caller_method_and_code(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry())))

    with caplog.at_level(logging.INFO):
        await stub.GetDefinition(GET, metadata=as_caller(VIEWER))
        await asyncio.sleep(0)

    [line] = [record for record in caplog.records if record.name == "chassis.requests"]
    assert vars(line).items() >= {"caller": VIEWER.id, "code": "OK"}.items()
    assert vars(line)["method"].endswith("/GetDefinition")


class Engine(engine_pb2_grpc.EngineServiceServicer):
    """Streams in both styles: WatchRun yields, ReadArtifact writes to the context. Fails after `good` messages."""

    def __init__(self, good: int = 2, error: Exception | None = None) -> None:
        self.good = good
        self.error = error
        self.closed = asyncio.Event()
        self.cleaned = False

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            for seq in range(self.good):
                yield engine_pb2.WatchRunResponse(event=run_pb2.RunEvent(run_id=request.run_id, seq=seq))
            if self.error is not None:
                raise self.error
            await current().draining.wait()
        finally:
            self.cleaned = True
            self.closed.set()

    async def ReadArtifact(self, request: Any, context: Any) -> None:  # type: ignore[override]  # the stub knows yield only
        for _ in range(self.good):
            await context.write(engine_pb2.ReadArtifactResponse(chunk=b"x"))
        if self.error is not None:
            raise self.error


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


@pytest.mark.parametrize(
    ("proxies", "told"), [("127.0.0.0/8", "203.0.113.7"), ("10.0.0.0/8", "127.0.0.1"), ("", "127.0.0.1")]
)
async def test_only_a_proxy_says_for_whom_it_asks(proxies: str, told: str) -> None:
    servicer = Registry()
    config = ServiceConfig(listen=Address("127.0.0.1", free_port()), trusted_proxies=Networks.parse(proxies))
    server = Server(config, [registry(servicer)], authenticator=TestAuthenticator())
    await server.start()
    metadata = (*as_caller(VIEWER), ("x-forwarded-for", "10.0.0.9, 203.0.113.7"))

    async with grpc.aio.insecure_channel(str(config.listen)) as channel:
        await registry_pb2_grpc.RegistryServiceStub(channel).GetDefinition(GET, metadata=metadata)
    await server.stop(grace=0)

    assert servicer.calls[0].client_address == told


async def test_the_handler_knows_trace_deadline_and_client(serve: Serve) -> None:
    servicer = Registry()
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(servicer)))
    metadata = (
        *as_caller(VIEWER),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-forwarded-for", "10.0.0.9, 203.0.113.7"),
        ("x-envoy-external-address", "10.0.0.9"),
    )

    await stub.GetDefinition(GET, metadata=metadata, timeout=20)

    [call] = servicer.calls
    assert call.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert call.client_address == "203.0.113.7"
    assert 0 < call.remaining() <= 20.5  # on its way a timeout is rounded up, by at most two percent
    assert call.rpc == "GetDefinition"


def _literal(name: bytes, value: bytes) -> bytes:
    """A header as HPACK writes it literally: neither indexed nor compressed."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


async def _shown(socket: str, path: str, *headers: tuple[bytes, bytes]) -> None:
    """Calls with headers that gRPC's own client refuses to send, and waits for the end of the answer."""
    reader, writer = await asyncio.open_unix_connection(socket)
    block = b"".join(
        _literal(name, value)
        for name, value in (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path.encode()),
            (b":authority", b"localhost"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            *headers,
        )
    )
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0, b""))
    writer.write(_frame(1, 4, 1, block) + _frame(0, 1, 1, bytes(5)))
    await writer.drain()
    while True:
        head = await reader.readexactly(9)
        await reader.readexactly(int.from_bytes(head[:3]))
        if head[3] == 1 and head[4] & 1:  # the headers that end the stream
            break
    writer.close()
    await writer.wait_closed()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What a process writes into its log, as it is configured where it runs."""
    root, out = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    logs.configure("probe", stream=out)
    yield out
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize("octets", [b"\xff", "ü".encode(), b"\x80mcp_", b"\xed\xa0\x80"])
@pytest.mark.parametrize("name", [b"x-api-key", b"authorization", b"cookie", b"x-mcpanel-on-behalf-of"])
async def test_a_credential_of_any_octets_is_refused_and_in_no_log(
    serve: Serve, logged: io.StringIO, name: bytes, octets: bytes
) -> None:
    refused: list[errors.ServiceError] = []

    async def note(_: Any, error: errors.ServiceError) -> None:
        refused.append(error)

    raw: Any = await serve(
        (registry_pb2_grpc.add_RegistryServiceServicer_to_server, Registry()), refusals=note
    )
    socket = str(raw.server.config.listen).removeprefix("unix:")
    before = {b"authorization": b"Bearer ", b"cookie": b"__Host-mcpanel="}.get(name, b"")

    await _shown(
        socket,
        "/mcpanel.registry.v1.RegistryService/GetDefinition",
        (name, before + b"mcp_hidden" + octets),
    )

    assert [error.reason for error in refused] == ["CREDENTIALS_INVALID"]
    assert "hidden" not in logged.getvalue() + refused[0].message
    assert "Traceback" not in logged.getvalue()
