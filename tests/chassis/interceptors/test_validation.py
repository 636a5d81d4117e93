"""What a request may hold, whatever the method."""

from typing import Any

import grpc.aio
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory

from chassis import errors
from chassis.interceptors.validation import validate
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc
from mcpanel.registry.v1 import registry_pb2, registry_pb2_grpc
from tests.chassis.conftest import Serve
from tests.chassis.interceptors.servicers import RUN_ID, Engine, Registry, registry
from tests.chassis.probes import failure
from tests.support.callers import EDITOR, VIEWER, as_caller


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


def test_a_length_of_time_that_is_none_is_found_in_a_map() -> None:
    file = descriptor_pb2.FileDescriptorProto(
        name="maps.proto", package="maps", dependency=["google/protobuf/duration.proto"], syntax="proto3"
    )
    message = file.message_type.add(name="Maps")
    entry = message.nested_type.add(name="WaitsEntry", options={"map_entry": True})
    entry.field.add(name="key", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
    entry.field.add(name="value", number=2, type_name=".google.protobuf.Duration", label="LABEL_OPTIONAL")
    message.field.add(name="waits", number=1, type_name=".maps.Maps.WaitsEntry", label="LABEL_REPEATED")
    pool = descriptor_pool.DescriptorPool()
    for one in (duration_pb2.DESCRIPTOR.serialized_pb, file.SerializeToString()):
        pool.AddSerializedFile(one)
    maps: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("maps.Maps"))()
    maps.waits["short"].seconds = 1
    validate(maps)
    maps.waits["long"].seconds = 2**62

    with pytest.raises(errors.Invalid, match="must be within 1,000 years") as caught:
        validate(maps)

    assert [one.field for one in caught.value.fields] == ["waits['long']"]
