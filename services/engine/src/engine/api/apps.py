"""AppService: opens apps, and carries what browsers and they say to each other."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from chassis import outbox
from chassis.context import current
from chassis.database import Transaction
from chassis.errors import Invalid, NotFound, Precondition, ServiceError, Unavailable
from engine import visits
from engine.api.common import Base, Context
from engine.dispatch.tunnels import Tunnel, Tunnels
from engine.domain import Ref
from engine.store import apps as store
from engine.store import runs as runs_store
from engine.visitors import Visitors
from engine.visits import RunningApp, Visit
from mcpanel.engine.v1 import app_pb2, app_pb2_grpc

_LOOK_EVERY: Final = 4.0
"""Seconds between two looks at whether a connection may go on."""
_PATIENCE: Final = 5.0
"""Seconds an app has to answer somebody who shows a ticket."""


class Apps(app_pb2_grpc.AppServiceServicer):
    """The servicer. `base` tells what callers may see; `origin` is the apps' own, e.g. `http://127.0.0.1:8081`."""

    def __init__(self, base: Base, visitors: Visitors, tunnels: Tunnels, origin: str) -> None:
        self._base = base
        self._db = base.db
        self._visitors = visitors
        self._tunnels = tunnels
        self._origin = origin

    async def OpenApp(self, request: app_pb2.OpenAppRequest, context: Context) -> app_pb2.OpenAppResponse:
        caller = current().caller.effective
        who = await self._base.reader()
        ticket = visits.secret(secrets.token_bytes(visits.RANDOM_BYTES))
        async with self._db.begin() as tx:
            run = await runs_store.get(tx, request.run_id, who, full=False)
            app = await store.find(tx, run.id, request.step_id, who)
            if app is None:
                raise NotFound(
                    "STEP_NOT_FOUND",
                    f"no step '{request.step_id}' of run '{run.id}' has begun; ListStepExecutions lists its steps",
                    resource=("step", request.step_id),
                )
            _require_running(app, request.step_id)
            visit = Visit(
                visits.digest(ticket),
                True,
                run.id,
                request.step_id,
                app.attempt,
                caller.id,
                caller.session_id,
                tx.now + visits.TICKET_LIFE,
            )
            await store.add(tx, visit)
            facts = {"step_id": request.step_id, "attempt": app.attempt}
            await outbox.add(tx, entity=("run", run.id), new=facts)
            expires_at = _time(visit.expires_at)
            stored = app_pb2.OpenAppResponse(expires_at=expires_at)
            url = visits.address(self._origin, run.id, request.step_id, ticket)
            return tx.reply(app_pb2.OpenAppResponse(url=url, expires_at=expires_at), stored=stored)

    async def RedeemAppTicket(
        self, request: app_pb2.RedeemAppTicketRequest, context: Context
    ) -> app_pb2.RedeemAppTicketResponse:
        await self._require_answering(visits.digest(request.ticket), request.app)
        cookie = visits.secret(secrets.token_bytes(visits.RANDOM_BYTES))
        async with self._db.begin(idempotent=False, audited=False) as tx:
            ticket = await store.take(tx, visits.digest(request.ticket))
            if ticket is None or visits.name(ticket.run_id, ticket.step_id) != request.app:
                visit = None
            else:
                visit = Visit(
                    visits.digest(cookie),
                    False,
                    ticket.run_id,
                    ticket.step_id,
                    ticket.attempt,
                    ticket.user_id,
                    ticket.session_id,
                    tx.now + (visits.LIFE if ticket.session_id else visits.LIFE_BY_KEY),
                )
                await store.add(tx, visit)
        # Outside the transaction: what was shown is used up, whatever it was.
        if visit is None:
            raise visits.invalid()
        return app_pb2.RedeemAppTicketResponse(
            cookie=cookie,
            expires_at=_time(visit.expires_at),
            issued_at=_time(tx.now),
        )

    async def _require_answering(self, digest: bytes, name: str) -> None:
        """Returns where a ticket leads to an app that answers, or nowhere. While there is no answer it stays good.

        Whether its visitor may still see the run is looked at when they connect.

        Raises Unauthenticated APP_TICKET_INVALID, Precondition APP_NOT_RUNNING, Unavailable APP_ELSEWHERE and
        APP_NOT_ANSWERING.
        """
        async with self._db.read() as tx:
            ticket = await store.get(tx, digest, is_ticket=True)
        if ticket is None or visits.name(ticket.run_id, ticket.step_id) != name:
            return  # it is used up, whatever it was
        async with self._db.read() as tx:
            app = await _running(tx, ticket, runs_store.Reader(None, only=ticket.run_id))
        ref = Ref(ticket.run_id, ticket.step_id, app.attempt, app.epoch)
        try:
            async with asyncio.timeout(_PATIENCE), self._tunnels.open(ref, app.worker_id):
                return
        except (TimeoutError, Unavailable) as error:
            if isinstance(error, Unavailable) and error.reason != "APP_NOT_ANSWERING":
                raise
            async with self._db.begin(idempotent=False, audited=False) as tx:
                await store.prolong(tx, digest, tx.now + visits.TICKET_LIFE)
            if isinstance(error, Unavailable):
                raise
            what = f"the app of step '{ticket.step_id}' does not answer yet"
            raise Unavailable("APP_NOT_ANSWERING", what) from None

    async def ConnectApp(
        self, requests: AsyncIterator[app_pb2.ConnectAppRequest], context: Context
    ) -> AsyncIterator[app_pb2.ConnectAppResponse]:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("item") != "open":
            raise Invalid("INVALID_FIELD", "the first message of a connection to an app is open")
        draining = current().draining
        digest, name = visits.digest(first.open.cookie), first.open.app
        visit, app = await self._visited(digest, name)
        ref = Ref(visit.run_id, visit.step_id, app.attempt, app.epoch)
        async with self._tunnels.open(ref, app.worker_id) as tunnel:
            tasks = [
                asyncio.create_task(_feed(requests, tunnel), name="to an app"),
                asyncio.create_task(self._look(digest, name, tunnel)),
                asyncio.create_task(draining.wait()),
            ]
            for task in tasks:
                task.add_done_callback(lambda _: tunnel.close())
            try:
                yield app_pb2.ConnectAppResponse(opened=app_pb2.ConnectAppResponse.Opened())
                async for chunk in tunnel.from_app:
                    yield app_pb2.ConnectAppResponse(chunk=chunk)
                yield app_pb2.ConnectAppResponse(end=app_pb2.ConnectAppResponse.End())
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, digest: bytes, name: str, tunnel: Tunnel) -> None:
        """Returns when the connection may not go on: the visit is over, or the attempt that it is to."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                _, app = await self._visited(digest, name)
            except Unavailable:
                continue  # while identity is away nobody can take anything away
            except ServiceError:
                return
            if (app.attempt, app.epoch) != (tunnel.ref.attempt, tunnel.ref.epoch):
                return

    async def _visited(self, digest: bytes, name: str) -> tuple[Visit, RunningApp]:
        """The visit and the app that it is to. Raises Unauthenticated APP_TICKET_INVALID and Precondition
        APP_NOT_RUNNING.
        """
        async with self._db.read() as tx:
            visit = await store.get(tx, digest)
        if visit is None or visits.parse(name) != (visit.run_id, visit.step_id):
            raise visits.invalid()
        reader = await self._visitors.reader(visit)
        async with self._db.read() as tx:
            app = await _running(tx, visit, reader)
        return visit, app


async def _running(tx: Transaction, visit: Visit, reader: runs_store.Reader) -> RunningApp:
    app = await store.find(tx, visit.run_id, visit.step_id, reader)
    if app is None:
        raise visits.invalid()
    _require_running(app, visit.step_id)
    if app.attempt != visit.attempt:  # another attempt is another app, with nothing of what the visitor saw
        raise visits.invalid()
    return app


def _require_running(app: RunningApp, step_id: str) -> None:
    if not app.is_there:
        what = f"is {app.status}" if app.kind == visits.KIND else "is no app"
        then = "ask again once it runs" if app.is_to_come else "only an app that runs can be opened"
        raise Precondition("APP_NOT_RUNNING", f"step '{step_id}' {what}; {then}")


def _time(moment: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(moment)
    return found


async def _feed(requests: AsyncIterator[app_pb2.ConnectAppRequest], tunnel: Tunnel) -> None:
    """Passes on what the gateway sends, until it sends no more."""
    async for message in requests:
        await tunnel.to_app.put(message.chunk)
