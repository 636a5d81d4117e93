"""The data sources a version names, asked of their own service."""

import asyncio
from collections.abc import Iterable

from mcpanel.datasources.v1 import datasources_pb2, datasources_pb2_grpc
from registry.domain.versions import Link


class DataSources:
    """Resolves data sources on behalf of the current caller, who must be allowed to read them."""

    def __init__(self, stub: "datasources_pb2_grpc.DataSourceServiceAsyncStub") -> None:
        self._stub = stub

    async def links(self, keys: Iterable[str]) -> tuple[Link, ...]:
        """The data sources of these ids or names, each once.

        Raises NotFound DATA_SOURCE_NOT_FOUND, and Unavailable naming datasources when it does not answer. Calls no one
        when there are none.
        """
        found = await asyncio.gather(*(self._link(key) for key in keys))
        return tuple(dict.fromkeys(found))

    async def _link(self, key: str) -> Link:
        request = datasources_pb2.GetDataSourceRequest(data_source_id=key)
        answer = await self._stub.GetDataSource(request)
        return Link(answer.data_source.id, answer.data_source.name)
