"""What only the suite's services ask, and what tokens are verified with."""

from typing import Any

from chassis.context import utcnow
from chassis.errors import FieldViolation, Invalid
from chassis.ids import uuid7
from identity import store, wire
from identity.api.common import Part, for_a_browser
from identity.domain import roles, tokens
from mcpanel.identity.v1 import identity_pb2 as pb


class Internal(Part):
    """The methods about them."""

    async def Authenticate(self, request: pb.AuthenticateRequest, _: Any) -> pb.AuthenticateResponse:
        principal = await self._authenticator.by_secret(request.credential)
        return pb.AuthenticateResponse(principal=wire.principal(principal))

    async def OpenBrowserSession(
        self, request: pb.OpenBrowserSessionRequest, _: Any
    ) -> pb.OpenBrowserSessionResponse:
        for_a_browser(request.user_agent)
        entered = await self._logins.login_at_browser(
            request.email, request.password, request.previous_session_token
        )
        return wire.entered(entered.session, entered.user, entered.secret)

    async def GetRevocations(self, _request: pb.GetRevocationsRequest, _: Any) -> pb.GetRevocationsResponse:
        async with self._db.read() as tx:
            ended, narrowed = await store.sessions.ended_lately(tx), await store.roles.narrowed_lately(tx)
        return wire.revocations(ended, narrowed)

    async def GetPrincipal(self, request: pb.GetPrincipalRequest, _: Any) -> pb.GetPrincipalResponse:
        async with self._db.read() as tx:
            found = await store.principals.get(tx, request.principal_id)
        return pb.GetPrincipalResponse(principal=wire.principal(found))

    async def CheckNames(self, request: pb.CheckNamesRequest, _: Any) -> pb.CheckNamesResponse:
        async with self._db.read() as tx:
            held = await store.principals.permissions_by_name(tx, request.names)
            every = await store.roles.every(tx)
        names, holders = dict.fromkeys(request.names), roles.holders(held, request.permission)
        return pb.CheckNamesResponse(
            unknown=[name for name in names if name not in held],
            lacking=[name for name in names if name in held and name not in holders],
            roles=[one.name for one in every if request.permission in one.permissions],
        )

    async def IssueRunToken(self, request: pb.IssueRunTokenRequest, _: Any) -> pb.IssueRunTokenResponse:
        now = utcnow().replace(microsecond=0)
        subject = (request.subject_id, request.subject_name)
        if not (request.data_source_ids or request.secret_ids):
            why = "is required, or secret_ids: a token is for something"
            raise Invalid(
                "INVALID_FIELD", f"data_source_ids {why}", fields=[FieldViolation("data_source_ids", why)]
            )
        permissions = roles.SOURCES_PERMISSIONS if request.data_source_ids else frozenset()
        claims = tokens.run_claims(
            request.run_id,
            subject,
            request.data_source_ids,
            request.secret_ids,
            permissions=sorted(
                permissions | roles.SECRETS_PERMISSIONS if request.secret_ids else permissions
            ),
            jti=uuid7(now),
            now=now,
        )
        return pb.IssueRunTokenResponse(
            token=self._signer.key.sign(claims), expires_at=wire.time(now + tokens.RUN_LIFE)
        )

    async def GetJwks(self, request: pb.GetJwksRequest, _: Any) -> pb.GetJwksResponse:
        async with self._db.read() as tx:
            return wire.jwks(await store.signing_keys.published(tx))
