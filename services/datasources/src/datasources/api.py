"""DataSourceService: each method reads, decides by the domain, writes, records and answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from google.protobuf import struct_pb2

from chassis import access, grants, outbox, paging
from chassis.access import Level, Subject
from chassis.context import current
from chassis.database import Database, Transaction
from chassis.errors import Conflict, Exhausted, Invalid, NotFound, Precondition, ServiceError
from chassis.grants import Target
from chassis.ids import uuid7
from chassis.shares import Sharing
from chassis.statuses import MAX_MESSAGE_BYTES
from chassis.vault import Vault
from datasources import catalogue, domain, scopes, store, wire, writes
from datasources.connections import Connections
from datasources.connectors import failures
from datasources.credentials import Stored
from datasources.domain import Caller, DataSource, Draft
from datasources.pools import Pools
from datasources.queries import Batch, Columns, Order, Outcome, Queries, Query, Stop
from datasources.references import References
from datasources.statements import Checker, Statement
from datasources.tables import grants as granted
from mcpanel.datasources.v1 import datasources_pb2 as pb
from mcpanel.datasources.v1 import datasources_pb2_grpc

_WHAT: Final = "data sources"
_SKIP_SECONDS: Final = 5.0


class DataSources(datasources_pb2_grpc.DataSourceServiceServicer):
    """The servicer."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        references: References,
        connections: Connections,
        pools: Pools,
        *,
        sharing: Sharing,
    ) -> None:
        self.db = db
        self.sharing = sharing
        self.vault = vault
        self.references = references
        self.connections = connections
        self.pools = pools
        self.queries: Queries[struct_pb2.ListValue] = Queries()
        self.checker = Checker()

    async def CreateDataSource(
        self, request: pb.CreateDataSourceRequest, context: Any
    ) -> pb.CreateDataSourceResponse:
        draft = wire.draft_to_create(request)
        await self.db.answer_repeat()
        loopback = await self._loopback(draft)
        async with self.db.begin() as tx:
            source = domain.create(draft, id=uuid7(tx.now), owner=_caller(), now=tx.now, loopback=loopback)
            await store.add(tx, source)
            if draft.secret_value:
                await store.put_secret(tx, source.id, self.vault.seal(source.id, draft.secret_value))
            await outbox.add(tx, entity=(store.KIND, source.id), new=asdict(source))
            return tx.reply(pb.CreateDataSourceResponse(data_source=wire.data_source(source)))

    async def GetDataSource(self, request: pb.GetDataSourceRequest, context: Any) -> pb.GetDataSourceResponse:
        async with self.db.read() as tx:
            source = await store.get(tx, request.data_source_id, _subject())
        return pb.GetDataSourceResponse(data_source=wire.data_source(source))

    async def ListDataSources(
        self, request: pb.ListDataSourcesRequest, context: Any
    ) -> pb.ListDataSourcesResponse:
        page = paging.parse(request, bound=(request.filter, _subject().id))
        wanted = store.parse_filter(request.filter)
        async with self.db.read() as tx:
            found = await store.page_after(tx, _subject(), wanted, page.after, page.limit)
        items, token = page.cut(found, key=lambda one: (one.created_at, one.id))
        return wire.page(items, token)

    async def UpdateDataSource(
        self, request: pb.UpdateDataSourceRequest, context: Any
    ) -> pb.UpdateDataSourceResponse:
        draft, fields = wire.draft(request.data_source), wire.changed_fields(request)
        await self.db.answer_repeat()
        async with self.db.read() as tx:
            seen = await store.get(tx, request.data_source_id, _subject(), Level.EDIT)
        host = draft.host if "host" in fields else seen.host
        loopback = await self._loopback(draft, host)
        async with self.db.begin() as tx:
            old = await store.get(tx, seen.id, _subject(), Level.EDIT, lock=True)
            new = domain.update(old, draft, fields, caller=_caller(), now=tx.now, loopback=loopback)
            if new.visibility != old.visibility:
                await store.get(tx, old.id, _subject(), Level.DELETE)
            if new.host != host:
                raise Conflict("CONCURRENT_CHANGE", f"data source {old.name!r} is being changed; try again")
            await store.replace(tx, new)
            if not domain.keeps_stored_value(draft, fields):
                sealed = self.vault.seal(new.id, draft.secret_value) if draft.secret_value else None
                await store.put_secret(tx, new.id, sealed)
            await outbox.add(tx, entity=(store.KIND, new.id), old=asdict(old), new=asdict(new))
            return tx.reply(pb.UpdateDataSourceResponse(data_source=wire.data_source(new)))

    async def DeleteDataSource(
        self, request: pb.DeleteDataSourceRequest, context: Any
    ) -> pb.DeleteDataSourceResponse:
        async with self.db.begin() as tx:
            source = await store.get(tx, request.data_source_id, _subject(), Level.DELETE, lock=True)
            domain.require_etag(source, request.etag)
            await store.remove(tx, source)
            await outbox.add(tx, entity=(store.KIND, source.id), old=asdict(source))
            answer = tx.reply(pb.DeleteDataSourceResponse())
        await self.pools.forget(source.id)
        return answer

    async def TestConnection(
        self, request: pb.TestConnectionRequest, context: Any
    ) -> pb.TestConnectionResponse:
        await self.db.answer_repeat()
        stored = await self._stored(request.data_source_id)
        found = await self.connections.test(stored)
        async with self.db.begin() as tx:
            details = {"ok": found.ok, "message": found.message, "warnings": found.warnings}
            await outbox.add(tx, entity=(store.KIND, stored.source.id), details=details)
            return tx.reply(wire.tested(found))

    async def ScanSchema(self, request: pb.ScanSchemaRequest, context: Any) -> pb.ScanSchemaResponse:
        await self.db.answer_repeat()
        stored = await self._stored(request.data_source_id, Level.EDIT)
        source = stored.source
        found = await self.connections.scan(stored)
        async with self.db.begin() as tx:
            values = catalogue.to_json(found.tables)
            if not await store.put_snapshot(tx, source.id, values, found.server_version):
                raise store.not_found(request.data_source_id)
            details = {"tables": len(found.tables), "server_version": found.server_version}
            await outbox.add(tx, entity=(store.KIND, source.id), details=details)
            schema = wire.schema(found.tables, found.server_version, tx.now)
            return tx.reply(pb.ScanSchemaResponse(schema=_fitting(schema)))

    async def GetSchema(self, request: pb.GetSchemaRequest, context: Any) -> pb.GetSchemaResponse:
        async with self.db.read() as tx:
            source = await store.get(tx, request.data_source_id, _subject())
            found = await store.find_snapshot(tx, source.id)
        if found is None:
            raise Precondition(
                "SCHEMA_NOT_SCANNED",
                f"the schema of data source {source.name!r} was never scanned; call ScanSchema first",
                resource=(store.KIND, source.id),
            )
        tables, server_version, scanned_at = found
        schema = wire.schema(catalogue.from_json(tables), server_version, scanned_at)
        return pb.GetSchemaResponse(schema=_fitting(schema))

    async def ExecuteQuery(
        self, request: pb.ExecuteQueryRequest, context: Any
    ) -> AsyncIterator[pb.ExecuteQueryResponse]:
        stored = await self._stored(request.data_source_id)
        query_id = uuid7()
        query = await self._start(query_id, stored, request)
        try:
            async for item in query.items():
                match item:
                    case Columns():
                        yield wire.columns(query_id, item.columns)
                    case Batch():
                        yield wire.rows(item.rows)
            if query.outcome is not None:
                yield wire.end(query.outcome)
        finally:
            await self.queries.finish(query)

    async def CancelQuery(self, request: pb.CancelQueryRequest, context: Any) -> pb.CancelQueryResponse:
        any_owner = current().may_others()
        async with self.db.begin() as tx:
            query = self.queries.get(request.query_id, owner_id=_caller().id, any_owner=any_owner)
            await outbox.add(tx, entity=("query", request.query_id))
            answer = tx.reply(pb.CancelQueryResponse())
        query.stop(Stop.CANCELLED)
        await query.ended()
        return answer

    async def WriteRows(
        self, requests: AsyncIterator[pb.WriteRowsRequest], context: Any
    ) -> pb.WriteRowsResponse:
        header = await wire.to_write(requests)
        scopes.require(header.data_source_id, scopes.within("data_source_ids") is not None, _WHAT)
        stored = await self._stored(header.data_source_id)
        order = wire.write_order(header)

        async def record(count: int, outcome: str = "OK") -> None:
            await self._record_write(stored.source, header, count, outcome)

        try:
            writes.require_allowed(stored.source)
            count = await writes.write(
                order, wire.batches(requests), lambda begin: self.connections.session(stored, begin), record
            )
        except ServiceError as error:
            await record(0, error.reason)
            await _skip_rest(requests)
            raise
        except asyncio.CancelledError:
            await asyncio.shield(record(0, "QUERY_CANCELLED"))
            raise
        return pb.WriteRowsResponse(row_count=count)

    async def ListDataSourceTypes(
        self, request: pb.ListDataSourceTypesRequest, context: Any
    ) -> pb.ListDataSourceTypesResponse:
        return wire.types()

    async def ShareDataSource(
        self, request: pb.ShareDataSourceRequest, context: Any
    ) -> pb.ShareDataSourceResponse:
        await self.db.answer_repeat()
        async with self.db.read() as tx:
            await store.get(tx, request.data_source_id, _subject(), Level.DELETE)
        grant = await self.sharing.wanted(request.share)
        async with self.db.begin() as tx:
            source = await store.get(tx, request.data_source_id, _subject(), Level.DELETE, lock=True)
            share = await self.sharing.give(tx, _target(source), grant)
            return tx.reply(pb.ShareDataSourceResponse(share=wire.share(share)))

    async def ListDataSourceShares(
        self, request: pb.ListDataSourceSharesRequest, context: Any
    ) -> pb.ListDataSourceSharesResponse:
        page = paging.parse(request, bound=request.data_source_id)
        async with self.db.read() as tx:
            source = await store.get(tx, request.data_source_id, _subject(), Level.DELETE)
            found = await grants.page(tx, granted, _target(source), page.after, page.limit)
        items, token = page.cut(found, key=lambda one: (one.created_at, one.id))
        return pb.ListDataSourceSharesResponse(
            shares=[wire.share(one) for one in items], next_page_token=token
        )

    async def RevokeDataSourceShare(
        self, request: pb.RevokeDataSourceShareRequest, context: Any
    ) -> pb.RevokeDataSourceShareResponse:
        async with self.db.begin() as tx:
            source = await store.get(tx, request.data_source_id, _subject(), Level.DELETE, lock=True)
            await self.sharing.take(tx, _target(source), request.share_id)
            return tx.reply(pb.RevokeDataSourceShareResponse())

    async def FindUnreachable(
        self, request: pb.FindUnreachableRequest, context: Any
    ) -> pb.FindUnreachableResponse:
        ids = frozenset(request.data_source_ids)
        somebody = Subject(request.subject_id, frozenset(request.role_names))
        async with self.db.read() as tx:
            found = await store.resources(tx, ids)
            given = {} if request.inactive else await grants.given_of(tx, granted, ids, somebody)
        unreachable = access.unreachable(somebody, found, given)
        return pb.FindUnreachableResponse(data_source_ids=unreachable)

    async def _start(
        self, query_id: str, stored: Stored, request: pb.ExecuteQueryRequest
    ) -> Query[struct_pb2.ListValue]:
        asked = wire.asked(request)
        try:
            statement = await self.checker.check(request.sql)
        except (Exhausted, Invalid) as error:
            await self._record(stored.source, query_id, request.sql, {}, error.reason)
            raise
        order = Order(
            id=query_id,
            owner_id=_caller().id,
            statement=statement,
            parameters=wire.parameters(statement, asked),
            max_rows=asked.max_rows,
            timeout=asked.timeout,
            encode=wire.row,
        )

        async def record(outcome: Outcome) -> None:
            details = _details(outcome, statement)
            await self._record(stored.source, query_id, request.sql, details, outcome.word)

        return self.queries.start(order, lambda begin: self.connections.session(stored, begin), record)

    async def _record(
        self, source: DataSource, query_id: str, sql: str, details: dict[str, object], outcome: str
    ) -> None:
        """Writes a query's entry in the action log: its text, and no parameter's value."""
        async with self.db.begin(idempotent=False) as tx:
            found = {"query_id": query_id, "data_source": source.name, "statement": sql, **details}
            await outbox.add(tx, entity=(store.KIND, source.id), details=found, outcome=outcome)

    async def _record_write(
        self, source: DataSource, header: pb.WriteRowsRequest.Header, count: int, outcome: str
    ) -> None:
        """Writes a write's entry in the action log: what into, how much and for which run, and no value."""
        found = {
            "data_source": source.name,
            "table": header.table,
            "mode": "REPLACE" if header.mode == pb.WriteRowsRequest.REPLACE else "APPEND",
            "row_count": count,
            "idempotency_key": header.idempotency_key,
            "run_id": str(current().caller.effective.claims.get("run_id", "")),
        }
        async with self.db.begin(idempotent=False) as tx:
            await outbox.add(tx, entity=(store.KIND, source.id), details=found, outcome=outcome)

    async def _loopback(self, draft: Draft, host: str | None = None) -> bool:
        """Whether the host is this machine, once its address and the draft's secret reference are acceptable."""
        if draft.secret_ref and _caller().may_others:
            self.references.read(draft.secret_ref)
        return await self.connections.is_loopback(draft.host if host is None else host)

    async def _stored(self, key: str, level: Level = Level.VIEW) -> Stored:
        """The data source to connect to, when the caller may do this and the credential reaches so far.

        Raises NotFound, Denied.
        """
        scope = scopes.within("data_source_ids")
        async with self.db.read() as tx:
            try:
                source = await store.get(tx, key, _subject(), level, scope=scope)
            except NotFound:
                scopes.require(key, scope is None or key in scope, _WHAT)  # linked, and deleted since
                raise
            scopes.require(key, scope is None or source.id in scope, _WHAT)
            return Stored(source, await _sealed(tx, source))


async def _skip_rest(requests: AsyncIterator[Any]) -> None:
    """Reads what a refusal left unread: a stream that is reset while it is sent does not tell its sender why."""
    with suppress(TimeoutError, ServiceError):
        async with asyncio.timeout(_SKIP_SECONDS):
            async for _ in requests:
                pass


def _target(source: DataSource) -> Target:
    return Target(store.KIND, source.id, source.name)


async def _sealed(tx: Transaction, source: DataSource) -> Any:
    return None if source.secret_ref else await store.find_secret(tx, source.id)


def _subject() -> Subject:
    return access.subject(current())


def _caller() -> Caller:
    call = current()
    return Caller(call.caller.effective.id, call.rule.others, call.may_others())


def _details(outcome: Outcome, statement: Statement) -> dict[str, object]:
    return {
        "digest": f"sha256:{statement.digest}",
        "parameter_count": statement.positional or len(statement.named),
        "row_count": outcome.row_count,
        "truncated": outcome.truncated,
        "elapsed_ms": int(outcome.elapsed.total_seconds() * 1000),
    }


def _fitting(schema: pb.Schema) -> pb.Schema:
    if schema.ByteSize() > MAX_MESSAGE_BYTES - 1024:
        raise failures.schema_too_large()
    return schema
