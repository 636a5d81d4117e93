"""Reading what a call was answered with."""

from typing import Any

import grpc.aio
import pytest
from google.rpc import status_pb2

from chassis import errors
from chassis.statuses import DETAILS_KEY, from_status


async def failure(call: Any) -> tuple[grpc.StatusCode, errors.ServiceError]:
    """The code and the error that the awaited call fails with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return read(caught.value)


def read(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, errors.ServiceError]:
    """The code of a failed call and the error in its details."""
    metadata: Any = error.trailing_metadata()
    details = dict(metadata)[DETAILS_KEY]
    status = status_pb2.Status.FromString(details)
    assert status.message == error.details()
    return error.code(), from_status(status)
