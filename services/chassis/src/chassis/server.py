"""The gRPC server of a service: bootstrap, health, background tasks, drain."""

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis import logs, migrations
from chassis.authentication import Authenticator
from chassis.client import KEEPALIVE, ServiceChannel
from chassis.config import Address, ServiceConfig, secrets
from chassis.database import Database
from chassis.interceptors import Pipeline, RefusalHook, RefusalLog
from chassis.relay import OutboxRelay, RecordSource
from chassis.rules import Method, MissingRuleError, methods
from chassis.statuses import MAX_MESSAGE_BYTES
from chassis.telemetry import MetricsListener
from chassis.tls import CertificateError, Certificates

log = logging.getLogger(__name__)

AddServicer = Callable[[Any, Any], Any]
Background = Callable[[], Awaitable[None]]

_OPTIONS: Final = (
    *KEEPALIVE,
    ("grpc.so_reuseport", 0),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_metadata_size", 32 * 1024),
)
_PURGE_SECONDS: Final = 3600.0
_CANCEL_SECONDS: Final = 3.0
"""How long a cancelled background task may take: a query cancelled as it ends may wait a minute for the database."""
_MAX_RESTART_DELAY: Final = 15.0


class StartError(Exception):
    """The server cannot start; the message is one sentence for whoever started it."""


