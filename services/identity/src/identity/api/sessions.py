"""Logging in, staying so, and ending it."""

from typing import Any

from chassis import outbox, paging
from chassis.context import current
from identity import store, wire
from identity.api.common import Part, above, before, named
from identity.domain import sessions, users
from mcpanel.identity.v1 import identity_pb2 as pb


class Sessions(Part):
    """The methods about them."""

    async def Login(self, request: pb.LoginRequest, _: Any) -> pb.LoginResponse:
        return wire.login(await self._logins.login(request.email, request.password))

    async def RefreshSession(self, request: pb.RefreshSessionRequest, _: Any) -> pb.RefreshSessionResponse:
        return wire.refreshed(await self._logins.refresh(request.refresh_token))

    async def Logout(self, request: pb.LogoutRequest, _: Any) -> pb.LogoutResponse:
        caller = current().caller.effective
        async with self._db.begin() as tx:
            token = sessions.digest(request.refresh_token) if request.refresh_token else None
            session = await store.sessions.lock_own(tx, caller.id, token, caller.session_id)
            if session is not None and session.ended_at is None:
                await store.sessions.end(tx, session.id, "logged out")
                await outbox.add(
                    tx, entity=("session", session.id), new={"user_id": session.user_id, "ended": True}
                )
            return tx.reply(pb.LogoutResponse())

    async def ListSessions(self, request: pb.ListSessionsRequest, _: Any) -> pb.ListSessionsResponse:
        caller, sees_others = current().caller, current().may_others()
        wanted = named(caller, request.user_id)
        if not sees_others and wanted not in ("", caller.effective.id):
            return pb.ListSessionsResponse()
        owner = wanted or (None if sees_others else caller.effective.id)
        page = paging.parse(request, bound=("sessions", owner, request.include_ended))
        async with self._db.read() as tx:
            rows = await store.sessions.page(
                tx, owner, before(page), page.limit, include_ended=request.include_ended
            )
        items, token = page.cut(rows, lambda session: (session.id,))
        own = caller.effective.session_id
        return pb.ListSessionsResponse(
            sessions=[wire.session(one, own) for one in items], next_page_token=token
        )

    async def RevokeSession(self, request: pb.RevokeSessionRequest, _: Any) -> pb.RevokeSessionResponse:
        caller = current().caller.effective
        owner = None if current().may_others() else caller.id
        async with self._db.begin() as tx:
            session = await store.sessions.lock(tx, request.session_id, owner)
            await above(tx, await store.users.get(tx, session.user_id))
            if session.ended_at is None:
                await store.sessions.end(tx, session.id, "revoked")
                old, session = session, await store.sessions.lock(tx, session.id, owner)
                await outbox.add(tx, entity=("session", session.id), old=old.facts(), new=session.facts())
            return tx.reply(pb.RevokeSessionResponse(session=wire.session(session, caller.session_id)))

    async def RevokeSessions(self, request: pb.RevokeSessionsRequest, _: Any) -> pb.RevokeSessionsResponse:
        call = current()
        caller, user_id = call.caller.effective, named(call.caller, request.user_id)
        if user_id != caller.id and not call.may_others():
            raise users.missing(user_id)
        async with self._db.begin() as tx:
            user = await store.users.lock(tx, user_id)
            await above(tx, user)
            kept = caller.session_id if request.keep_current else ""
            ended = await store.sessions.end_all(tx, user.id, "all sessions revoked", but=kept)
            await outbox.add(tx, entity=("user", user.id), new={"ended": ended, "kept": kept})
            return tx.reply(pb.RevokeSessionsResponse(ended=ended))

    async def GetMe(self, request: pb.GetMeRequest, _: Any) -> pb.GetMeResponse:
        caller = current().caller.effective
        async with self._db.read() as tx:
            user = await store.users.find(tx, caller.id)
        return pb.GetMeResponse(principal=wire.caller(caller), user=wire.user(user) if user else None)
