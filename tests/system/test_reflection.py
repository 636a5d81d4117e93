"""gRPC at the door, driven by reflection alone, as grpcurl does it."""

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.support.stack import Stack
from tests.system.console import Json, fresh


class Reflected:
    """Calls methods it knows nothing of beforehand."""

    def __init__(self, stack: Stack) -> None:
        self._channel = grpc.insecure_channel(stack.address)
        self._pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(self._channel))
        self._metadata = stack.metadata()

    def call(self, name: str, request: Json) -> Json:
        """`package.Service/Method` with JSON in and out; a stream's answers are a list under `items`."""
        service, _, method = name.partition("/")
        found = self._pool.FindServiceByName(service).FindMethodByName(method)
        message = json_format.ParseDict(
            request, message_factory.GetMessageClass(found.input_type)(), descriptor_pool=self._pool
        )
        answer_class = message_factory.GetMessageClass(found.output_type)
        arguments = {
            "request_serializer": lambda sent: sent.SerializeToString(),
            "response_deserializer": answer_class.FromString,
        }
        if found.server_streaming:
            stream = self._channel.unary_stream(f"/{name}", **arguments)(
                message, metadata=self._metadata, timeout=60
            )
            return {"items": [json_format.MessageToDict(item) for item in stream]}
        answer = self._channel.unary_unary(f"/{name}", **arguments)(
            message, metadata=self._metadata, timeout=30
        )
        return json_format.MessageToDict(answer)


def test_reflection_alone_registers_and_runs(stack: Stack) -> None:
    reflected = Reflected(stack)
    name, workflow = fresh("grpc"), fresh("grpc-wf")
    registry, engine = "mcpanel.registry.v1.RegistryService", "mcpanel.engine.v1.EngineService"

    reflected.call(f"{registry}/CreateDefinition", {"definition": {"name": name, "type": "PYTHON_SCRIPT"}})
    reflected.call(
        f"{registry}/CreateVersion",
        {
            "definitionId": name,
            "version": {"version": "1.0.0", "pythonScript": {"codeContent": "def main(): return 'by grpc'"}},
        },
    )
    reflected.call(
        f"{registry}/CreateWorkflow",
        {"workflow": {"name": workflow, "steps": [{"id": "only", "component": f"{name}@1"}]}},
    )
    run = reflected.call(f"{engine}/StartRun", {"workflow": workflow})["run"]
    items = reflected.call(f"{engine}/WatchRun", {"runId": run["id"]})["items"]

    assert items[-1]["event"]["end"]["status"] == "SUCCESS"


def test_health_answers_for_every_service_by_name(stack: Stack) -> None:
    reflected = Reflected(stack)

    for service in (
        "",
        "mcpanel.registry.v1.RegistryService",
        "mcpanel.engine.v1.EngineService",
        "mcpanel.datasources.v1.DataSourceService",
        "mcpanel.audit.v1.AuditService",
        "mcpanel.identity.v1.IdentityService",
    ):
        assert reflected.call("grpc.health.v1.Health/Check", {"service": service}) == {"status": "SERVING"}
