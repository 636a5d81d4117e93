"""A server starts only when it is right, says why when it is not, and leaves quietly."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import grpc.aio
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import rules
from chassis.config import Address, ServiceConfig
from chassis.server import Server, StartError
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from tests.chassis.conftest import Serve
from tests.support.callers import TestAuthenticator

IDENTITY = (
    identity_pb2_grpc.add_IdentityServiceServicer_to_server,
    identity_pb2_grpc.IdentityServiceServicer(),
)
NAME = "mcpanel.identity.v1.IdentityService"


async def test_health_has_a_name_for_each_service_and_needs_no_credential(serve: Serve) -> None:
    channel = await serve(IDENTITY)
    stub = health_pb2_grpc.HealthStub(channel)

    for name in ("", NAME):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="nothing"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_draining_server_says_that_it_is_not_serving(serve: Serve) -> None:
    channel: Any = await serve(IDENTITY)
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=NAME))
    first = await watch.read()

    stopping = asyncio.create_task(channel.server.stop(grace=5))
    second = await watch.read()
    watch.cancel()
    await stopping

    assert (first.status, second.status) == (
        health_pb2.HealthCheckResponse.SERVING,
        health_pb2.HealthCheckResponse.NOT_SERVING,
    )


async def test_a_background_task_that_does_not_end_keeps_no_server_from_stopping(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("chassis.server._CANCEL_SECONDS", 0.05)
    gate = asyncio.Event()

    async def deaf() -> None:
        while not gate.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await gate.wait()

    channel: Any = await serve(IDENTITY, background=[deaf])
    await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await channel.server.stop(grace=0)
    gate.set()

    assert "does not end" in caplog.text


def test_an_rpc_without_a_rule_keeps_a_service_from_starting() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="tests/bare.proto", package="tests.bare", syntax="proto3")
    file.message_type.add(name="Empty")
    service = file.service.add(name="BareService")
    service.method.add(name="DoIt", input_type=".tests.bare.Empty", output_type=".tests.bare.Empty")
    descriptor_pool.Default().Add(file)

    with pytest.raises(rules.MissingRuleError, match=r"tests\.bare\.BareService\.DoIt has no rule"):
        rules.methods(["tests.bare.BareService"])


async def test_a_taken_port_is_one_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        server = Server(ServiceConfig(listen=address), [IDENTITY], authenticator=TestAuthenticator())

        with pytest.raises(StartError, match=f"cannot listen on {address}: Address already in use"):
            await server.start()
        await server.stop(grace=0)


PROGRAM = """
import asyncio, sys
from mcpanel.identity.v1 import identity_pb2_grpc as grpc_module
from chassis.config import Address, ServiceConfig
from chassis.server import Server, main
config = ServiceConfig(listen=Address.parse(sys.argv[1]), log_format="console")
class Nobody:
    async def authenticate(self, credential): raise AssertionError
async def closed(): print("closed", flush=True)
async def serve():
    pair = (grpc_module.add_IdentityServiceServicer_to_server, grpc_module.IdentityServiceServicer())
    server = Server(config, [pair], authenticator=Nobody(), on_stop=[closed], grace=1)
    asyncio.get_running_loop().call_later(0, print, "looping")
    await server.run()
main("probe", config, serve)
"""


def test_a_process_with_a_taken_port_exits_with_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, address], capture_output=True, text=True, timeout=60, check=False
        )

    assert done.returncode == 1
    assert f"cannot listen on {address}" in done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_drains_and_exits_with_zero(sockets: Callable[[], Address]) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(sockets())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stderr is not None
        for line in child.stderr:
            if "serving" in line:
                break
        os.kill(child.pid, signal.SIGTERM)
        output, logged = child.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        child.wait()

    assert child.returncode == 0
    assert "closed" in output
    assert "stopped" in logged


async def test_a_background_task_that_fails_is_started_again(serve: Serve) -> None:
    started = asyncio.Event()
    runs = 0

    async def task() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise RuntimeError("the first time")
        started.set()
        await asyncio.Event().wait()

    await serve(IDENTITY, background=[task])
    async with asyncio.timeout(20):
        await started.wait()

    assert runs == 2


async def test_metrics_count_calls_by_method_and_code(sockets: Callable[[], Address]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = ServiceConfig(listen=sockets(), metrics_listen=Address("127.0.0.1", port))
    server = Server(config, [IDENTITY], authenticator=TestAuthenticator())
    await server.start()
    channel = grpc.aio.insecure_channel(str(config.listen))

    with pytest.raises(grpc.aio.AioRpcError):
        await identity_pb2_grpc.IdentityServiceStub(channel).GetMe(identity_pb2.GetMeRequest())
    page = await asyncio.to_thread(
        lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    )
    await channel.close(None)
    await server.stop(grace=0)

    line = f'mcp_grpc_requests_total{{code="UNAUTHENTICATED",method="GetMe",service="{NAME}"}}'
    assert line in page
    assert "mcp_grpc_request_duration_seconds_bucket" in page
