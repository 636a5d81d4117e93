"""What of an HTTP request travels on to the services: the caller's own credential, and where it came from."""

from typing import Final

from starlette.requests import Request

from chassis.config import Networks

_FORWARDED: Final = (
    "authorization",
    "x-api-key",
    "cookie",
    "sec-fetch-site",
    "sec-fetch-mode",
    "origin",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-trace-id",
)


def metadata(request: Request) -> tuple[tuple[str, str], ...]:
    """The gRPC metadata of a call made for this request. The gateway adds no authority of its own."""
    found = tuple((name, request.headers[name]) for name in _FORWARDED if name in request.headers)
    return (*found, ("x-forwarded-for", _address(request)))


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
