"""Callers at the door of the session's stack."""

from collections.abc import AsyncIterator

import pytest

from tests.support.stack import Stack
from tests.system.console import Console, fresh


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
async def viewer(stack: Stack, admin: Console) -> AsyncIterator[Console]:
    """A program with a Viewer's key."""
    body = {"name": fresh("viewer"), "roleName": "Viewer"}
    secret = (await admin.call("POST", "/api/v1/api-keys", json=body))["secret"]
    async with stack.http(key=secret) as http:
        yield Console(http)
