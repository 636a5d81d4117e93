"""Between the contract's messages and this service's values."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2

from chassis import fieldmask, jsonvalue, shares
from chassis.errors import FieldViolation, Invalid
from chassis.grants import Share
from chassis.interceptors.validation import validate
from chassis.jsonvalue import Json
from datasources import catalogue, documents
from datasources.connections import Tested
from datasources.connectors.querying import ResultColumn
from datasources.domain import CHANGEABLE, DEFAULT_PORT, DataSource, Draft
from datasources.queries import Outcome
from datasources.statements import Statement
from datasources.writes import Batch, Order
from mcpanel.datasources.v1 import datasources_pb2 as pb

_DEFAULT_ROWS: Final = 1000
_DEFAULT_TIMEOUT: Final = timedelta(seconds=30)
_WRITE_TIMEOUT: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an ExecuteQuery request asks for, beside the statement."""

    positional: tuple[Json, ...] = field(repr=False)
    named: dict[str, Json] = field(repr=False)
    max_rows: int
    timeout: timedelta


def draft_to_create(request: pb.CreateDataSourceRequest) -> Draft:
    """The draft in a request, from its message or its document. Raises Invalid."""
    if request.HasField("data_source") == bool(request.source):
        raise _invalid("data_source", "exactly one of data_source and source is required")
    if not request.source:
        return draft(request.data_source)
    found = documents.parse(request.source)
    validate(message(found))
    return found


def draft(source: pb.DataSource) -> Draft:
    """What a message says a data source should be; its output-only fields are not read."""
    return Draft(
        name=source.name,
        display_name=source.display_name,
        description=source.description,
        type=pb.DataSource.Type.Name(source.type) if source.type else "",
        host=source.host,
        port=source.port,
        database=source.database,
        username=source.username,
        tls_mode=pb.DataSource.TlsMode.Name(source.tls_mode) if source.tls_mode else "",
        secret_value=source.secret_value,
        secret_ref=source.secret_ref,
        visibility=pb.DataSource.Visibility.Name(source.visibility) if source.visibility else "",
        allow_writes=source.allow_writes,
        etag=source.etag,
    )


def message(found: Draft) -> pb.DataSource:
    """A draft as the contract's message, to be validated as one."""
    source = pb.DataSource(
        name=found.name,
        display_name=found.display_name,
        description=found.description,
        type=found.type or None,
        host=found.host,
        port=found.port,
        database=found.database,
        username=found.username,
        tls_mode=found.tls_mode or None,
        visibility=found.visibility or None,
        allow_writes=found.allow_writes,
    )
    if found.secret_value:
        source.secret_value = found.secret_value
    if found.secret_ref:
        source.secret_ref = found.secret_ref
    return source


def changed_fields(request: pb.UpdateDataSourceRequest) -> tuple[str, ...]:
    """The fields an update changes. Raises Invalid INVALID_UPDATE_MASK."""
    mask = request.update_mask if request.HasField("update_mask") else None
    return fieldmask.paths(mask, request.data_source, CHANGEABLE)


def data_source(source: DataSource) -> pb.DataSource:
    """The message for a data source; its secret is in no field of it."""
    return pb.DataSource(
        id=source.id,
        name=source.name,
        display_name=source.display_name,
        description=source.description,
        type=source.type,
        host=source.host,
        port=source.port,
        database=source.database,
        username=source.username,
        tls_mode=source.tls_mode,
        has_secret=source.has_secret,
        owner_id=source.owner_id,
        etag=source.etag,
        created_at=_time(source.created_at),
        updated_at=_time(source.updated_at),
        scanned_at=_time(source.scanned_at) if source.scanned_at else None,
        visibility=source.visibility,
        allow_writes=source.allow_writes,
    )


def share(found: Share) -> pb.DataSourceShare:
    """The message for a share."""
    return shares.filled(pb.DataSourceShare, found, "data_source_id")


def page(sources: Iterable[DataSource], next_page_token: str) -> pb.ListDataSourcesResponse:
    """The answer to a list."""
    return pb.ListDataSourcesResponse(
        data_sources=[data_source(one) for one in sources], next_page_token=next_page_token
    )


def types() -> pb.ListDataSourceTypesResponse:
    """All types of data sources."""
    postgresql = pb.DataSourceType(
        type=pb.DataSource.POSTGRESQL,
        name="PostgreSQL",
        default_port=DEFAULT_PORT,
        required_fields=["name", "type", "host", "database", "username"],
    )
    return pb.ListDataSourceTypesResponse(data_source_types=[postgresql])


def tested(found: Tested) -> pb.TestConnectionResponse:
    """The answer to a connection test."""
    return pb.TestConnectionResponse(
        ok=found.ok,
        message=found.message,
        server_version=found.server_version,
        latency=_duration(found.latency),
        warnings=found.warnings,
    )


def schema(tables: Sequence[catalogue.Table], server_version: str, scanned_at: datetime) -> pb.Schema:
    """The message for a catalogue."""
    return pb.Schema(
        tables=[_table(one) for one in tables], scanned_at=_time(scanned_at), server_version=server_version
    )


def asked(request: pb.ExecuteQueryRequest) -> Asked:
    """What a query request asks for."""
    positional = tuple(jsonvalue.from_value(value) for value in request.parameters)
    named = jsonvalue.from_struct(request.named_parameters)
    if positional and named:
        raise _invalid("named_parameters", "exclude positional parameters")
    timeout = request.timeout.ToTimedelta() if request.HasField("timeout") else _DEFAULT_TIMEOUT
    return Asked(positional, named, request.max_rows or _DEFAULT_ROWS, timeout)


