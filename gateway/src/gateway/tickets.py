"""What a stream is opened with: the caller's own credential, or a ticket in its address (`?ticket=…`)."""

from starlette.requests import Request

from chassis.client import ServiceChannel
from gateway import credentials
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc


class Tickets:
    """Exchanges tickets for what they stand for."""

    def __init__(self, itself: ServiceChannel) -> None:
        """`itself` is a channel to identity with the gateway's key."""
        self._stub = identity_pb2_grpc.IdentityServiceStub(itself)

    async def metadata(self, request: Request, run_id: str = "") -> tuple[tuple[str, str], ...]:
        """The metadata to open the stream with; without `run_id` the list of runs.

        A ticket is used up by this, and what else the request shows does not count beside it. Raises Unauthenticated
        STREAM_TICKET_INVALID.
        """
        ticket = request.query_params.get("ticket", "")
        if not ticket:
            return credentials.metadata(request)
        whereabouts = credentials.whereabouts(request)
        wanted = identity_pb2.RedeemStreamTicketRequest(ticket=ticket[:256], run_id=run_id)
        answer = await self._stub.RedeemStreamTicket(wanted, metadata=whereabouts)
        return (*whereabouts, ("authorization", f"Bearer {answer.token}"))
