"""The engine as a process of its own, and what callers and tests do when it is killed."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import json_format

from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc
from stack.ports import free_port
from tests.chaos.checker import RunSeen
from tests.engine.support.errors import Refusal
from tests.support.forking import PATIENCE, Child, Forks

EDITOR_KEY = (("authorization", "Bearer mcp_editor"),)
WORKER_KEY = (("authorization", "Bearer mcp_worker"),)
QUICK = (("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200))
"""Options of a channel whose server comes back soon."""
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class Process:
    """`python -m engine` on one port and one database, started as often as needed."""

    def __init__(
        self, forks: Forks, url: str, nats_url: str, peers: str, *, folder: Path, lease: float
    ) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.child: Child | None = None
        self._forks = forks
        self._environ = {
            "PATH": os.environ["PATH"],
            "MCPANEL_ENV_FILE": os.devnull,
            "MCPANEL_HOME": str(folder),
            "MCPANEL_DATABASE_URL": url,
            "MCPANEL_NATS_URL": nats_url,
            "MCPANEL_LISTEN": self.address,
            "MCPANEL_METRICS_LISTEN": "",
            "MCPANEL_IDENTITY_ADDRESS": peers,
            "MCPANEL_REGISTRY_ADDRESS": peers,
            "MCPANEL_AUDIT_ADDRESS": peers,
            "MCPANEL_LEASE_SECONDS": str(lease),
            "MCPANEL_HEARTBEAT_SECONDS": "0.3",
            "MCPANEL_POLL_SECONDS": "0.3",
        }

    async def start(self, failpoints: str = "") -> Child:
        self.child = await self._forks.start("engine", {**self._environ, "MCPANEL_FAILPOINTS": failpoints})
        return self.child


async def insist(call: Callable[[], Awaitable[Any]]) -> Any:
    """Repeats a call while the engine is away, or has not met its worker again, as clients do."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if error.code() not in _GONE and Refusal(error).reason != "NO_WORKER_FOR_TYPE":
                    raise
                await asyncio.sleep(0.05)


class Caller:
    """Calls an engine until it answers."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub = engine_pb2_grpc.EngineServiceStub(channel)

    async def call(self, method: str, request: Any) -> Any:
        """The answer."""
        return await insist(lambda: getattr(self.stub, method)(request, metadata=EDITOR_KEY, timeout=3))

    async def seen(self, run_id: str) -> RunSeen:
        """The run as it is recorded."""
        steps = engine_pb2.ListStepExecutionsRequest(run_id=run_id, view=engine_pb2.FULL)
        events = engine_pb2.ListRunEventsRequest(run_id=run_id, page_size=1000)
        run = (await self.call("GetRun", engine_pb2.GetRunRequest(run_id=run_id))).run
        found = (await self.call("ListStepExecutions", steps)).step_executions
        said = (await self.call("ListRunEvents", events)).events
        as_dict = json_format.MessageToDict
        return RunSeen(as_dict(run), {one.step_id: as_dict(one) for one in found}, [as_dict(e) for e in said])
