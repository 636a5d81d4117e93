"""The service as it really runs, on a socket of its own, beside a database to be connected to."""

import dataclasses
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc.aio
import psycopg
import pytest
from google.protobuf import json_format

from chassis import client, jsonvalue
from chassis.config import load
from chassis.context import Caller
from chassis.statuses import from_rpc_error
from datasources.config import Config
from datasources.service import Service, build
from mcpanel.datasources.v1 import datasources_pb2 as pb
from mcpanel.datasources.v1 import datasources_pb2_grpc, secrets_pb2_grpc
from tests.support.callers import ADMIN, EDITOR, TestAuthenticator, as_caller
from tests.support.channels import plain
from tests.support.identity import Identity
from tests.support.servers import TestPostgres


@dataclass(frozen=True)
class Target:
    """A database that data sources point to, and a connection of its superuser."""

    url: str
    superuser_url: str

    def data_source(self, name: str = "sample", **fields: Any) -> pb.DataSource:
        """A data source for it, with the login that owns it."""
        return _data_source(self.url, name, fields)

    def privileged(self, name: str = "sample", **fields: Any) -> pb.DataSource:
        """A data source for it, with a superuser's login."""
        return _data_source(self.superuser_url, name, fields)

    async def execute(self, statement: str, *parameters: Any) -> list[Any]:
        """Runs a statement as the superuser; returns its rows."""
        async with await psycopg.AsyncConnection.connect(self.superuser_url, autocommit=True) as connection:
            cursor = await connection.execute(statement.encode(), parameters or None)
            return await cursor.fetchall() if cursor.description else []

    async def running(self, text: str) -> int:
        """How many of our statements with `text` in them the database is executing now: FETCH, of a query."""
        rows = await self.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mcpanel' AND state = 'active'"
            " AND datname = current_database() AND query LIKE '%%' || %s || '%%'",
            text,
        )
        return int(rows[0][0])


def _data_source(url: str, name: str, fields: dict[str, Any]) -> pb.DataSource:
    parts = urlsplit(url)
    values: dict[str, Any] = {
        "name": name,
        "type": pb.DataSource.POSTGRESQL,
        "host": parts.hostname,
        "port": parts.port,
        "database": parts.path.removeprefix("/"),
        "username": parts.username,
        "visibility": pb.DataSource.PUBLIC,
    }
    if "secret_ref" not in fields:
        values["secret_value"] = parts.password
    return pb.DataSource(**values | fields)


@dataclass
class Answer:
    """A query's stream, taken whole."""

    query_id: str = ""
    columns: list[tuple[str, str]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    end: pb.ExecuteQueryResponse.End | None = None


@dataclass
class World:
    """A running service."""

    service: Service
    stub: "datasources_pb2_grpc.DataSourceServiceAsyncStub"
    config: Config
    names: dict[str, Sequence[str]]
    """What the resolver says of host names; other names have themselves as their address."""
    environ: dict[str, str]
    callers: "Callers"
    secrets: "secrets_pb2_grpc.SecretServiceAsyncStub"

    async def create(self, source: pb.DataSource, caller: Caller = ADMIN) -> pb.DataSource:
        """Creates a data source."""
        request = pb.CreateDataSourceRequest(data_source=source)
        return (await self.stub.CreateDataSource(request, metadata=as_caller(caller))).data_source

    async def query(
        self, sql: str, *parameters: Any, caller: Caller = EDITOR, source: str = "sample", **fields: Any
    ) -> Answer:
        """Runs a query and takes all of its answer. Raises the error as the chassis names it."""
        request = pb.ExecuteQueryRequest(
            data_source_id=source,
            sql=sql,
            parameters=[jsonvalue.to_value(value) for value in parameters],
            **fields,
        )
        answer = Answer()
        try:
            async for message in self.stub.ExecuteQuery(request, metadata=as_caller(caller)):
                match message.WhichOneof("item"):
                    case "columns":
                        answer.query_id = message.columns.query_id
                        answer.columns = [(one.name, one.type) for one in message.columns.columns]
                    case "rows":
                        answer.batches.append(message.ByteSize())
                        answer.rows += [json_format.MessageToDict(row) for row in message.rows.rows]  # type: ignore[misc]
                    case "end":
                        answer.end = message.end
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, "datasources") from None
        return answer

    async def value(self, sql: str, *parameters: Any, **fields: Any) -> Any:
        """The first column of a query's first row."""
        return (await self.query(sql, *parameters, **fields)).rows[0][0]

    async def records(self) -> list[dict[str, Any]]:
        """What lies in the outbox, oldest first."""
        async with self.service.db.read() as tx:
            table = self.service.db.tables.outbox
            rows = await tx.execute(table.select().order_by(table.c.seq))
            return [row.record for row in rows]


@pytest.fixture
def target(postgres: TestPostgres) -> Target:
    """A fresh database with a login that owns it."""
    return new_target(postgres)


def new_target(postgres: TestPostgres) -> Target:
    """A fresh database with a login that owns it."""
    url = postgres.create_database("target")
    superuser = postgres.server.url("postgres", urlsplit(url).path.removeprefix("/"))
    return Target(url, superuser)


@pytest.fixture
async def world(postgres: TestPostgres, tmp_path: Path) -> AsyncIterator[World]:
    """The service, which may connect to this machine."""
    async for found in run(postgres, tmp_path, {"MCPANEL_ALLOWED_NETWORKS": "127.0.0.0/8, ::1/128"}):
        yield found


async def run(postgres: TestPostgres, folder: Path, settings: dict[str, str]) -> AsyncIterator[World]:
    """The service with these settings, until it is no longer wanted."""
    names: dict[str, Sequence[str]] = {}
    environ: dict[str, str] = {}

    async def resolver(host: str) -> Sequence[str]:
        return names.get(host, [host])

    with postgres.lend("datasources") as url, tempfile.TemporaryDirectory(prefix="ds-") as socket:
        address = f"unix:{socket}/s"
        config = load(
            Config,
            {
                "MCPANEL_DATABASE_URL": url,
                "MCPANEL_HOME": str(folder),
                "MCPANEL_SECRETS_DIR": str(folder / "secrets"),
                "MCPANEL_LISTEN": address,
                "MCPANEL_METRICS_LISTEN": "",
                **settings,
            },
        )
        (folder / "secrets").mkdir(exist_ok=True)
        callers = Callers()
        identity = grpc.aio.server()
        await Identity().serve(identity, f"unix:{socket}/identity")
        asking = client.channel(f"unix:{socket}/identity", peer="identity", key="")
        service = build(config, callers, asking, environ=environ, resolver=resolver)
        await service.server.start()
        async with plain(address) as channel, asking:
            stub = datasources_pb2_grpc.DataSourceServiceStub(channel)
            secrets = secrets_pb2_grpc.SecretServiceStub(channel)
            yield World(service, stub, config, names, environ, callers, secrets)
        await service.server.stop(grace=1)
        await identity.stop(grace=0)


class Callers(TestAuthenticator):
    """The fixed callers, and those with tokens of a run."""

    def with_run_token(self, *data_source_ids: str, secret_ids: Sequence[str] = ()) -> Caller:
        """A caller whose token is for these data sources and secrets only."""
        caller = dataclasses.replace(
            EDITOR,
            permissions=frozenset({"datasources.query", "datasources.write", "secrets.reveal"}),
            roles=frozenset(),
            credential=f"run-token-{len(self._callers)}",
            claims={
                "run_id": "run-1",
                "data_source_ids": list(data_source_ids),
                "secret_ids": list(secret_ids),
            },
        )
        self.admit(caller)
        return caller