async def to_write(requests: AsyncIterator[pb.WriteRowsRequest]) -> pb.WriteRowsRequest.Header:
    """The header that a stream of rows begins with. Raises Invalid."""
    first = await anext(requests, None)
    if first is None or first.WhichOneof("item") != "header":
        raise _invalid("header", "is the first message of a write")
    return first.header


async def batches(requests: AsyncIterator[pb.WriteRowsRequest]) -> AsyncIterator[Batch]:
    """The rows between the header and the end. Raises Invalid, also when there is no end: somebody was cut off."""
    async for request in requests:
        match request.WhichOneof("item"):
            case "rows":
                found = request.rows
                rows = [jsonvalue.from_list(one) for one in found.rows]
                yield Batch(tuple(found.columns), rows, found.ByteSize())
            case "end":
                return
            case _:
                raise _invalid("rows", "and an end are all that follows the header of a write")
    raise _invalid("end", "is the last message of a write; nothing was written")


def write_order(header: pb.WriteRowsRequest.Header) -> Order:
    """What is to be written to, and how."""
    timeout = header.timeout.ToTimedelta() if header.HasField("timeout") else _WRITE_TIMEOUT
    return Order(header.table, header.mode == pb.WriteRowsRequest.REPLACE, timeout)


def parameters(statement: Statement, found: Asked) -> list[Json]:
    """The values of the statement's `$1 …`. Raises Invalid when the request has more, fewer or others."""
    if statement.named or found.named:
        missing = [name for name in statement.named if name not in found.named]
        extra = [name for name in found.named if name not in statement.named]
        if missing or extra:
            why = f"missing: {', '.join(missing)}" if missing else f"not in the statement: {', '.join(extra)}"
            raise _invalid("named_parameters", why)
        if not found.positional:
            return [found.named[name] for name in statement.named]
    if statement.positional != len(found.positional):
        why = f"the statement has {statement.positional} placeholders, the request {len(found.positional)} values"
        raise _invalid("parameters", why)
    return list(found.positional)


def row(values: Sequence[Json], limit: int) -> tuple[struct_pb2.ListValue | None, int]:
    """A row's message, and the bytes it takes in a batch at most. None, and some number above, if over `limit`."""
    if (at_least := _least(values, limit)) > limit:
        return None, at_least
    encoded = jsonvalue.to_list(values)
    size = encoded.ByteSize() + 8
    return (encoded if size <= limit else None), size


def _least(values: Sequence[Json], enough: int) -> int:
    """The fewest bytes the values could take encoded, counted until it is `enough`: encoding takes far longer."""
    size, waiting = 0, list(values)
    while waiting and size <= enough:
        match waiting.pop():
            case str() as text:
                size += len(text) + 4
            case list() as items:
                size += 4
                waiting += items
            case dict() as items:
                size += 4 + sum(map(len, items))
                waiting += items.values()
            case None | bool():
                size += 4
            case _:
                size += 11
    return size


def columns(query_id: str, found: Iterable[ResultColumn]) -> pb.ExecuteQueryResponse:
    """The first message of a query's stream."""
    named = [pb.ResultColumn(name=one.name, type=one.type) for one in found]
    return pb.ExecuteQueryResponse(columns=pb.ExecuteQueryResponse.Columns(query_id=query_id, columns=named))


def rows(found: Iterable[struct_pb2.ListValue]) -> pb.ExecuteQueryResponse:
    """A batch."""
    return pb.ExecuteQueryResponse(rows=pb.ExecuteQueryResponse.Rows(rows=found))


def end(outcome: Outcome) -> pb.ExecuteQueryResponse:
    """The last message of a query's stream."""
    return pb.ExecuteQueryResponse(
        end=pb.ExecuteQueryResponse.End(
            row_count=outcome.row_count,
            truncated=outcome.truncated,
            elapsed=_duration(outcome.elapsed),
        )
    )


def _table(table: catalogue.Table) -> pb.Table:
    return pb.Table(
        schema=table.schema,
        name=table.name,
        kind=table.kind,
        comment=table.comment,
        columns=[
            pb.Column(
                name=one.name,
                type=one.type,
                nullable=one.nullable,
                default=one.default,
                comment=one.comment,
                enum_values=one.enum_values,
            )
            for one in table.columns
        ],
        primary_key=table.primary_key,
        foreign_keys=[
            pb.ForeignKey(
                name=one.name,
                columns=one.columns,
                referenced_schema=one.referenced_schema,
                referenced_table=one.referenced_table,
                referenced_columns=one.referenced_columns,
            )
            for one in table.foreign_keys
        ],
        indexes=[pb.Index(name=one.name, columns=one.columns, unique=one.unique) for one in table.indexes],
    )


def _time(moment: datetime) -> timestamp_pb2.Timestamp:
    found = timestamp_pb2.Timestamp()
    found.FromDatetime(moment)
    return found


def _duration(delta: timedelta) -> duration_pb2.Duration:
    found = duration_pb2.Duration()
    found.FromTimedelta(delta)
    return found


def _invalid(field_name: str, why: str) -> Invalid:
    return Invalid("INVALID_FIELD", f"{field_name}: {why}", fields=[FieldViolation(field_name, why)])
