"""Mutual TLS: who has no certificate of the suite's gets nothing, and a new one works without a restart."""

import asyncio
import dataclasses
import shutil
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis import errors, peers, tls
from chassis.client import ON_BEHALF_OF, channel
from chassis.config import Address, ServiceConfig
from chassis.context import Call, current
from chassis.server import Server, StartError
from mcpanel.registry.v1 import registry_pb2, registry_pb2_grpc
from stack import certificates
from stack.ports import free_port
from tests.support.callers import EDITOR, SERVICE, TestAuthenticator

GET = registry_pb2.GetDefinitionRequest(definition_id="x")
PROCESSES = ["registry", "engine", "edge", "audit"]


class Registry(registry_pb2_grpc.RegistryServiceServicer):
    """Remembers its calls; answers a list of none when it is let go."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.began, self.go = asyncio.Event(), asyncio.Event()

    async def GetDefinition(self, request: Any, context: Any) -> Any:
        self.calls.append(current())
        return registry_pb2.GetDefinitionResponse()

    async def ListDefinitions(self, request: Any, context: Any) -> Any:
        self.began.set()
        await self.go.wait()
        return registry_pb2.ListDefinitionsResponse()


@dataclasses.dataclass
class Secured:
    """A registry that speaks mutual TLS, and the folder of certificates."""

    servicer: Registry
    folder: Path
    address: Address

    def link(self, process: str, *, peer: str = "registry", key: str = EDITOR.credential) -> Any:
        """A channel to it as another process."""
        return channel(self.address, peer=peer, key=key, tls_dir=self.folder / process)


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    """A registry with mutual TLS, whose certificates are three weeks old."""
    certificates.ensure(tmp_path, PROCESSES, datetime.now(UTC) - timedelta(days=21))
    servicer = Registry()
    address = Address("127.0.0.1", free_port())
    server = Server(
        ServiceConfig(listen=address, tls_dir=tmp_path / "registry"),
        [(registry_pb2_grpc.add_RegistryServiceServicer_to_server, servicer)],
        authenticator=TestAuthenticator(),
    )
    await server.start()
    yield Secured(servicer, tmp_path, address)
    await server.stop(grace=0)


async def ask(link: Any, **metadata: str) -> str:
    """What came of a call: the chassis's code, or OK."""
    try:
        await registry_pb2_grpc.RegistryServiceStub(link).GetDefinition(GET, metadata=tuple(metadata.items()))
    except errors.ServiceError as error:
        return error.code
    finally:
        await link.close()
    return "OK"


async def test_a_process_with_the_suites_certificate_is_known_by_it(secured: Secured) -> None:
    assert await ask(secured.link("engine")) == "OK"

    assert secured.servicer.calls[0].process == "engine"


async def test_nobody_without_a_certificate_of_the_suite_gets_in(secured: Secured, tmp_path: Path) -> None:
    others = tmp_path / "others"
    certificates.ensure(others, PROCESSES)
    own_root = (others / "engine" / "ca.crt").read_bytes()
    for file in ("tls.crt", "tls.key"):  # trusts the right authority and was signed by another
        assert (others / "engine" / file).exists()
    shutil.copy(secured.folder / "engine" / "ca.crt", others / "engine" / "ca.crt")
    assert (others / "engine" / "ca.crt").read_bytes() != own_root

    plain = channel(secured.address, peer="registry", key=EDITOR.credential)
    stranger = channel(secured.address, peer="registry", key=EDITOR.credential, tls_dir=others / "engine")

    assert await ask(plain) == "UNAVAILABLE"
    assert await ask(stranger) == "UNAVAILABLE"
    assert secured.servicer.calls == []


async def test_a_peer_that_is_another_process_than_meant_gets_no_call(secured: Secured) -> None:
    assert await ask(secured.link("engine", peer="audit")) == "UNAVAILABLE"

    assert secured.servicer.calls == []


async def test_a_services_key_opens_nothing_from_another_process(secured: Secured) -> None:
    for_somebody = {ON_BEHALF_OF: EDITOR.credential}

    assert await ask(secured.link("engine", key=SERVICE.credential), **for_somebody) == "OK"
    assert await ask(secured.link("audit", key=SERVICE.credential), **for_somebody) == "UNAUTHENTICATED"
    assert await ask(secured.link("edge", key=SERVICE.credential), **for_somebody) == "UNAUTHENTICATED"


async def test_only_the_edge_and_the_gateway_say_for_whom_they_ask(secured: Secured) -> None:
    for process in ("edge", "engine"):
        assert await ask(secured.link(process), **{"x-forwarded-for": "203.0.113.7"}) == "OK"

    assert [call.client_address for call in secured.servicer.calls] == ["203.0.113.7", "127.0.0.1"]


async def test_a_new_certificate_is_used_without_a_restart_and_drops_no_call(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "_LOOK_EVERY", 0.0)
    before = await _serial(secured)
    link = secured.link("engine")
    stub = registry_pb2_grpc.RegistryServiceStub(link)
    slow = asyncio.ensure_future(stub.ListDefinitions(registry_pb2.ListDefinitionsRequest()))
    await secured.servicer.began.wait()

    made = certificates.ensure(secured.folder, PROCESSES)
    after = await _serial(secured)
    await stub.GetDefinition(GET)
    secured.servicer.go.set()
    await slow

    assert set(made) == set(PROCESSES)
    assert before != after
    assert [call.process for call in secured.servicer.calls] == ["engine"]
    await link.close()


async def test_certificates_that_are_young_are_left_alone(tmp_path: Path) -> None:
    now = datetime.now(UTC)

    first = certificates.ensure(tmp_path, ["registry"], now)
    second = certificates.ensure(tmp_path, ["registry", "engine"], now + timedelta(days=19))

    assert (first, second) == (["registry"], ["engine"])
    assert (tmp_path / "ca.key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "registry" / "tls.key").stat().st_mode & 0o077 == 0


async def test_without_its_files_a_server_says_which_is_missing(tmp_path: Path) -> None:
    config = ServiceConfig(listen=Address("127.0.0.1", free_port()), tls_dir=tmp_path)
    pair = (registry_pb2_grpc.add_RegistryServiceServicer_to_server, Registry())
    server = Server(config, [pair], authenticator=TestAuthenticator())

    with pytest.raises(StartError, match=r"ca\.crt cannot be read"):
        await server.start()
    await server.stop(grace=0)


async def _serial(secured: Secured) -> str:
    """What the server shows to a client that connects now."""

    context = ssl.create_default_context(cafile=str(secured.folder / "ca.crt"))
    context.load_cert_chain(secured.folder / "engine" / "tls.crt", secured.folder / "engine" / "tls.key")
    context.set_alpn_protocols(["h2"])
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _, writer = await asyncio.open_connection(
        secured.address.host, secured.address.port, ssl=context, server_hostname=peers.host("registry")
    )
    found = str(writer.get_extra_info("ssl_object").getpeercert()["serialNumber"])
    writer.close()
    return found
