"""The second layer: one count, one duration and one log line for every call."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from chassis.context import Call
from chassis.rules import Method
from chassis.telemetry import DURATION, IN_FLIGHT, REQUESTS

log = logging.getLogger("chassis.requests")

_WARNED: Final = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE"})


@contextmanager
def observed(method: Method, call: Call) -> Iterator[None]:
    """Counts, times and logs the call; `call.code` says how it ended."""
    duration, in_flight = _of(method.service, method.name)
    in_flight.inc()
    try:
        yield
    finally:
        in_flight.dec()
        seconds = time.monotonic() - call.started
        duration.observe(seconds)
        _requests(method.service, method.name, call.code).inc()
        level = logging.WARNING if call.code in _WARNED else logging.INFO
        if log.isEnabledFor(level):
            _write(level, call, seconds)


def _write(level: int, call: Call, seconds: float) -> None:
    caller = call.caller
    fields = {
        "method": call.method,
        "code": call.code,
        "ms": round(seconds * 1000, 2),
        "caller": caller.id,
        "caller_kind": caller.kind,
        "client_address": call.client_address,
        "trace_id": call.trace_id,
    }
    if caller.on_behalf_of is not None:
        fields["on_behalf_of"] = caller.on_behalf_of.id
    log.log(level, "request", extra=fields)


@cache
def _of(service: str, name: str) -> tuple[Any, Any]:
    return DURATION.labels(service, name), IN_FLIGHT.labels(service, name)


@cache
def _requests(service: str, name: str, code: str) -> Any:
    return REQUESTS.labels(service, name, code)
