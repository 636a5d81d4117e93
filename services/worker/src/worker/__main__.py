"""Runs the worker: `python -m worker`."""

import asyncio
import logging
import os
import shutil
import signal
import sys
from pathlib import Path

import deno as deno_package  # type: ignore[import-untyped]  # ships no types
import uvloop

from chassis import config as settings
from chassis import logs
from chassis.addresses import Guard
from chassis.client import channel
from chassis.context import utcnow
from chassis.failpoints import FailpointError
from chassis.ids import uuid7
from chassis.telemetry import MetricsListener
from mcpanel.datasources.v1 import datasources_pb2_grpc as ds_grpc
from mcpanel.datasources.v1 import secrets_pb2_grpc as secrets_grpc
from mcpanel.engine.v1 import worker_pb2_grpc as pb_grpc
from worker import failpoints, toolboxes
from worker.attempts import Attempts
from worker.cells.bubblewrap import Sandbox
from worker.cells.cgroup import Cgroup
from worker.cells.limits import MIB, Limits
from worker.cells.probe import IsolationError, sandbox
from worker.config import Config
from worker.connection import Connection
from worker.environments import Environments
from worker.modules import Modules
from worker.outgoing import Outgoing
from worker.slots import Cells
from worker.store import Store
from worker.toolboxes import Toolboxes
from worker.tunnels import Tunnels
from worker.values import Values

log = logging.getLogger("worker")


async def run(config: Config, guard: Guard) -> None:
    """Serves until SIGTERM or SIGINT; then drains. Raises IsolationError when this machine has no cells."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    deno = find_deno()
    box: Sandbox = await sandbox(config.isolation, Limits(memory=config.memory_mib * MIB), deno)
    cells = Cells(box, spare=min(2, config.slot_count), idle_limit=config.idle_limit, cgroups=Cgroup.detect())
    await cells.start()
    metrics = MetricsListener(config.metrics_listen) if config.metrics_listen else None
    if metrics:
        metrics.start()
    engine_channel = channel(
        config.engine_address, key_file=config.key_file, peer="engine", tls_dir=config.tls_dir
    )
    datasources_channel = channel(
        config.datasources_address, key_file=config.key_file, peer="datasources", tls_dir=config.tls_dir
    )
    engine = pb_grpc.WorkerServiceStub(engine_channel)
    outgoing = Outgoing()
    home = config.home.absolute()
    packages = Store(home / "environments", limit=config.environments_mib * MIB, in_use=cells.packages)
    attempts = Attempts(
        cells,
        outgoing,
        engine,
        ds_grpc.DataSourceServiceStub(datasources_channel),
        secrets=secrets_grpc.SecretServiceStub(datasources_channel),
        environments=Environments(packages),
        modules=Modules(packages, deno),
        toolboxes=Toolboxes(toolboxes.folder_for(home)),
        values=Values(home / "values", engine),
        guard=guard,
    )
    tunnels = Tunnels(engine, attempts.app)
    connection = Connection(
        engine,
        attempts,
        outgoing,
        tunnels=tunnels,
        worker_id=uuid7(utcnow()),
        slots=config.slot_count,
        isolation=config.isolation,
        place=config.place,
    )
    serving = asyncio.create_task(connection.serve())
    log.info("the worker is ready", extra={"isolation": config.isolation, "slots": config.slot_count})
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([serving, stopped], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        log.info("draining")
        await connection.drain(config.drain_seconds)
    finally:
        for task in (serving, stopped):
            task.cancel()
        await asyncio.gather(serving, stopped, return_exceptions=True)
        await tunnels.close()
        await attempts.close()
        await cells.close()
        await engine_channel.close()
        await datasources_channel.close()
        if metrics:
            metrics.stop()


def find_deno() -> Path | None:
    """The Deno binary: the package's, or the one on PATH."""
    try:
        return Path(deno_package.find_deno_bin())
    except FileNotFoundError:
        found = shutil.which("deno")
        return Path(found) if found else None


def main() -> int:
    """The process's exit status."""
    try:
        config = settings.load(Config)
        guard = config.guard
        failpoints.arm(os.environ)
    except (settings.ConfigError, FailpointError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    logs.configure("worker", level=config.log_level, format=config.log_format)
    os.umask(0o022)
    try:
        uvloop.run(run(config, guard))
    except IsolationError as error:
        log.error(str(error))
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
