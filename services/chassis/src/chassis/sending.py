"""Requests of a stream that its server ends early: whoever sends them learns why.

A server that refuses a stream of requests answers while the client still writes, and the write that comes too late
fails. `grpc.aio` then replaces the answer by INTERNAL, even where it had arrived
(https://github.com/grpc/grpc/issues/36066); here the answer stays. Once that is mended, this module can go.
"""

import asyncio
from typing import Any, Final, NoReturn

import grpc
import grpc.aio
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # missing from the stubs

_PATIENCE: Final = 2.0
"""Seconds in which the status of a call has to arrive after a write failed; it is on its way, or there is none."""


def keep_answer(call: Any) -> None:
    """Makes a call whose requests are a stream, not awaited yet, fail with what its server answered."""
    call._cython_call = _Requests(call, call._cython_call)  # there is no other way to it


async def raise_answer(call: Any) -> NoReturn:
    """Raises what a `grpc.aio` call that is over was answered: AioRpcError; InvalidStateError where that is OK."""
    code = await call.code()
    if code is grpc.StatusCode.OK:
        raise asyncio.InvalidStateError("the call is over")
    raise grpc.aio.AioRpcError(
        code, await call.initial_metadata(), await call.trailing_metadata(), await call.details(), None
    )


class _Requests:
    """The part of a call that sends. What is not told here is the underlying one's."""

    def __init__(self, call: Any, inner: Any) -> None:
        self._call = call
        self._inner = inner

    async def send_serialized_message(self, message: bytes) -> None:
        """Sends one request."""
        try:
            await self._inner.send_serialized_message(message)
        except cygrpc.InternalError:
            try:
                async with asyncio.timeout(_PATIENCE):
                    await self._inner.status()
            except TimeoutError:
                pass
            else:
                await raise_answer(self._call)
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
