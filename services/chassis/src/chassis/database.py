"""PostgreSQL: transactions that know the call they serve.

`begin()` ties three things together that would otherwise be forgotten one by one: the change, the audit
record and the stored answer that makes a repeat safe. They commit together or not at all.
"""

import asyncio
import hmac
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, TypeVar, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from sqlalchemy import CursorResult, Executable, Function, MetaData, delete, event, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from chassis import errors
from chassis.connecting import connect
from chassis.context import Call, current_or_none, utcnow
from chassis.guards import ContractBroken, ReplayAnswer, open_transaction
from chassis.signals import Signal
from chassis.tables import ChassisTables, chassis_tables
from chassis.telemetry import DB_DURATION, DB_OPERATIONS, DB_POOL

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Message)
RepeatKey = Callable[[], bytes]
"""Gives the secret, kept outside the database, that stored hashes of requests are keyed with."""

UNHEARD_MS: Final = 15_000
"""After so long a connection is given up on which nothing arrives. Without it that takes a quarter of an hour, for
keep-alives are not sent while something waits to arrive.
"""
KEPT: Final = timedelta(hours=24)
"""How long an answer is kept for repeats of its request id."""
_CLOSE_SECONDS: Final = 2.0
_WRITES: Final = re.compile(
    r"\s*(insert|update|delete|merge|copy|truncate|with\b.*\b(insert\s+into|update|delete\s+from|merge\s+into))\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(slots=True)
class _Claim:
    caller_id: str
    method: str
    request_id: str


class Transaction:
    """One open transaction. Made by `Database.begin` and `Database.read` only."""

    def __init__(
        self,
        connection: AsyncConnection,
        tables: ChassisTables,
        call: Call | None,
        repeat_key: RepeatKey | None = None,
    ) -> None:
        self.connection = connection
        self.tables = tables
        self.call = call
        self.now: datetime = utcnow()
        """In `begin()` the database's transaction time; in `read()` this machine's clock. Aware, UTC."""
        self.open = True
        self.wrote = False
        self.audited = False
        self.outboxed = 0
        self._repeat_key = repeat_key
        self._claim: _Claim | None = None
        self._reply: bytes | None = None

    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Runs one statement and returns its result, rows included."""
        return await self.connection.execute(statement, parameters)

    async def scalar(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row, or None without rows."""
        return (await self.execute(statement, parameters)).scalar()

    async def raw(self) -> Any:
        """The psycopg AsyncConnection underneath, inside this transaction, e.g. for COPY. Counts as a write."""
        self.wrote = True
        return (await self.connection.get_raw_connection()).driver_connection

    def reply(self, response: R, *, stored: Message | None = None) -> R:
        """Registers `response` as the call's answer, to be stored with the commit, and returns it.

        Ends every mutation: `return tx.reply(wire.x(...))`. `stored` is the form that is kept for repeats
        where the answer shows a secret (`secret_response` rules); it is of the same type, without the secret.
        """
        secret = bool(self.call is not None and self.call.rule is not None and self.call.rule.secret_response)
        if secret and stored is None and self._claim is not None:
            raise ContractBroken(
                "a secret_response RPC replies with tx.reply(response, stored=<without the secret>)"
            )
        self._reply = (stored or response).SerializeToString()
        return response

    async def _claim_request(self, call: Call, request: Message) -> None:
        """Takes the (caller, method, request id) key, waiting for a concurrent holder, or raises
        ReplayAnswer.
        """
        table = self.tables.idempotency
        claim = _Claim(_claimant(call), call.method, call.request_id)
        digest = request_hash(request, self._repeat_key() if self._repeat_key else b"")
        expired = table.c.created_at < func.now() - KEPT
        taken = insert(table).values(
            caller_id=claim.caller_id, method=claim.method, request_id=claim.request_id, request_hash=digest
        )
        taken = taken.on_conflict_do_update(
            index_elements=[table.c.caller_id, table.c.method, table.c.request_id],
            set_={"request_hash": digest, "response": None, "created_at": func.now()},
            where=expired,
        )
        mine = (await self.connection.execute(taken.returning(_now()))).scalar()
        if mine is not None:
            self.now, self._claim = mine, claim
            return
        row = (
            await self.connection.execute(
                select(table.c.request_hash, table.c.response).where(*_key(table, claim))
            )
        ).one()
        if row.request_hash != digest:
            raise errors.AlreadyExists(
                "REQUEST_ID_REUSED",
                f"request_id {call.request_id!r} was used within 24 hours with another request",
                metadata={"request_id": call.request_id},
            )
        raise ReplayAnswer(bytes(row.response or b""))

    async def _before_commit(self, *, idempotent: bool, audited: bool) -> None:
        call = self.call
        if call is not None and audited and self.wrote and call.action and not self.audited:
            raise ContractBroken(
                f"{call.method} changed something without outbox.add, and its rule has an audit action"
            )
        if self._claim is None:
            return
        table = self.tables.idempotency
        where = _key(table, self._claim)
        if self._reply is not None:
            await self.connection.execute(update(table).where(*where).values(response=self._reply))
            return
        if self.wrote and idempotent:
            raise ContractBroken(
                f"{self._claim.method} changed something without tx.reply; use begin(idempotent=False) for a "
                "transaction that may happen twice"
            )
        await self.connection.execute(delete(table).where(*where))


class Database:
    """A service's database: a pool of five connections and the transactions on it."""

    def __init__(
        self,
        url: str,
        metadata: MetaData,
        *,
        name: str = "mcpanel",
        repeat_key: RepeatKey | None = None,
        pool_size: int = 5,
        pool_timeout: float = 5.0,
        statement_timeout: timedelta = timedelta(seconds=30),
        lock_timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        """`url` is `postgresql://…`; `name` becomes the application_name; `pool_timeout` in seconds. Connects
        lazily. A service whose repeatable requests hold secrets gives a `repeat_key`.
        """
        self._repeat_key = repeat_key
        self.tables = chassis_tables(metadata)
        self.outbox_signal = Signal()
        """Set after each commit that added an outbox row; the relay waits on it."""
        options = (
            f"-c timezone=UTC -c statement_timeout={_ms(statement_timeout)} -c lock_timeout={_ms(lock_timeout)} "
            "-c idle_in_transaction_session_timeout=60000"
        )
        self.engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=pool_timeout,
            pool_recycle=1800,
            pool_use_lifo=True,
            connect_args={
                "async_creator_fn": connect,
                "application_name": name,
                "options": options,
                "connect_timeout": 5,
                "prepare_threshold": 2,
                "keepalives_idle": 10,
                "keepalives_interval": 3,
                "keepalives_count": 3,
                "tcp_user_timeout": UNHEARD_MS,
            },
        )
        event.listen(self.engine.sync_engine, "before_cursor_execute", _note_write)

    @asynccontextmanager
    async def begin(self, *, idempotent: bool = True, audited: bool = True) -> AsyncIterator[Transaction]:
        """A read-write transaction: commits when the block ends, rolls back when it raises.

        Inside a unary call that carries a `request_id` it first looks whether the request was answered
        before; then the block is not run and the stored answer is sent (another body: AlreadyExists
        REQUEST_ID_REUSED). Of two concurrent calls with one request id the second waits for the first. With
        `validate_only` set in the request the block runs and is rolled back at its end.

        `idempotent=False` leaves the request id alone, `audited=False` allows writes without `outbox.add`:
        both are for bookkeeping beside the change, such as a last-used time.
        """
        _refuse_nesting()
        call = current_or_none()
        async with self._connection() as connection:
            tx = Transaction(connection, self.tables, call, self._repeat_key)
            await self._start(tx, idempotent=idempotent)
            token = open_transaction.set(tx)
            try:
                yield tx
                if call is not None and call.validate_only:
                    await connection.rollback()
                    return
                await tx._before_commit(idempotent=idempotent, audited=audited)
                await connection.commit()
                if tx.audited and call is not None:
                    call.audited = True
            finally:
                tx.open = False
                open_transaction.reset(token)
        if tx.outboxed:
            self.outbox_signal.set()

    async def answer_repeat(self) -> None:
        """Answers a repeated request here and now, before anything is asked of the network a second time."""
        call = current_or_none()
        if call is not None and call.request_id and not call.validate_only:
            async with self.begin():
                pass

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """A READ ONLY transaction, without idempotency."""
        _refuse_nesting()
        async with self._connection(readonly=True) as connection:
            tx = Transaction(connection, self.tables, current_or_none())
            token = open_transaction.set(tx)
            try:
                yield tx
            finally:
                tx.open = False
                open_transaction.reset(token)
                await connection.rollback()

    async def purge(self, batch: int = 5000) -> int:
        """Deletes stored answers older than 24 hours; returns how many."""
        table = self.tables.idempotency
        gone = 0
        while True:
            async with self._connection() as connection:
                old = select(table.c.caller_id, table.c.method, table.c.request_id)
                old = (
                    old.where(table.c.created_at < func.now() - KEPT)
                    .limit(batch)
                    .with_for_update(skip_locked=True)
                )
                key = old.subquery()
                result = await connection.execute(
                    delete(table).where(
                        table.c.caller_id == key.c.caller_id,
                        table.c.method == key.c.method,
                        table.c.request_id == key.c.request_id,
                    )
                )
                await connection.commit()
            gone += result.rowcount
            if result.rowcount < batch:
                return gone

    async def close(self) -> None:
        """Closes every connection. Those in use have a moment to come back: the pool forgets what it does not hold."""
        pool = cast("QueuePool", self.engine.pool)
        end = time.monotonic() + _CLOSE_SECONDS
        while pool.checkedout() and time.monotonic() < end:  # noqa: ASYNC110  # the pool tells nobody
            await asyncio.sleep(0.01)
        await self.engine.dispose()

    @asynccontextmanager
    async def _connection(self, *, readonly: bool = False) -> AsyncIterator[AsyncConnection]:
        kind, outcome, started = "read" if readonly else "write", "failed", time.perf_counter()
        try:
            async with self.engine.connect() as connection:
                DB_POOL.inc()
                try:
                    if readonly:
                        await connection.execution_options(postgresql_readonly=True)
                    yield connection
                    outcome = "ok"
                finally:
                    DB_POOL.dec()
        finally:
            DB_OPERATIONS.labels(kind, outcome).inc()
            DB_DURATION.labels(kind).observe(time.perf_counter() - started)

    async def _start(self, tx: Transaction, *, idempotent: bool) -> None:
        """Opens the transaction and learns its time; a connection that died idle is replaced once, unnoticed."""
        call = tx.call
        for last in (False, True):
            try:
                if (
                    idempotent
                    and call is not None
                    and call.request_id
                    and call.request is not None
                    and not call.validate_only
                ):
                    await tx._claim_request(call, call.request)
                else:
                    tx.now = (await tx.connection.execute(select(_now()))).scalar_one()
            except DBAPIError as error:
                if last or not error.connection_invalidated:
                    raise
                await tx.connection.rollback()
            else:
                return


def request_hash(request: Message, key: bytes = b"") -> bytes:
    """HMAC-SHA-256 with `key` over the request without its `request_id`: what makes two requests the same.

    A request with secrets (`debug_redact`) needs a key: an unkeyed hash of a password, read from a copy of the
    database, would be a quick way to guess it. Raises ContractBroken without one.
    """
    if not key and holds_secrets(request.DESCRIPTOR):
        raise ContractBroken(f"{request.DESCRIPTOR.full_name} holds secrets: give Database a repeat_key")
    copy = type(request)()
    copy.CopyFrom(request)
    if "request_id" in copy.DESCRIPTOR.fields_by_name:
        copy.ClearField("request_id")
    return hmac.digest(key, copy.SerializeToString(deterministic=True), "sha256")


@cache
def holds_secrets(message: Descriptor) -> bool:
    """Whether a field of the message, or of one inside it, is marked `debug_redact`."""
    pending, seen = [message], {message.full_name}
    while pending:
        for field in pending.pop().fields:
            if field.GetOptions().debug_redact:
                return True
            inner = field.message_type
            if inner is not None and inner.full_name not in seen:
                seen.add(inner.full_name)
                pending.append(inner)
    return False


def _refuse_nesting() -> None:
    tx = open_transaction.get()
    if tx is not None and tx.open:
        raise ContractBroken("a transaction is open already; pass its tx on instead of opening a second one")


def _claimant(call: Call) -> str:
    who = call.caller.effective
    return f"{who.kind}:{who.id}"


def _key(table: Any, claim: _Claim) -> tuple[Any, ...]:
    return (
        table.c.caller_id == claim.caller_id,
        table.c.method == claim.method,
        table.c.request_id == claim.request_id,
    )


def _now() -> Function[datetime]:
    return func.now()


def _ms(delta: timedelta) -> int:
    return int(delta.total_seconds() * 1000)


def _note_write(
    _connection: Any, _cursor: Any, statement: str, _parameters: Any, _context: Any, _many: bool
) -> None:
    tx = open_transaction.get()
    if tx is not None and not tx.wrote and _WRITES.match(statement):
        tx.wrote = True
