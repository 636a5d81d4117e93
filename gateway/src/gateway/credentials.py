"""What of an HTTP request travels on to the services: the caller's own credential, and where it came from."""

from typing import Final

from starlette.requests import Request

from chassis.authentication.credentials import COOKIE, is_plain
from chassis.config import Networks
from chassis.errors import Unauthenticated

_FORWARDED: Final = (
    "authorization",
    "x-api-key",
    "sec-fetch-site",
    "sec-fetch-mode",
    "origin",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-trace-id",
)


def metadata(request: Request) -> tuple[tuple[str, str], ...]:
    """The gRPC metadata of a call made for this request. The gateway adds no authority of its own.

    Raises Unauthenticated CREDENTIALS_INVALID for a credential that gRPC cannot carry.
    """
    found = {name: request.headers[name] for name in _FORWARDED if name in request.headers}
    if COOKIE in request.cookies:  # others are not the services' business
        found["cookie"] = f"{COOKIE}={request.cookies[COOKIE]}"
    for name in ("authorization", "x-api-key", "cookie"):
        if not is_plain(found.get(name, "")):
            raise Unauthenticated("CREDENTIALS_INVALID", f"{name} holds characters that are in no credential")
    sent = tuple((name, value) for name, value in found.items() if is_plain(value))
    return (*sent, ("x-forwarded-for", _address(request)))


def whereabouts(request: Request) -> tuple[tuple[str, str], ...]:
    """What a call in the gateway's own name says of whom it is made for: the address and the trace, no credential."""
    return tuple(one for one in metadata(request) if one[0] in ("x-forwarded-for", "x-trace-id"))


def _address(request: Request) -> str:
    """Where the request came from: as the edge says when it is the edge that asks, else the connection's address."""
    proxies: Networks = request.app.state.proxies
    caller = request.client.host if request.client else ""
    if caller in proxies:
        return request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip() or caller
    return caller
