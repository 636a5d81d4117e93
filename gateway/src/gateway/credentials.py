"""What of an HTTP request travels on to the services: the caller's own credential, and where it came from."""

from typing import Final

from starlette.requests import Request

_FORWARDED: Final = (
    "authorization",
    "x-api-key",
    "cookie",
    "sec-fetch-site",
    "x-forwarded-for",
    "x-trace-id",
)


def metadata(request: Request) -> tuple[tuple[str, str], ...]:
    """The gRPC metadata of a call made for this request. The gateway adds no authority of its own."""
    return tuple((name, request.headers[name]) for name in _FORWARDED if name in request.headers)
