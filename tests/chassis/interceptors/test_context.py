"""What a handler and the log know of a call."""

import asyncio
import logging

import grpc.aio
import pytest

from chassis.config import Address, Networks, ServiceConfig
from chassis.server import Server
from mcpanel.registry.v1 import registry_pb2_grpc
from stack.ports import free_port
from tests.chassis.conftest import Serve
from tests.chassis.interceptors.servicers import GET, Registry, registry
from tests.support.callers import VIEWER, TestAuthenticator, as_caller


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
