"""Rows that a step writes into a table: kept until all have come, then sent in the contract's messages."""

import json
import struct
from collections.abc import AsyncIterator
from typing import IO, Final

from chassis import jsonvalue
from mcpanel.datasources.v1 import datasources_pb2 as ds
from worker.cells.pipes import RequestError

_LENGTH: Final = struct.Struct(">I")


async def keep(file: IO[bytes], chunks: AsyncIterator[bytes]) -> None:
    """Keeps the rows as messages, each behind its length: a write at its database does not wait for the step.

    Raises RequestError for what is no rows.
    """
    async for chunk in chunks:
        message = _rows(chunk).SerializeToString()
        file.write(_LENGTH.pack(len(message)))
        file.write(message)


async def requests(header: ds.WriteRowsRequest.Header, file: IO[bytes]) -> AsyncIterator[ds.WriteRowsRequest]:
    """The messages of the write of what was kept."""
    file.seek(0)
    yield ds.WriteRowsRequest(header=header)
    while head := file.read(_LENGTH.size):
        message = file.read(_LENGTH.unpack(head)[0])
        yield ds.WriteRowsRequest(rows=ds.WriteRowsRequest.Rows.FromString(message))
    yield ds.WriteRowsRequest(end=ds.WriteRowsRequest.End())


def _rows(payload: bytes) -> ds.WriteRowsRequest.Rows:
    try:
        found = json.loads(payload)
        rows = [jsonvalue.to_list(row) for row in found["rows"]]
        return ds.WriteRowsRequest.Rows(columns=found["columns"], rows=rows)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RequestError(f"the step wrote something else than rows: {error}") from None
