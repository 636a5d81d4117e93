"""Registries to take bundles from and to: a full one that tests share, and empty ones."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chassis.config import Address, ServiceConfig
from chassis.server import Server
from mcpanel.registry.v1 import bundle_pb2
from tests.registry.conftest import Sources, Start, World
from tests.support.callers import EDITOR, TestAuthenticator

SALES, STOCK = "0190a000-0000-7000-8000-00000000000a", "0190a000-0000-7000-8000-00000000000b"
API_KEY, OTHER_KEY = "0190a000-0000-7000-8000-00000000000c", "0190a000-0000-7000-8000-00000000000d"
Action = bundle_pb2.BundleItem.Action
Kind = bundle_pb2.BundleReference.Kind


@pytest.fixture(scope="session")
async def settings(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """What a registry is started with that asks a service with two data sources and two secrets."""
    folder: Path = tmp_path_factory.mktemp("bundles")
    address = f"unix:{folder}/ds"
    sources = Sources({"sales": SALES, "stock": STOCK}, {"api-key": API_KEY, "other-key": OTHER_KEY})
    listening = ServiceConfig(listen=Address(address))
    peer = Server(listening, sources.services, authenticator=TestAuthenticator())
    await peer.start()
    (folder / "key").write_text("registry-token")
    yield {"MCPANEL_DATASOURCES_ADDRESS": address, "MCPANEL_KEY_FILE": f"{folder}/key"}
    await peer.stop(grace=0)


@pytest.fixture(scope="session")
async def full(start: Start, settings: dict[str, str]) -> World:
    """The registry that tests share; they use names of their own."""
    return await start(**settings)


async def exported(
    world: World,
    components: Sequence[str] = (),
    workflows: Sequence[str] = (),
    caller: Any = EDITOR,
    **fields: Any,
) -> Any:
    """A bundle, with what it refers to."""
    request = bundle_pb2.ExportBundleRequest(components=components, workflows=workflows, **fields)
    return await world.call("ExportBundle", request, caller)


async def imported(world: World, source: str, caller: Any = EDITOR, **fields: Any) -> Any:
    """What became of a bundle."""
    return await world.call("ImportBundle", bundle_pb2.ImportBundleRequest(source=source, **fields), caller)


async def refused(world: World, source: str, caller: Any = EDITOR, **fields: Any) -> Any:
    """The error that a bundle is refused with."""
    request = bundle_pb2.ImportBundleRequest(source=source, **fields)
    return await world.refused("ImportBundle", request, caller)


def actions(answer: Any) -> dict[str, str]:
    """What becomes of each thing, by its name and version."""
    kinds = bundle_pb2.BundleItem.Kind
    return {
        f"{kinds.Name(one.kind)} {one.name}{'@' if one.version else ''}{one.version}": Action.Name(one.action)
        for one in answer.items
    }


def missing(found: Any) -> list[tuple[str, str]]:
    """What a bundle refers to: kinds and names."""
    return [(Kind.Name(one.kind), one.name) for one in found]
