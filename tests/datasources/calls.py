"""What tests ask of the service, as who usually does; refusals are the chassis's errors."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import grpc.aio
from google.protobuf import field_mask_pb2

from chassis.statuses import from_rpc_error
from mcpanel.datasources.v1 import datasources_pb2 as pb
from tests.datasources.conftest import Target, World
from tests.support.callers import ADMIN, EDITOR, VIEWER, as_caller

T = TypeVar("T")


async def answer(call: Awaitable[T]) -> T:
    """A call's answer. Raises the error as the chassis names it."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, "datasources") from None


def sales(**fields: Any) -> pb.DataSource:
    """A public data source on this machine."""
    values: dict[str, Any] = {
        "visibility": pb.DataSource.PUBLIC,
        "name": "sales",
        "type": pb.DataSource.POSTGRESQL,
        "host": "127.0.0.1",
        "database": "sales",
        "username": "reader",
    }
    return pb.DataSource(**values | fields)


async def create(world: World, source: pb.DataSource, caller: Any = ADMIN, **fields: Any) -> pb.DataSource:
    """Makes a data source."""
    request = pb.CreateDataSourceRequest(data_source=source, **fields)
    return (await answer(world.stub.CreateDataSource(request, metadata=as_caller(caller)))).data_source


async def update(
    world: World, source: pb.DataSource, *paths: str, caller: Any = ADMIN, **fields: Any
) -> pb.DataSource:
    """Changes `sales`: what `paths` name, or all that is set."""
    mask = field_mask_pb2.FieldMask(paths=paths) if paths else None
    request = pb.UpdateDataSourceRequest(
        data_source_id="sales", data_source=source, update_mask=mask, **fields
    )
    return (await answer(world.stub.UpdateDataSource(request, metadata=as_caller(caller)))).data_source


async def get(world: World, key: str = "sales", caller: Any = VIEWER) -> pb.DataSource:
    """A data source by its id or name."""
    request = pb.GetDataSourceRequest(data_source_id=key)
    return (await answer(world.stub.GetDataSource(request, metadata=as_caller(caller)))).data_source


async def scan(world: World, caller: Any = ADMIN, **fields: Any) -> pb.Schema:
    """The schema of `sample` as it is now."""
    request = pb.ScanSchemaRequest(data_source_id="sample", **fields)
    return (await answer(world.stub.ScanSchema(request, metadata=as_caller(caller)))).schema


async def try_out(world: World, caller: Any = EDITOR) -> pb.TestConnectionResponse:
    """What a test of the connection to `sample` finds."""
    request = pb.TestConnectionRequest(data_source_id="sample")
    return await answer(world.stub.TestConnection(request, metadata=as_caller(caller)))


async def connected(target: Target) -> int:
    """How many connections of ours the server has."""
    rows = await target.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mcpanel' AND datname = current_database()"
    )
    return int(rows[0][0])


async def until_open(target: Target, count: int) -> None:
    """Returns when the server has `count` connections of ours."""
    async with asyncio.timeout(20):
        while await connected(target) != count:
            await asyncio.sleep(0.02)
