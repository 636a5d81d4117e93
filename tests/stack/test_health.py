"""The supervisor's own health call understands real servers."""

import socket

import grpc
import pytest

from stack.health import listens, serves_grpc
from stack.ports import free_port


class Health(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """grpc.health.v1 for the services "" (SERVING) and "sick" (NOT_SERVING)."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:  # type: ignore[type-arg]
        if details.method != "/grpc.health.v1.Health/Check":
            return None

        async def check(request: bytes, context: grpc.aio.ServicerContext) -> bytes:  # type: ignore[type-arg]
            answers = {b"": b"\x08\x01", b"\x0a\x04sick": b"\x08\x02"}
            if request not in answers:
                await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
            return answers[request]

        return grpc.unary_unary_rpc_method_handler(check)


@pytest.mark.parametrize(("service", "serving"), [("", True), ("sick", False), ("nobody", False)])
async def test_a_grpc_servers_word_is_taken(service: str, serving: bool) -> None:
    port = free_port()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Health(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()

    try:
        assert await serves_grpc(port, service) is serving
        assert await listens(port)
    finally:
        await server.stop(0)


async def test_nobody_there_is_not_ready() -> None:
    port = free_port()

    assert not await listens(port)
    assert not await serves_grpc(port)


async def test_something_else_on_the_port_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.close()

        assert not await serves_grpc(port)
