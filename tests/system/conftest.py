"""Callers at the door of the session's stack."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.support.stack import Stack
from tests.system.console import Console, fresh

SLOTS = 50
"""How many steps the doomed stack runs at once."""


@pytest.fixture(scope="session")
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack to break things in, with short leases, whose processes show each other certificates."""
    stack = Stack(
        tmp_path_factory.mktemp("doomed"),
        MCPANEL_TLS="mutual",
        MCPANEL_ENGINE__LEASE_SECONDS="3",
        MCPANEL_WORKER__WORKER_SLOTS=str(SLOTS),
    )
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[Console]:
    """The administrator, by key."""
    async with stack.http() as http:
        yield Console(http)


@pytest.fixture
async def anonymous(stack: Stack) -> AsyncIterator[Console]:
    """Somebody without a credential."""
    async with stack.http(key="") as http:
        yield Console(http)


@pytest.fixture
async def viewer(stack: Stack, admin: Console, anonymous: Console) -> AsyncIterator[Console]:
    """A person who may only look, with an access token."""
    async with _person("Viewer", stack, admin, anonymous) as console:
        yield console


@pytest.fixture
async def editor(stack: Stack, admin: Console, anonymous: Console) -> AsyncIterator[Console]:
    """A person who builds and runs, with an access token."""
    async with _person("Editor", stack, admin, anonymous) as console:
        yield console


@pytest.fixture
async def other_editor(stack: Stack, admin: Console, anonymous: Console) -> AsyncIterator[Console]:
    """Another one."""
    async with _person("Editor", stack, admin, anonymous) as console:
        yield console


@asynccontextmanager
async def _person(role: str, stack: Stack, admin: Console, anonymous: Console) -> AsyncIterator[Console]:
    who = {"email": f"{fresh(role.lower())}@example.com", "password": "a long enough password"}
    await admin.call("POST", "/auth/register", json=who | {"roleName": role})
    token = (await anonymous.call("POST", "/auth/login", json=who))["access_token"]
    async with stack.http(key=token) as http:
        yield Console(http)
