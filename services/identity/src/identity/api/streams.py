"""Tickets for streams that can show no credential."""

from typing import Any, Final

from chassis import contracts, outbox
from chassis.context import current
from chassis.database import Transaction
from chassis.ids import uuid7
from identity import store, wire
from identity.api.common import Part
from identity.domain import tickets, tokens
from identity.domain.tickets import Ticket
from mcpanel.identity.v1 import identity_pb2 as pb

_WATCHES: Final = ("mcpanel.engine.v1.EngineService/WatchRun", "mcpanel.engine.v1.EngineService/WatchRuns")


class Streams(Part):
    """The methods about them."""

    async def CreateStreamTicket(
        self, request: pb.CreateStreamTicketRequest, _: Any
    ) -> pb.CreateStreamTicketResponse:
        caller = current().caller.effective
        rules = [contracts.rules()[watch] for watch in _WATCHES]
        permissions = {one for rule in rules for one in (rule.permission, rule.others)}
        secret = tickets.secret(self._random(tickets.RANDOM_BYTES))
        async with self._db.begin() as tx:
            ticket = tickets.new(secret, request.run_id, caller, permissions, tx.now)
            await store.tickets.add(tx, ticket)
            await outbox.add(tx, entity=("run", request.run_id), new={"expires_at": ticket.expires_at})
            stored = pb.CreateStreamTicketResponse(expires_at=wire.time(ticket.expires_at))
            response = pb.CreateStreamTicketResponse(ticket=secret, expires_at=stored.expires_at)
            return tx.reply(response, stored=stored)

    async def RedeemStreamTicket(
        self, request: pb.RedeemStreamTicketRequest, _: Any
    ) -> pb.RedeemStreamTicketResponse:
        async with self._db.begin(idempotent=False, audited=False) as tx:
            ticket = await store.tickets.take(tx, tickets.digest(request.ticket))
            good = (
                ticket is not None
                and ticket.run_id == request.run_id
                and tx.now < ticket.expires_at
                and await _stands(tx, ticket)
            )
        # Outside the transaction: what was shown is used up, whatever it was.
        if ticket is None or not good:
            raise tickets.invalid()
        now = tx.now.replace(microsecond=0)
        claims = tokens.stream_claims(ticket.claims, ticket.session_id, uuid7(tx.now), now)
        return pb.RedeemStreamTicketResponse(
            token=self._signer.key.sign(claims), expires_at=wire.time(now + tokens.ACCESS_LIFE)
        )


async def _stands(tx: Transaction, ticket: Ticket) -> bool:
    """Whether the session or key that it was asked for with goes on."""
    if ticket.session_id:
        return await store.sessions.is_live(tx, ticket.session_id)
    return await store.keys.works(tx, ticket.api_key_id)
