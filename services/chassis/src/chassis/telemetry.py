"""Prometheus: what every service measures, and the `/metrics` listener."""

import logging
from collections.abc import Callable
from threading import Thread
from typing import Any, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, start_http_server

from chassis.config import Address

log = logging.getLogger(__name__)

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUESTS: Final = Counter("mcp_grpc_requests", "RPCs answered.", ("service", "method", "code"))
DURATION: Final = Histogram(
    "mcp_grpc_request_duration_seconds",
    "Seconds from an RPC's arrival to its end.",
    ("service", "method"),
    buckets=BUCKETS,
)
IN_FLIGHT: Final = Gauge("mcp_grpc_requests_in_flight", "RPCs being answered now.", ("service", "method"))
REFUSALS: Final = Counter("mcp_refusals", "Calls refused for their caller.", ("code",))
REFUSALS_WAITING: Final = Gauge("mcp_refusals_waiting", "Failed calls that are not in the outbox yet.")
DB_OPERATIONS: Final = Counter("mcp_db_operations", "Database transactions.", ("kind", "outcome"))
DB_DURATION: Final = Histogram(
    "mcp_db_operation_duration_seconds",
    "Seconds a database transaction was open.",
    ("kind",),
    buckets=BUCKETS,
)
DB_POOL: Final = Gauge("mcp_db_connections_in_use", "Connections checked out of the pool.")
OUTBOX_ROWS: Final = Gauge("mcp_outbox_rows", "Audit records not yet accepted by audit.")
OUTBOX_AGE: Final = Gauge("mcp_outbox_oldest_seconds", "Age of the oldest record not yet accepted by audit.")
OUTBOX_REFUSED: Final = Gauge(
    "mcp_outbox_refused", "Audit records that audit refused; they wait for a person."
)
OUTBOX_SENT: Final = Counter("mcp_outbox_sent", "Audit records accepted by audit.")
OUTBOX_LAG: Final = Histogram(
    "mcp_outbox_lag_seconds",
    "Seconds from what happened to its place in the action log.",
    buckets=(0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0),
)
BUS_CONNECTED: Final = Gauge("mcp_bus_connected", "1 while NATS is connected.")
BUS_DROPPED: Final = Counter("mcp_bus_dropped", "Messages not published or not delivered.", ("why",))


class MetricsListener:
    """Serves `/metrics` in Prometheus' text format on an address of its own."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._server: WSGIServer | None = None
        self._thread: Thread | None = None

    def start(self) -> int:
        """Starts listening in a thread; returns the port. Raises OSError when the port is taken."""
        self._server, self._thread = start_http_server(
            self._address.port, addr=self._address.host, registry=REGISTRY
        )
        return int(self._server.server_port)

    def stop(self) -> None:
        """Stops listening."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None


def once(name: str, make: Callable[[], Any]) -> Any:
    """The collector registered under `name`, made by `make` when it is not there yet.

    For services that declare their own metrics in modules that tests may import twice.
    """
    found = REGISTRY._names_to_collectors.get(name)
    return make() if found is None else found
