"""Logging in elsewhere."""

from typing import Any

from identity import providers, wire
from identity.api.common import Part, for_a_browser
from mcpanel.identity.v1 import identity_pb2 as pb


class External(Part):
    """The methods about it."""

    async def ListLoginProviders(
        self, _request: pb.ListLoginProvidersRequest, _: Any
    ) -> pb.ListLoginProvidersResponse:
        found = providers.titles(self._external.providers)
        return pb.ListLoginProvidersResponse(
            providers=[
                pb.ListLoginProvidersResponse.Provider(name=name, title=title) for name, title in found
            ]
        )

    async def BeginExternalLogin(
        self, request: pb.BeginExternalLoginRequest, _: Any
    ) -> pb.BeginExternalLoginResponse:
        url, binding = await self._external.begin(request.provider, request.redirect_to)
        return pb.BeginExternalLoginResponse(authorization_url=url, binding=binding)

    async def FinishExternalLogin(
        self, request: pb.FinishExternalLoginRequest, _: Any
    ) -> pb.FinishExternalLoginResponse:
        for_a_browser(request.user_agent)
        entered, redirect_to = await self._external.finish(
            request.provider,
            code=request.code,
            state=request.state,
            binding=request.binding,
            issuer=request.issuer,
            error=request.error,
            previous=request.previous_session_token,
        )
        opened = wire.entered(entered.session, entered.user, entered.secret)
        return pb.FinishExternalLoginResponse(
            session_token=opened.session_token,
            expires_at=opened.expires_at,
            user=opened.user,
            redirect_to=redirect_to,
        )
