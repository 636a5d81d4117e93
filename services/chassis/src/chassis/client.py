"""Calling another service: `channel(address)` gives a `grpc.aio.Channel` whose stubs behave as this suite
needs.

Every call carries what is left of the current call's deadline, its trace id, this service's key and the
user's own credential. Failures arrive as chassis errors: what the peer's service said passes through, what
the transport says names the peer.
"""

from collections.abc import AsyncIterator, Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from chassis import logs
from chassis.config import Address
from chassis.context import current_or_none
from chassis.errors import DeadlineExceeded
from chassis.guards import refuse_open_transaction
from chassis.statuses import MAX_MESSAGE_BYTES, from_rpc_error

KEEPALIVE: Final = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.ping_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
"""Pings on both ends, so that a peer that stopped without closing is noticed in about 13 s, not minutes."""

_OPTIONS: Final = (
    *KEEPALIVE,
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 0),
)
DEFAULT_SECONDS: Final = 30.0
_MARGIN: Final = 0.05
"""Seconds kept back from the current call's deadline, to answer with a sentence instead of being cut off."""

EOF: Final[Any] = grpc.aio.EOF  # type: ignore[attr-defined]  # missing from the stubs
ON_BEHALF_OF: Final = "x-mcpanel-on-behalf-of"
TRACE_ID: Final = "x-trace-id"

Metadata = Sequence[tuple[str, str | bytes]]


def channel(
    address: Address | str,
    *,
    key_file: Path | str | None = None,
    peer: str = "",
    key: str | None = None,
    timeout: float = DEFAULT_SECONDS,
    on_behalf_of: bool = True,
) -> "ServiceChannel":
    """A channel to the service at `address` (`host:port`, or a gRPC target such as `dns:///registry:50051`).

    `key_file` holds this service's API key and is read when it is first needed and whenever it has changed, so
    that a service starts before its key exists and goes on when it is replaced; `key` gives it directly.
    `peer` is the name errors use (default: the address). `timeout` in seconds applies to unary calls made
    without one outside any call; streams have none unless given. `on_behalf_of=False` never forwards the
    user's credential. Close it with `await channel.close()`.
    """
    target = str(address)
    inner = grpc.aio.insecure_channel(target, options=list(_OPTIONS))
    return ServiceChannel(
        inner, peer or target, _Key(key, Path(key_file) if key_file else None), timeout, on_behalf_of
    )


class _Key:
    """This service's API key, read from its file when it is first needed and when the file has changed."""

    def __init__(self, value: str | None, path: Path | None) -> None:
        self._value = value
        self._path = path
        self._version: tuple[int, ...] = ()

    def get(self) -> str | None:
        """The key; the one known while there is no file, None while there was none yet."""
        if self._path is None:
            return self._value
        try:
            found = self._path.stat()
            version = (found.st_ino, found.st_mtime_ns, found.st_size)
            if version != self._version and (value := self._path.read_text().strip()):
                logs.masker.add(value)
                self._value, self._version = value, version
        except FileNotFoundError:
            pass
        return self._value


class ServiceChannel(grpc.aio.Channel):
    """A `grpc.aio.Channel` to give to generated stubs; see the module's docstring."""

    def __init__(
        self, inner: grpc.aio.Channel, peer: str, key: _Key, timeout: float, on_behalf_of: bool
    ) -> None:
        self._inner = inner
        self.peer = peer
        self._key = key
        self._timeout = timeout
        self._on_behalf_of = on_behalf_of

    async def __aenter__(self) -> "ServiceChannel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Closes the channel; calls still open after `grace` seconds are cancelled."""
        await self._inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The connection's state."""
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Returns when the state differs from `last_observed_state`."""
        await self._inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Returns when the channel is connected."""
        await self._inner.channel_ready()

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One request, one answer."""
        return self._callable(self._inner.unary_unary(method, *args, **kwargs), UnaryCall, self._timeout)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One request, a stream of answers."""
        return self._callable(self._inner.unary_stream(method, *args, **kwargs), StreamCall, None)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A stream of requests, one answer."""
        return self._callable(self._inner.stream_unary(method, *args, **kwargs), UnaryCall, None)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A stream each way."""
        return self._callable(self._inner.stream_stream(method, *args, **kwargs), StreamCall, None)

    def _callable(
        self, multicallable: Any, kind: Callable[[Any, str], Any], default: float | None
    ) -> Callable[..., Any]:
        peer = self.peer

        def call(
            request: Any = None,
            *,
            timeout: float | None = None,
            metadata: Metadata | None = None,
            wait_for_ready: bool | None = None,
        ) -> Any:
            refuse_open_transaction(f"a call to {peer}")
            arguments = () if request is None else (request,)
            inner = multicallable(
                *arguments,
                timeout=self._time_left(timeout, default),
                metadata=grpc.aio.Metadata(*self._metadata(metadata or ())),
                wait_for_ready=wait_for_ready,
            )
            return kind(inner, peer)

        return call

    def _time_left(self, timeout: float | None, default: float | None) -> float | None:
        current = current_or_none()
        left = current.remaining() if current is not None else None
        if left is None:
            return timeout if timeout is not None else default
        left -= _MARGIN
        if left <= 0:
            raise DeadlineExceeded(
                "DEPENDENCY_UNAVAILABLE",
                f"no time was left to call {self.peer}",
                metadata={"dependency": self.peer},
            )
        wanted = timeout if timeout is not None else default
        return left if wanted is None else min(left, wanted)

    def _metadata(self, given: Metadata) -> list[tuple[str, str | bytes]]:
        sent: list[tuple[str, str | bytes]] = list(given)
        names = {name for name, _ in sent}
        if "authorization" not in names and (key := self._key.get()):
            sent.append(("authorization", f"Bearer {key}"))
        call = current_or_none()
        if call is None:
            return sent
        if TRACE_ID not in names and call.trace_id:
            sent.append((TRACE_ID, call.trace_id))
        user = call.caller.effective
        if (
            self._on_behalf_of
            and ON_BEHALF_OF not in names
            and user.credential
            and user.kind in ("user", "api_key")
        ):
            sent.append((ON_BEHALF_OF, user.credential))
        return sent


class UnaryCall:
    """A call with one answer: await it. Everything else is the underlying `grpc.aio` call's."""

    def __init__(self, inner: Any, peer: str) -> None:
        self._inner = inner
        self._peer = peer

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            return (yield from self._inner.__await__())
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._peer) from None

    async def write(self, request: Any) -> None:
        """Sends one more request."""
        try:
            await self._inner.write(request)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._peer) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class StreamCall:
    """A call with a stream of answers: iterate it, or `read()`. Everything else is the underlying call's."""

    def __init__(self, inner: Any, peer: str) -> None:
        self._inner = inner
        self._peer = peer

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[Any]:
        try:
            async for answer in self._inner:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._peer) from None

    async def read(self) -> Any:
        """The next answer, or `grpc.aio.EOF`."""
        try:
            answer = await self._inner.read()
            if answer is EOF and await self._inner.code() is not grpc.StatusCode.OK:
                raise grpc.aio.AioRpcError(
                    await self._inner.code(),
                    await self._inner.initial_metadata(),
                    await self._inner.trailing_metadata(),
                    await self._inner.details(),
                    None,
                )
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._peer) from None
        return answer

    async def write(self, request: Any) -> None:
        """Sends one more request."""
        try:
            await self._inner.write(request)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._peer) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