class Server:
    """A service's gRPC server."""

    def __init__(
        self,
        config: ServiceConfig,
        servicers: Sequence[tuple[AddServicer, Any]],
        *,
        authenticator: Authenticator,
        db: Database | None = None,
        audit: ServiceChannel | None = None,
        record_sources: Sequence[RecordSource] = (),
        refusals: RefusalHook | None = None,
        on_start: Sequence[Background] = (),
        background: Sequence[Background] = (),
        on_stop: Sequence[Background] = (),
        migrations_package: str = "",
        grace: float = 10.0,
    ) -> None:
        """`servicers` are (add_XServicer_to_server, servicer) pairs.

        With `db`, refused calls are recorded and old answers purged; with `audit` (a channel) too, the outbox
        is relayed. `on_start` are done, in order, before the first call can arrive. `background` are endless
        coroutines started with the server and started again when they fail; `on_stop` run after the last
        call, in order. With `migrations_package` the server refuses to start on a database that is not at
        head. `grace` is how many seconds calls have to finish. Raises MissingRuleError naming every RPC
        without a usable rule.
        """
        self.config = config
        self.db = db
        self.draining = asyncio.Event()
        """Set when the server begins to stop: streams watch it (`current().draining`) and end."""
        self.port = 0
        self._grace = grace
        self._migrations_package = migrations_package
        self._background: list[Background] = list(background)
        self._on_start = tuple(on_start)
        self._on_stop = tuple(on_stop)
        self._tasks: list[asyncio.Task[None]] = []
        self._stop_requested = asyncio.Event()
        self._metrics = MetricsListener(config.metrics_listen) if config.metrics_listen else None

        recorder = _Recorder()
        for add, servicer in servicers:
            add(servicer, recorder)
        self.methods: dict[str, Method] = methods(recorder.services)
        self.services = tuple(recorder.services)
        if db is not None:
            if refusals is None:
                refusals = RefusalLog(db)
            if isinstance(refusals, RefusalLog):
                self._background.append(refusals.run)
            if audit is not None:
                self._background.append(OutboxRelay(db, audit, sources=record_sources).run)
            self._background.append(self._purge)
        pipeline = Pipeline(
            self.methods,
            authenticator,
            self.draining,
            refusals,
            config.trusted_proxies,
            secured=bool(config.tls_dir),
        )
        self._server = grpc.aio.server(interceptors=[pipeline], options=list(_OPTIONS))
        for add, servicer in servicers:
            add(servicer, self._server)
        self.health: Any = health.aio.HealthServicer()  # type: ignore[attr-defined]  # missing from the stubs
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)

    async def start(self) -> None:
        """Checks the database's revision, binds, and serves. Raises StartError with one clear sentence."""
        if self.db is not None and self._migrations_package:
            await migrations.require_head(self.db, self._migrations_package)
        for prepare in self._on_start:
            await prepare()
        refuse_taken(self.config.listen)
        try:
            self.port = self._bind()
            if self._metrics is not None:
                self._metrics.start()
        except (RuntimeError, OSError) as error:
            raise StartError(f"cannot listen on {self.config.listen}: {error}") from error
        except CertificateError as error:
            raise StartError(str(error)) from error
        await self._server.start()
        for service in ("", *self.services):
            await self.health.set(service, health_pb2.HealthCheckResponse.SERVING)
        self._tasks = [asyncio.create_task(_forever(task), name=_name(task)) for task in self._background]
        log.info(
            "serving",
            extra={"address": str(self.config.listen), "port": self.port, "services": self.services},
        )

    async def report(self, *, serving: bool) -> None:
        """Makes health say whether the services, by their names, do what they are for.

        Of the process, the empty name, it goes on to say SERVING: it can still be asked what is wrong.
        """
        status = health_pb2.HealthCheckResponse
        for service in self.services:
            await self.health.set(service, status.SERVING if serving else status.NOT_SERVING)

    def _bind(self) -> int:
        listen, folder = str(self.config.listen), self.config.tls_dir
        if not folder:
            return self._server.add_insecure_port(listen)
        return self._server.add_secure_port(listen, Certificates(folder).server_credentials())

    async def run(self) -> None:
        """Starts, serves until SIGTERM or SIGINT, drains, stops. Exits the process with 1 when it cannot
        start.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_requested.set)
        try:
            await self.start()
        except (StartError, MissingRuleError, migrations.RevisionError) as error:
            log.critical(str(error))  # not a format string
            await self._close(grace=0)
            raise SystemExit(1) from None
        await self._stop_requested.wait()
        await self.stop()

    async def stop(self, grace: float | None = None) -> None:
        """Health says NOT_SERVING, streams are told to end, calls get `grace` seconds, then everything is
        closed.
        """
        log.info("draining")
        await self.health.enter_graceful_shutdown()
        self.draining.set()
        await self._close(self._grace if grace is None else grace)
        log.info("stopped")

    async def _close(self, grace: float) -> None:
        await self._server.stop(grace)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, stuck = await asyncio.wait(self._tasks, timeout=_CANCEL_SECONDS)
            for task in stuck:
                log.warning(
                    "a background task does not end; it is left behind", extra={"task": task.get_name()}
                )
        for close in self._on_stop:
            await close()
        if self._metrics is not None:
            self._metrics.stop()

    async def _purge(self) -> None:
        while True:
            if self.db is not None and (gone := await self.db.purge()):
                log.info("stored answers purged", extra={"count": gone})
            await asyncio.sleep(_PURGE_SECONDS)


def main(
    service: str,
    config: ServiceConfig,
    serve: Callable[[], Awaitable[None]],
    *,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Configures the log, then runs `serve()` on the process's one loop (`loop_factory`'s). For `__main__`."""
    logs.configure(service, level=config.log_level, format=config.log_format, secrets=secrets(config))
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(_as_coroutine(serve))
    except MissingRuleError as error:  # while the server was composed, before run() could say it
        log.critical(str(error))  # not a format string
        raise SystemExit(1) from None


async def _as_coroutine(serve: Callable[[], Awaitable[None]]) -> None:
    await serve()


async def _forever(task: Background) -> None:
    """Runs a background task; when it fails, logs why and starts it again, more slowly each time."""
    delay = 0.2
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await task()
        except Exception:
            if asyncio.get_running_loop().time() - started > _MAX_RESTART_DELAY:
                delay = 0.2
            log.exception(
                "a background task failed; it starts again", extra={"task": _name(task), "seconds": delay}
            )
            await asyncio.sleep(delay)
            delay = min(delay * 2, _MAX_RESTART_DELAY)
        else:
            return


def _name(task: Background) -> str:
    return str(getattr(task, "__qualname__", repr(task)))


def refuse_taken(address: Address) -> None:
    """Raises StartError when something listens on `address`.

    gRPC's own words for a taken port are a page long: ask the kernel first.
    """
    if address.is_unix or address.port == 0:
        return
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            raise StartError(
                f"cannot listen on {address}: {error.strerror}; is another process using it?"
            ) from error


class _Recorder:
    """Stands in for a server while the generated add functions say which services they add."""

    def __init__(self) -> None:
        self.services: list[str] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        self.services += [handler.service_name() for handler in handlers]

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """The same handlers once more, for servers that look them up by name."""
