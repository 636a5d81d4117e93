"""Who may call what: every RPC of the contracts × every kind of caller, at the services themselves."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2, status_pb2

from chassis import contracts
from mcpanel.policy.v1 import policy_pb2
from tests.support.channels import plain
from tests.support.stack import Stack
from tests.system.console import Console, fresh

RAW: Any = (None, None)
"""Bytes as they are."""
REFUSALS = {"CREDENTIALS_MISSING", "CREDENTIALS_INVALID", "PERMISSION_MISSING", "INTERNAL_ONLY"}
PORTS = {
    "RegistryService": "registry",
    "EngineService": "engine",
    "WorkerService": "engine",
    "AppService": "engine",
    "DataSourceService": "datasources",
    "SecretService": "datasources",
    "AuditService": "audit",
    "IdentityService": "identity",
}


def methods() -> Iterator[tuple[str, descriptor_pb2.MethodDescriptorProto, policy_pb2.Rule]]:
    """Every RPC: service's full name, method, rule."""
    for file in contracts.descriptor_set().file:
        for service in file.service:
            for method in service.method:
                rule: Any = policy_pb2.rule
                yield f"{file.package}.{service.name}", method, method.options.Extensions[rule]


ALL = {f"{service}/{method.name}": (method, rule) for service, method, rule in methods()}


async def refusal(stack: Stack, path: str, key: str) -> str:
    """The reason with which an empty request is refused for its caller; empty when it was let through."""
    method, _ = ALL[path]
    service = path.partition("/")[0].rpartition(".")[2]
    request: Any = contracts.message_class(method.input_type[1:])()
    call: dict[str, Any] = {"metadata": [("authorization", f"Bearer {key}")] if key else [], "timeout": 10}
    content = request.SerializeToString()
    async with plain(f"127.0.0.1:{getattr(stack.ports, PORTS[service])}") as channel:
        try:
            if method.client_streaming and method.server_streaming:
                await anext(aiter(channel.stream_stream(f"/{path}", *RAW)(iter([]), **call)), None)
            elif method.client_streaming:
                await channel.stream_unary(f"/{path}", *RAW)(iter([]), **call)
            elif method.server_streaming:
                await anext(aiter(channel.unary_stream(f"/{path}", *RAW)(content, **call)), None)
            else:
                await channel.unary_unary(f"/{path}", *RAW)(content, **call)
        except grpc.aio.AioRpcError as error:
            trailing: Any = error.trailing_metadata() or ()
            details = dict(trailing).get("grpc-status-details-bin", b"")
            for detail in status_pb2.Status.FromString(details).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.reason in REFUSALS:
                    return str(info.reason)
    return ""


@pytest.fixture(scope="session")
async def keys(stack: Stack) -> dict[str, str]:
    """A credential for every kind of caller."""
    found = {
        "anonymous": "",
        "admin": stack.admin_key,
        "worker": stack.key("worker"),
        "engine": stack.key("engine"),
        "gateway": stack.key("gateway"),
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
        "engine": set[str](),
        "gateway": set[str](),
    }
    named = {policy_pb2.Rule.Service.Name(one).lower() for one in rule.callers}

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
                let_in = caller in named or (rule.permission and rule.permission in permissions[caller])
                expected[caller] = "" if let_in else "INTERNAL_ONLY"
            case _:
                let_in = caller in named or rule.permission in permissions[caller]
                expected[caller] = "" if let_in else "PERMISSION_MISSING"

    assert {caller: await refusal(stack, path, key) for caller, key in keys.items()} == expected
