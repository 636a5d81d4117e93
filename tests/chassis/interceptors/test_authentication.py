"""Who a call comes from, by any credential, and whose behalf it is on."""

import asyncio
import io
import logging
from collections.abc import Iterator
from typing import Any

import grpc.aio
import pytest

from chassis import errors, logs
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from mcpanel.registry.v1 import component_pb2, registry_pb2, registry_pb2_grpc
from tests.chassis.conftest import Serve
from tests.chassis.interceptors.servicers import GET, IDENTITY, Registry, registry
from tests.chassis.probes import failure
from tests.support.callers import ADMIN, EDITOR, SERVICE, VIEWER, as_caller


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((("authorization", "Bearer nobody"),), "CREDENTIALS_INVALID"),
        ((("authorization", "Basic dXNlcjpwYXNz"),), "CREDENTIALS_INVALID"),
        ((("authorization", "Bearer viewer-token"), ("x-api-key", "admin-token")), "CREDENTIALS_CONFLICT"),
        (
            (("authorization", "Bearer viewer-token"), ("authorization", "Bearer admin-token")),
            "CREDENTIALS_INVALID",
        ),
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
        ([("origin", "http://console:8080"), HOST, ("x-forwarded-proto", "https")], False, False),
        ([("origin", "http://console:8081"), HOST, PLAIN], False, False),
        ([("origin", "null"), HOST, PLAIN], False, False),
        ([("origin", "http://console:8080")], False, False),
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
