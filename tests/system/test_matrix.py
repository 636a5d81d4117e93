"""Who may call what: every RPC of the contracts × every kind of caller, at the services themselves."""

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf import descriptor_pb2, message_factory
from google.rpc import error_details_pb2, status_pb2

from chassis import contracts
from mcpanel.policy.v1 import policy_pb2
from tests.support.stack import Stack
from tests.system.console import Console, fresh

REFUSALS = {"CREDENTIALS_MISSING", "CREDENTIALS_INVALID", "PERMISSION_MISSING", "INTERNAL_ONLY"}
PORTS = {
    "RegistryService": "registry",
    "EngineService": "engine",
    "WorkerService": "engine",
    "DataSourceService": "datasources",
    "AuditService": "audit",
    "IdentityService": "identity",
}


def methods() -> Iterator[tuple[str, descriptor_pb2.MethodDescriptorProto, policy_pb2.Rule]]:
    """Every RPC: service's full name, method, rule."""
    for file in contracts.descriptor_set().file:
        for service in file.service:
            for method in service.method:
                yield f"{file.package}.{service.name}", method, method.options.Extensions[policy_pb2.rule]


ALL = {f"{service}/{method.name}": (method, rule) for service, method, rule in methods()}


async def refusal(stack: Stack, path: str, key: str) -> str:
    """The reason with which an empty request is refused for its caller; empty when it was let through."""
    method, _ = ALL[path]
    service = path.partition("/")[0].rpartition(".")[2]
    request = message_factory.GetMessageClass(contracts.pool().FindMessageTypeByName(method.input_type[1:]))()
    metadata = [("authorization", f"Bearer {key}")] if key else []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{getattr(stack.ports, PORTS[service])}") as channel:
        try:
            if method.client_streaming and method.server_streaming:
                call = channel.stream_stream(f"/{path}")(iter([]), metadata=metadata, timeout=10)
                async for _ in call:
                    break
            elif method.client_streaming:
                await channel.stream_unary(f"/{path}")(iter([]), metadata=metadata, timeout=10)
            elif method.server_streaming:
                call = channel.unary_stream(f"/{path}")(
                    request.SerializeToString(), metadata=metadata, timeout=10
                )
                async for _ in call:
                    break
            else:
                await channel.unary_unary(f"/{path}")(
                    request.SerializeToString(), metadata=metadata, timeout=10
                )
        except grpc.aio.AioRpcError as error:
            for name, value in error.trailing_metadata() or ():
                if name == "grpc-status-details-bin":
                    for detail in status_pb2.Status.FromString(value).details:
                        info = error_details_pb2.ErrorInfo()
                        if detail.Unpack(info) and info.reason in REFUSALS:
                            return info.reason
    return ""


@pytest.fixture(scope="session")
async def keys(stack: Stack) -> dict[str, str]:
    """A credential for every kind of caller."""
    found = {
        "anonymous": "",
        "admin": stack.admin_key,
        "worker": stack.key("worker"),
        "service": stack.key("engine"),
    }
    async with stack.http() as http:
        admin = Console(http)
        for role in ("Viewer", "Editor"):
            body = {"name": fresh("matrix"), "roleName": role}
            found[role] = (await admin.call("POST", "/api/v1/api-keys", json=body))["secret"]
    return found


@pytest.fixture(scope="session")
async def held(stack: Stack) -> dict[str, set[str]]:
    """The permissions of each role, as identity tells them."""
    async with stack.http() as http:
        roles = (await Console(http).call("GET", "/api/v1/roles"))["roles"]
    return {role["name"]: set(role["permissions"]) for role in roles}


@pytest.mark.parametrize("path", sorted(ALL))
async def test_every_rpc_lets_in_whom_its_rule_names_and_nobody_else(
    stack: Stack, keys: dict[str, str], held: dict[str, set[str]], path: str
) -> None:
    _, rule = ALL[path]
    permissions = {
        "anonymous": set[str](),
        "admin": held["Admin"],
        "Editor": held["Editor"],
        "Viewer": held["Viewer"],
        "worker": {"worker.connect"},
        "service": {"*"},
    }

    expected = {}
    for caller in keys:
        match rule.access:
            case policy_pb2.Rule.PUBLIC:
                expected[caller] = ""
            case _ if caller == "anonymous":
                expected[caller] = "CREDENTIALS_MISSING"
            case policy_pb2.Rule.AUTHENTICATED:
                expected[caller] = ""
            case policy_pb2.Rule.INTERNAL:
                let_in = caller == "service" or (rule.permission and rule.permission in permissions[caller])
                expected[caller] = "" if let_in else "INTERNAL_ONLY"
            case _:
                let_in = caller == "service" or rule.permission in permissions[caller]
                expected[caller] = "" if let_in else "PERMISSION_MISSING"

    assert {caller: await refusal(stack, path, key) for caller, key in keys.items()} == expected
