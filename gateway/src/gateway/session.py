"""Logging in and out at a browser: `POST`, `GET` and `DELETE /auth/session`. The session goes by a cookie.

The cookie holds a secret that identity made for this login and knows by its hash; a value that was there before means
nothing, so nobody can plant one.
"""

import contextlib
import json
from datetime import UTC
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis.authentication.credentials import COOKIE, is_plain, same_origin
from chassis.client import ServiceChannel
from chassis.errors import Denied, FieldViolation, Invalid, Unauthenticated
from gateway import credentials
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc

_MAX_BODY: Final = 8192
_LONGEST_COOKIE: Final = 256
_NO_STORE: Final = {"cache-control": "no-store"}


class BrowserSession:
    """Serves `/auth/session`."""

    def __init__(self, identity: ServiceChannel, itself: ServiceChannel) -> None:
        """`identity` is a channel for calls in the callers' own name, `itself` one with the gateway's key."""
        self._theirs = identity_pb2_grpc.IdentityServiceStub(identity)
        self._own = identity_pb2_grpc.IdentityServiceStub(itself)

    async def respond(self, request: Request) -> Response:
        """Logs in (POST), says who is logged in (GET), logs out (DELETE)."""
        match request.method:
            case "POST":
                return await self._log_in(request)
            case "DELETE":
                return await self._log_out(request)
            case _:
                return await self._who(request)

    async def _log_in(self, request: Request) -> Response:
        refuse_foreign(request)
        email, password = await _login(request)
        answer = await self._own.OpenBrowserSession(
            identity_pb2.OpenBrowserSessionRequest(
                email=email,
                password=password,
                user_agent=request.headers.get("user-agent", "")[:256],
                previous_session_token=shown_cookie(request),
            ),
            metadata=credentials.whereabouts(request),
        )
        response = JSONResponse({"user": json_format.MessageToDict(answer.user)}, headers=_NO_STORE)
        set_cookie(response, answer.session_token, answer.expires_at)
        return response

    async def _log_out(self, request: Request) -> Response:
        if COOKIE in request.cookies:
            with contextlib.suppress(Unauthenticated):  # it is over already
                await self._theirs.Logout(identity_pb2.LogoutRequest(), metadata=_by_cookie(request))
        response = Response(status_code=204, headers=_NO_STORE)
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        return response

    async def _who(self, request: Request) -> Response:
        answer = await self._theirs.GetMe(identity_pb2.GetMeRequest(), metadata=_by_cookie(request))
        return JSONResponse(json_format.MessageToDict(answer), headers=_NO_STORE)


def shown_cookie(request: Request) -> str:
    """What the browser's cookie holds; empty where it is nothing that identity could have made."""
    found = request.cookies.get(COOKIE, "")
    return found if len(found) <= _LONGEST_COOKIE and is_plain(found) else ""


def set_cookie(response: Response, token: str, ends: Timestamp) -> None:
    """Gives the browser its session."""
    # Until the browser is told otherwise or the session cannot be alive: identity says when it ends.
    response.set_cookie(
        COOKIE,
        token,
        expires=ends.ToDatetime(tzinfo=UTC),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def refuse_foreign(request: Request) -> None:
    """Raises Denied CREDENTIALS_INVALID when a browser says that another site's page asks.

    Whoever could log a browser in with an account of their own would see what its user does there.
    """
    sent = {name for name in ("sec-fetch-site", "origin") if name in request.headers}
    if sent and not same_origin(request.headers):
        raise Denied("CREDENTIALS_INVALID", "a browser logs in at the console's own pages only")


async def _login(request: Request) -> tuple[str, str]:
    """The email and the password. Raises Invalid naming what is wrong."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Invalid("REQUEST_MALFORMED", "send JSON, with content-type: application/json")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise Invalid("REQUEST_MALFORMED", f"the body is larger than {_MAX_BODY} bytes")
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise Invalid("REQUEST_MALFORMED", "the body is not JSON") from None
    if not isinstance(found, dict) or found.keys() - {"email", "password"}:
        raise Invalid("REQUEST_MALFORMED", 'the body is {"email": …, "password": …}, and nothing else')
    wrong = [
        name
        for name in ("email", "password")
        if not isinstance(found.get(name), str) or not _is_text(found[name])
    ]
    if wrong:
        raise Invalid(
            "INVALID_FIELD",
            f"{' and '.join(wrong)} must be text",
            fields=[FieldViolation(name, "must be text", "INVALID_FIELD") for name in wrong],
        )
    return found["email"], found["password"]


def _is_text(value: str) -> bool:
    """Whether it is what a message can hold: half a surrogate pair is not."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _by_cookie(request: Request) -> tuple[tuple[str, str], ...]:
    """The call's metadata with the cookie as its one credential."""
    others = ("authorization", "x-api-key")
    return tuple((name, value) for name, value in credentials.metadata(request) if name not in others)
