"""The first layer: what is known of a call before anything is judged."""

import asyncio
import re
import secrets
import time
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote

import grpc.aio
from google.protobuf.message import Message

from chassis.config import EVERYWHERE, Networks
from chassis.context import Call
from chassis.peers import process_of
from chassis.rules import Method

_TRACE: Final = re.compile(r"[0-9A-Za-z_\-]{8,64}")
_DOORS: Final = frozenset({"edge", "gateway"})
"""The processes that ask for others."""
_NEVER: Final = 365 * 24 * 3600.0


def make(
    method: Method,
    context: grpc.aio.ServicerContext[Any, Any],
    draining: asyncio.Event,
    proxies: Networks,
    *,
    secured: bool = False,
) -> Call:
    """The call, as its metadata describes it. Nothing in it is proved yet but, when `secured`, which process calls.

    `proxies` are who may say for whom they ask; when `secured`, the edge and the gateway may, and nobody else.
    """
    process = _process(context) if secured else ""
    metadata = _joined(
        (str(key), value if isinstance(value, str) else value.decode("latin-1"))
        for key, value in context.invocation_metadata() or ()
    )
    left = context.time_remaining()
    now = time.monotonic()
    return Call(
        method=method.path,
        trace_id=_trace_id(metadata),
        rule=method.rule,
        reads=method.reads,
        client_address=_address(
            metadata, context.peer() or "", EVERYWHERE if process in _DOORS else None if secured else proxies
        ),
        process=process,
        user_agent=metadata.get("user-agent", ""),
        deadline=None if left is None or left > _NEVER else now + left,
        started=now,
        metadata=metadata,
        draining=draining,
    )


def adopt(call: Call, request: Message, *, repeatable: bool) -> None:
    """Makes the validated request known to the call; its request id only where one answer can be repeated."""
    fields = request.DESCRIPTOR.fields_by_name
    call.request = request
    if repeatable and "request_id" in fields:
        call.request_id = request.request_id  # type: ignore[attr-defined]  # the field was just found
    if "validate_only" in fields:
        call.validate_only = request.validate_only  # type: ignore[attr-defined]  # the field was just found


def _joined(sent: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The metadata that is text. What was sent twice is one list, as in HTTP: of two credentials none is chosen."""
    found: dict[str, str] = {}
    for key, value in sent:
        if key.endswith("-bin"):
            continue
        separator = "; " if key == "cookie" else ", "
        found[key] = f"{found[key]}{separator}{value}" if key in found else value
    return found


def _trace_id(metadata: dict[str, str]) -> str:
    """The caller's trace id (ours, W3C's, or the edge's request id), or a new one."""
    given = metadata.get("x-trace-id", "")
    if _TRACE.fullmatch(given):
        return given
    parts = metadata.get("traceparent", "").split("-")
    if len(parts) == 4 and re.fullmatch(r"[0-9a-f]{32}", parts[1]) and parts[1].strip("0"):
        return parts[1]
    given = metadata.get("x-request-id", "").replace("-", "")
    if _TRACE.fullmatch(given):
        return given
    return secrets.token_hex(16)


def _address(metadata: dict[str, str], peer: str, proxies: Networks | None) -> str:
    """The client's address: as the edge saw it when the edge calls, else the connection's.

    The edge appends it to x-forwarded-for; what stands before it there, x-envoy-external-address where the edge takes
    the client for an internal one, and the whole header from whoever is no proxy, are the client's own word.
    """
    caller = _peer(peer)
    if proxies is not None and (caller == "unix" or caller in proxies):
        return metadata.get("x-forwarded-for", "").rpartition(",")[2].strip()[:64] or caller
    return caller


def _process(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    """Which of the suite's processes the connection's certificate is of."""
    names = context.auth_context().get("x509_subject_alternative_name", ())
    return process_of(str(name, "latin-1") for name in names)


def _peer(peer: str) -> str:
    """The address in a connection's name, such as `ipv4:10.0.0.9:443`; `unix` for a socket in the file system."""
    kind, _, rest = unquote(peer).partition(":")
    if kind == "unix":
        return "unix"
    return rest.rpartition(":")[0].removeprefix("[").removesuffix("]") or peer
