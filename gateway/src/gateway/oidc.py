"""Logging in elsewhere, at a browser: `GET /auth/oidc/{provider}` and the address the provider sends it back to."""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chassis.client import ServiceChannel
from chassis.errors import Unauthenticated
from gateway import credentials, session
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc

BINDING: Final = "__Host-mcpanel-login"
_SECONDS: Final = 600
_NO_STORE: Final = {"cache-control": "no-store"}


class ExternalLogin:
    """Serves `/auth/oidc/{provider}` and `/auth/oidc/{provider}/callback`."""

    def __init__(self, itself: ServiceChannel) -> None:
        """`itself` is a channel to identity with the gateway's key."""
        self._stub = identity_pb2_grpc.IdentityServiceStub(itself)

    async def begin(self, request: Request) -> Response:
        """Sends the browser to the provider; `?redirect_to=` is the path here to come back to."""
        wanted = identity_pb2.BeginExternalLoginRequest(
            provider=request.path_params["provider"], redirect_to=request.query_params.get("redirect_to", "")
        )
        answer = await self._stub.BeginExternalLogin(wanted, metadata=credentials.whereabouts(request))
        response = RedirectResponse(answer.authorization_url, 302, _NO_STORE)
        # Lax: the provider's page leads back here, and the cookie has to come along.
        response.set_cookie(
            BINDING, answer.binding, _SECONDS, path="/", secure=True, httponly=True, samesite="lax"
        )
        return response

    async def finish(self, request: Request) -> Response:
        """Sets the session's cookie and sends the browser on."""
        query = request.query_params
        if not query.get("state"):
            raise Unauthenticated(
                "EXTERNAL_LOGIN_FAILED", "the address lacks its state; begin the login again"
            )
        wanted = identity_pb2.FinishExternalLoginRequest(
            provider=request.path_params["provider"],
            code=query.get("code", ""),
            state=query["state"],
            binding=request.cookies.get(BINDING, ""),
            issuer=query.get("iss", ""),
            error=query.get("error", ""),
            user_agent=request.headers.get("user-agent", "")[:256],
            previous_session_token=session.shown_cookie(request),
        )
        answer = await self._stub.FinishExternalLogin(wanted, metadata=credentials.whereabouts(request))
        response = RedirectResponse(answer.redirect_to, 302, _NO_STORE)
        session.set_cookie(response, answer.session_token, answer.expires_at)
        response.delete_cookie(BINDING, path="/", secure=True, httponly=True, samesite="lax")
        return response
