"""What callers and the log learn of an error."""

import logging

import grpc.aio
import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from chassis import errors
from mcpanel.registry.v1 import registry_pb2_grpc
from tests.chassis.conftest import Serve
from tests.chassis.interceptors.servicers import GET, Registry, registry
from tests.chassis.probes import failure, read
from tests.support.callers import VIEWER, as_caller


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
