"""Audit as it really runs, on a socket of its own, and what the tests need to look behind it."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audit.__main__ import build
from audit.checkpoint import Signer
from audit.config import Config
from audit.keys import Signing
from audit.tables import PROTECTED, metadata
from audit.watching import Pace
from chassis import jsonvalue
from chassis.client import ServiceChannel, channel
from chassis.config import Address
from chassis.database import Database
from chassis.server import Server
from mcpanel.audit.v1 import audit_pb2 as pb
from mcpanel.audit.v1 import audit_pb2_grpc
from tests.support.callers import ADMIN, SERVICE, TestAuthenticator, as_caller
from tests.support.servers import TestPostgres

ORIGIN = "test.local/audit"
TABLES = tuple(table.name for table in PROTECTED)
TIME = datetime(2026, 1, 31, 12, tzinfo=UTC)


def record(record_id: str, action: str = "MCP_CREATED", **fields: Any) -> pb.Record:
    """A record as an outbox hands it over."""
    details = jsonvalue.to_struct(fields.pop("details", {"new": {"name": record_id}}))
    actor = fields.pop("actor", pb.Actor(id="u1", kind="user", name="ada@example.com"))
    return pb.Record(
        **{
            "record_id": record_id,
            "time": TIME,
            "action": action,
            "actor": actor,
            "details": details,
            **fields,
        }
    )


def records(first: int, end: int) -> list[pb.Record]:
    """Records named after their numbers."""
    return [record(f"r{number}") for number in range(first, end)]


@dataclass
class World:
    """A running audit service."""

    stub: "audit_pb2_grpc.AuditServiceAsyncStub"
    db: Database
    url: str
    signer: Signer
    owner: psycopg.Connection
    """The tests' own connection, as the tables' owner."""
    server: Server

    async def append(self, *batches: Sequence[pb.Record]) -> int:
        """Appends batch after batch as a service; returns how many were new."""
        count = 0
        for batch in batches:
            request = pb.AppendRecordsRequest(records=batch)
            count += (await self.stub.AppendRecords(request, metadata=as_caller(SERVICE))).appended
        return count

    async def page(self, where: str = "", **fields: Any) -> pb.ListActionLogsResponse:
        """A page of the log, as an administrator."""
        request = pb.ListActionLogsRequest(filter=where, **fields)
        return await self.stub.ListActionLogs(request, metadata=as_caller(ADMIN))

    async def checkpoint(self) -> pb.Checkpoint:
        """The newest checkpoint."""
        return (
            await self.stub.GetCheckpoint(pb.GetCheckpointRequest(), metadata=as_caller(ADMIN))
        ).checkpoint

    async def verify(self) -> pb.VerifyLogResponse:
        """What VerifyLog says."""
        return await self.stub.VerifyLog(pb.VerifyLogRequest(), metadata=as_caller(ADMIN))

    async def problems(self) -> list[tuple[str, int]]:
        """What VerifyLog finds: kinds and indexes."""
        return [(pb.LogProblem.Kind.Name(one.kind), one.index) for one in (await self.verify()).problems]

    def save(self) -> None:
        """Keeps the log as it is, for `restore`."""
        self.sabotage(";".join(f"CREATE TABLE saved_{table} AS TABLE {table}" for table in TABLES))

    def restore(self) -> None:
        """Puts the log back as it was at `save`."""
        # TRUNCATE would wait for whoever reads just now, who may wait for this very loop.
        back = (f"DELETE FROM {table}; INSERT INTO {table} TABLE saved_{table}" for table in TABLES)
        self.sabotage(";".join(back))

    def sabotage(self, statement: str, *parameters: object) -> None:
        """Runs SQL as whoever owns the tables, the triggers out of the way."""
        self.owner.execute(_triggers("DISABLE"))
        self.owner.execute(statement, parameters or None)
        self.owner.execute(_triggers("ENABLE"))


def _triggers(word: str) -> str:
    return ";".join(f"ALTER TABLE {table} {word} TRIGGER append_only" for table in TABLES)


Start = Callable[..., Awaitable[World]]


@asynccontextmanager
async def serving(postgres: TestPostgres) -> AsyncIterator[Start]:
    """`await start()` serves; called again, it starts another replica over the same database with the same key.

    With `archive` it takes what is older than `keep_days` there; with `witness` its checkpoints are kept there too;
    with `relaying` its own outbox goes where it goes in the suite, to itself.
    """
    signer = Signer.generate(ORIGIN)
    running: list[tuple[Server, list[ServiceChannel], Database]] = []
    with (
        postgres.lend("audit") as url,
        tempfile.TemporaryDirectory(prefix="mcp", dir="/tmp") as sockets,
        psycopg.connect(url, autocommit=True) as owner,
    ):

        async def start(
            *,
            relaying: bool = False,
            witness: str = "",
            archive: str = "",
            keep_days: int = 365,
            pace: Pace | None = None,
            signing: Signing | None = None,
        ) -> World:
            config = Config(
                home=Path(sockets),
                listen=Address(f"unix:{sockets}/{len(running)}"),
                metrics_listen=None,
                database_url=url,
                witness=witness,
                archive=archive,
                keep_days=keep_days,
                origin=ORIGIN,
            )
            db = Database(url, metadata, name="audit")
            itself = channel(config.listen, peer="audit", key=SERVICE.credential) if relaying else None
            server = build(config, db, signing or (lambda: signer), TestAuthenticator(), itself, pace=pace)
            await server.start()
            # This channel raises the chassis's errors, so that reasons and metadata can be asserted.
            connection = channel(config.listen, peer="audit")
            running.append((server, [connection, *([itself] if itself else [])], db))
            return World(audit_pb2_grpc.AuditServiceStub(connection), db, url, signer, owner, server)

        yield start
        for server, channels, db in running:
            await server.stop(grace=0)
            for one in channels:
                await one.close()
            await db.close()


@pytest.fixture
async def start(postgres: TestPostgres) -> AsyncIterator[Start]:
    """Starts replicas over an empty log."""
    async with serving(postgres) as run:
        yield run


@pytest.fixture
async def world(start: Start) -> World:
    """An audit service with an empty log."""
    return await start()
