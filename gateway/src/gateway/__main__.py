"""Composition root of the gateway: `python -m gateway`."""

import asyncio
import contextlib
import logging
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import uvicorn
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from chassis import contracts, server
from chassis.client import channel
from chassis.config import load_or_exit
from chassis.telemetry import MetricsListener
from chassis.tls import CertificateError, Certificates
from gateway.api import HealthServicer
from gateway.application import Parts, application
from gateway.apps import AppsServer
from gateway.apps.exchange import Setting
from gateway.config import GatewayConfig
from gateway.oidc import ExternalLogin
from gateway.session import BrowserSession
from gateway.suite import Suite
from gateway.tickets import Tickets

log = logging.getLogger(__name__)

_LOOK_EVERY = 1.0
_BESIDE = ("mcpanel.engine.v1.WorkerService", "mcpanel.engine.v1.AppService")
"""What the engine offers beside the service that its health is asked of."""


class _Http(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the process has one place for signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def reflected() -> descriptor_pool.DescriptorPool:
    """Everything that reflection tells of: the contracts, health and reflection themselves."""
    pool = descriptor_pool.DescriptorPool()
    own = [module.DESCRIPTOR.serialized_pb for module in (health_pb2, reflection_pb2)]
    for file in (*contracts.descriptor_set().file, *map(descriptor_pb2.FileDescriptorProto.FromString, own)):
        pool.Add(file)
    return pool


def secured(folder: Path) -> dict[str, Any]:
    """Uvicorn's settings for TLS with the certificate in a folder: only the edge, or another of the suite, gets in."""
    return {
        "ssl_certfile": folder / "tls.crt",
        "ssl_keyfile": folder / "tls.key",
        "ssl_ca_certs": folder / "ca.crt",
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }


async def _renew(http: uvicorn.Config, apps: AppsServer, folder: Path) -> None:
    """Shows a new certificate from the next connection on."""
    certificates = Certificates(folder)
    shown = certificates.version()
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        if (version := certificates.version()) == shown or http.ssl is None:
            continue
        try:
            for shows in filter(None, (http.ssl, apps.context)):
                shows.load_cert_chain(folder / "tls.crt", folder / "tls.key")
                shows.load_verify_locations(folder / "ca.crt")
        except (OSError, ssl.SSLError) as error:
            log.warning("the new certificate cannot be used yet", extra={"error": str(error)})
        else:
            shown = version


async def serve(config: GatewayConfig) -> None:
    """Serves until SIGTERM or SIGINT; then health says so, streams end, and both servers close."""
    draining = asyncio.Event()
    tls = secured(config.tls_dir) if config.tls_dir else None
    channels = {
        name: (full, channel(address, peer=name, tls_dir=config.tls_dir))
        for name, (full, address) in config.services().items()
    }
    suite = Suite(channels)
    itself = channel(
        config.identity_address,
        key_file=config.key_file,
        peer="identity",
        on_behalf_of=False,
        tls_dir=config.tls_dir,
    )
    engine = channel(
        config.engine_address,
        key_file=config.key_file,
        peer="engine",
        on_behalf_of=False,
        tls_dir=config.tls_dir,
    )
    apps = AppsServer(Setting(engine, config.console_origins), config.apps_listen, tls)
    session = BrowserSession(channels["identity"][1], itself)

    server.refuse_taken(config.listen)
    server.refuse_taken(config.http_listen)
    server.refuse_taken(config.apps_listen)
    rpc = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(suite, draining), rpc)
    if config.reflects:
        names = (*suite.grpc_names, *_BESIDE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, rpc, reflected())
    if config.tls_dir:
        rpc.add_secure_port(str(config.listen), Certificates(config.tls_dir).server_credentials())
    else:
        rpc.add_insecure_port(str(config.listen))
    metrics = MetricsListener(config.metrics_listen) if config.metrics_listen else None
    if metrics is not None:
        metrics.start()
    await rpc.start()
    await apps.start()

    http = _Http(
        uvicorn.Config(
            application(
                Parts(
                    suite,
                    channels["engine"][1],
                    channels["audit"][1],
                    session,
                    ExternalLogin(itself),
                    Tickets(itself),
                ),
                draining,
                config.keep_alive_seconds,
                config.trusted_proxies,
            ),
            host=config.http_listen.host,
            port=config.http_listen.port,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who may say where a request came from is ours to decide
            timeout_graceful_shutdown=5,
            **(tls or {}),
        )
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        draining.set()
        http.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    log.info("serving", extra={"http": str(config.http_listen), "grpc": str(config.listen)})
    renewing = asyncio.create_task(_renew(http.config, apps, config.tls_dir)) if config.tls_dir else None
    await http.serve()
    await apps.stop()
    if renewing is not None:
        renewing.cancel()
    await rpc.stop(2)
    for opened in (itself, engine, *(opened for _, opened in channels.values())):
        await opened.close()
    if metrics is not None:
        metrics.stop()
    log.info("stopped")


def main() -> None:
    """Reads the configuration and serves."""
    config = load_or_exit(GatewayConfig)
    try:
        server.main("gateway", config, lambda: serve(config))
    except (server.StartError, CertificateError) as error:
        log.critical("%s", error)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
