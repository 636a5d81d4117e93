"""Reading what a refused call says."""

from collections.abc import Awaitable
from typing import Any

import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2


class Refusal:
    """Code, reason, metadata and fields of an error."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code().name
        self.message = error.details() or ""
        self.reason = ""
        self.metadata: dict[str, str] = {}
        self.fields: dict[str, str] = {}
        trailing: Any = error.trailing_metadata() or ()
        packed = dict(tuple(pair) for pair in trailing)
        for detail in status_pb2.Status.FromString(packed.get("grpc-status-details-bin", b"")).details:
            self._read(detail)

    def _read(self, detail: Any) -> None:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            self.reason, self.metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            self.fields = {one.field: one.description for one in bad.field_violations}


async def refused(call: Awaitable[Any]) -> Refusal:
    """The refusal of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return Refusal(caught.value)
