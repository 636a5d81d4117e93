"""Invitations and password resets: passwords that are set with a ticket, by whoever was handed it."""

from datetime import timedelta
from typing import Any

from chassis import outbox
from chassis.context import current
from chassis.database import Transaction
from chassis.ids import uuid7
from identity import lineage, store, wire
from identity.api.common import Part, above
from identity.domain import password_tickets, roles, throttling, users
from identity.domain.password_tickets import PasswordTicket, Purpose
from identity.domain.users import User
from mcpanel.identity.v1 import identity_pb2 as pb


class Invitations(Part):
    """The methods about them."""

    async def InviteUser(self, request: pb.InviteUserRequest, _: Any) -> pb.InviteUserResponse:
        held = current().caller.effective.permissions
        async with self._db.begin() as tx:
            found = await store.users.find_by_email(tx, users.email_key(request.email))
            old = await store.users.lock_if_present(tx, found.id) if found else None
            if old is not None and old.invited_at is not None:
                await above(tx, old)
            user = users.invited(
                old if old and old.invited_at else None,
                uuid7(tx.now),
                email=request.email,
                full_name=request.full_name,
                role_name=request.role_name,
                now=tx.now,
            )
            roles.grantable(await store.roles.every(tx), user.role_name, held, "role_name")
            again = old is not None and old.id == user.id
            await (store.users.save if again else store.users.add)(tx, user)
            life = wire.ticket_life(request, password_tickets.INVITATION_LIFE)
            secret, ticket = await self._ticket(tx, user, "invitation", life)
            await outbox.add(
                tx,
                entity=("user", user.id),
                old=old.facts() if again and old else None,
                new=user.facts(),
                details={"expires_at": ticket.expires_at},
                personal=users.PERSONAL,
            )
            stored = pb.InviteUserResponse(user=wire.user(user), expires_at=wire.time(ticket.expires_at))
            response = pb.InviteUserResponse(
                user=stored.user,
                expires_at=stored.expires_at,
                invitation="" if request.validate_only else secret,
            )
            return tx.reply(response, stored=stored)

    async def AcceptInvitation(
        self, request: pb.AcceptInvitationRequest, _: Any
    ) -> pb.AcceptInvitationResponse:
        password_hash = await self._hash_for("invitation", request.invitation, request.password)
        async with self._db.begin() as tx:
            old = await self._redeem(tx, "invitation", request.invitation)
            user = users.accepted(old, request.full_name, password_hash, tx.now)
            await store.users.save(tx, user)
            await store.users.note_login(tx, user.id, None)
            await outbox.add(
                tx,
                entity=("user", user.id),
                old=old.facts(),
                new=user.facts(),
                personal=users.PERSONAL,
                actor=outbox.Actor(user.id, "user", user.email),
            )
            issued = await self._logins.enter_with_tokens(tx, user)
        return wire.accepted(issued)

    async def ResetPassword(self, request: pb.ResetPasswordRequest, _: Any) -> pb.ResetPasswordResponse:
        async with self._db.begin() as tx:
            if request.revoke_api_keys:
                await store.keys.lock_lineage(tx)
            old = await store.users.lock(tx, request.user_id)
            # Whoever has the ticket can become this user.
            await above(tx, old)
            user = users.without_password(old, tx.now)
            await store.users.save(tx, user)
            ended = await store.sessions.end_all(tx, user.id, "password reset")
            keys = await store.keys.revoke_all(tx, user.id) if request.revoke_api_keys else []
            revoked = len(keys) + await lineage.revoke(tx, keys)
            life = wire.ticket_life(request, password_tickets.RESET_LIFE)
            secret, ticket = await self._ticket(tx, user, "reset", life)
            await outbox.add(
                tx,
                entity=("user", user.id),
                new={
                    "expires_at": ticket.expires_at,
                    "ended_sessions": ended,
                    # Not `api_keys`: names that speak of secrets are masked.
                    "revoked_keys": revoked,
                },
            )
            stored = pb.ResetPasswordResponse(
                expires_at=wire.time(ticket.expires_at), ended_sessions=ended, revoked_api_keys=revoked
            )
            response = pb.ResetPasswordResponse(ticket=secret)
            response.MergeFrom(stored)
            return tx.reply(response, stored=stored)

    async def SetPassword(self, request: pb.SetPasswordRequest, _: Any) -> pb.SetPasswordResponse:
        await self._db.answer_repeat()
        password_hash = await self._hash_for("reset", request.ticket, request.new_password)
        async with self._db.begin() as tx:
            old = await self._redeem(tx, "reset", request.ticket)
            user = users.with_password(old, password_hash, tx.now)
            await store.users.save(tx, user)
            ended = await store.sessions.end_all(tx, user.id, "password set")
            await store.attempts.forget(tx, throttling.email_subject(user.email_key))
            await outbox.add(
                tx,
                entity=("user", user.id),
                new={"ended_sessions": ended},
                actor=outbox.Actor(user.id, "user", user.email),
            )
            return tx.reply(pb.SetPasswordResponse())

    async def _ticket(
        self, tx: Transaction, user: User, purpose: Purpose, life: timedelta
    ) -> tuple[str, PasswordTicket]:
        """A new ticket, and its record. The one that the user had no longer works."""
        secret = password_tickets.secret(purpose, self._random(password_tickets.RANDOM_BYTES))
        ticket = PasswordTicket(user.id, password_tickets.digest(secret), purpose, tx.now + life)
        await store.password_tickets.put(tx, ticket)
        return secret, ticket

    async def _hash_for(self, purpose: Purpose, secret: str, password: str) -> str:
        """The password's hash, for a ticket that works. Raises as `_redeem` does; Exhausted TOO_MANY_REQUESTS.

        The attempt is counted first, and nobody has a hash made who shows no ticket.
        """
        await self._logins.count_ticket()
        async with self._db.read() as tx:
            ticket = await store.password_tickets.find(tx, password_tickets.digest(secret))
        if ticket is None or not ticket.works(purpose, tx.now):
            raise password_tickets.invalid(purpose)
        return await self._passwords.hash(password)

    async def _redeem(self, tx: Transaction, purpose: Purpose, secret: str) -> User:
        """The user, locked, whose ticket this is; the ticket is used up when the transaction commits.

        Of two who show it at once the second waits for the first, and finds none. Raises Unauthenticated
        INVITATION_INVALID or PASSWORD_TICKET_INVALID.
        """
        digest = password_tickets.digest(secret)
        shown = await store.password_tickets.find(tx, digest)
        user = await store.users.lock_if_present(tx, shown.user_id) if shown else None
        # Again, once the user is locked: it may be used, replaced or withdrawn by now.
        ticket = await store.password_tickets.find(tx, digest) if user else None
        if user is None or ticket is None or not ticket.works(purpose, tx.now):
            raise password_tickets.invalid(purpose)
        if user.is_active != (purpose == "reset"):
            raise password_tickets.invalid(purpose)
        await store.password_tickets.withdraw(tx, user.id)
        await self._logins.forgive_ticket(tx)
        return user
