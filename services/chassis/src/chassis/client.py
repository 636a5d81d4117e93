"""Calling another service: `channel(address)` gives a `grpc.aio.Channel` whose stubs behave as this suite
needs.

Every call carries what is left of the current call's deadline, its trace id, this service's key and the
user's own credential. Failures arrive as chassis errors: what the peer's service said passes through, what
the transport says names the peer.
"""

import asyncio
import logging
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
from chassis.peers import host
from chassis.sending import keep_answer, raise_answer
from chassis.statuses import MAX_MESSAGE_BYTES, from_rpc_error
from chassis.tls import CertificateError, Certificates

log = logging.getLogger(__name__)

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
_LEAVING_SECONDS: Final = 24 * 3600.0
"""How long calls that began before this process had a new certificate may go on."""

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
    tls_dir: Path | None = None,
) -> "ServiceChannel":
    """A channel to the service at `address` (`host:port`, or a gRPC target such as `dns:///registry:50051`).

    `key_file` holds this service's API key and is read when it is first needed and whenever it has changed, so
    that a service starts before its key exists and goes on when it is replaced; `key` gives it directly.
    `peer` is the name errors use (default: the address). `timeout` in seconds applies to unary calls made
    without one outside any call; streams have none unless given. `on_behalf_of=False` never forwards the
    user's credential. `tls_dir` is the folder of this process's certificate: with it the peer has to be the
    process named `peer`. Close it with `await channel.close()`. Raises CertificateError.
    """
    target = str(address)
    known = _Key(key, Path(key_file) if key_file else None)
    return ServiceChannel(
        _Connection(target, peer, Certificates(tls_dir) if tls_dir else None),
        peer or target,
        known,
        timeout,
        on_behalf_of,
    )


class _Connection:
    """The `grpc.aio.Channel` to a peer: another one when this process has a new certificate."""

    def __init__(self, target: str, peer: str, certificates: Certificates | None) -> None:
        self._target = target
        self._peer = peer
        self._certificates = certificates
        self._version = certificates.version() if certificates else ()
        self._open = self._connect()
        self._leaving: set[asyncio.Task[None]] = set()

    def get(self) -> grpc.aio.Channel:
        """The channel that calls are made on now."""
        if self._certificates is not None and (version := self._certificates.version()) != self._version:
            try:
                opened = self._connect()
            except CertificateError as error:
                log.warning("the new certificate cannot be used yet", extra={"error": str(error)})
                return self._open
            # What goes on over the old one may take as long as it wants.
            leaving = asyncio.ensure_future(self._open.close(_LEAVING_SECONDS))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            self._open, self._version = opened, version
        return self._open

    async def close(self, grace: float | None) -> None:
        """Closes the channel, and those that were replaced."""
        for leaving in self._leaving:
            leaving.cancel()
        await self._open.close(grace)

    def _connect(self) -> grpc.aio.Channel:
        options: list[tuple[str, Any]] = list(_OPTIONS)
        if self._certificates is None:
            return grpc.aio.insecure_channel(self._target, options=options)
        options.append(("grpc.ssl_target_name_override", host(self._peer)))
        return grpc.aio.secure_channel(
            self._target, self._certificates.channel_credentials(), options=options
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
        self, connection: _Connection, peer: str, key: _Key, timeout: float, on_behalf_of: bool
    ) -> None:
        self._connection = connection
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
        await self._connection.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The connection's state."""
        return self._connection.get().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Returns when the state differs from `last_observed_state`."""
        await self._connection.get().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Returns when the channel is connected."""
        await self._connection.get().channel_ready()

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One request, one answer."""
        return self._callable(
            lambda inner: inner.unary_unary(method, *args, **kwargs), UnaryCall, self._timeout
        )

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One request, a stream of answers."""
        return self._callable(lambda inner: inner.unary_stream(method, *args, **kwargs), StreamCall, None)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A stream of requests, one answer."""
        return self._callable(
            lambda inner: inner.stream_unary(method, *args, **kwargs), UnaryCall, None, streaming=True
        )

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A stream each way."""
        return self._callable(
            lambda inner: inner.stream_stream(method, *args, **kwargs), StreamCall, None, streaming=True
        )

    def _callable(
        self,
        make: Callable[[grpc.aio.Channel], Any],
        kind: Callable[[Any, str], Any],
        default: float | None,
        *,
        streaming: bool = False,
    ) -> Callable[..., Any]:
        peer = self.peer
        used = self._connection.get()
        multicallable = make(used)

        def call(
            request: Any = None,
            *,
            timeout: float | None = None,
            metadata: Metadata | None = None,
            wait_for_ready: bool | None = None,
        ) -> Any:
            nonlocal used, multicallable
            refuse_open_transaction(f"a call to {peer}")
            if (now := self._connection.get()) is not used:
                used, multicallable = now, make(now)
            arguments = () if request is None else (request,)
            inner = multicallable(
                *arguments,
                timeout=self._time_left(timeout, default),
                metadata=grpc.aio.Metadata(*self._metadata(metadata or ())),
                wait_for_ready=wait_for_ready,
            )
            if streaming:
                keep_answer(inner)
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


class _Call:
    """A call over gRPC whose failures are the chassis's errors. What is not told here is the underlying call's."""

    def __init__(self, inner: Any, peer: str) -> None:
        self._inner = inner
        self._peer = peer

    async def write(self, request: Any) -> None:
        """Sends one more request. Raises InvalidStateError when the call is over and was answered with OK."""
        try:
            if self._inner.done():
                await raise_answer(self._inner)
            await self._inner.write(request)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._peer) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class UnaryCall(_Call):
    """A call with one answer: await it. Everything else is the underlying `grpc.aio` call's."""

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            return (yield from self._inner.__await__())
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._peer) from None


class StreamCall(_Call):
    """A call with a stream of answers: iterate it, or `read()`. Everything else is the underlying call's."""

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
                await raise_answer(self._inner)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, self._peer) from None
        return answer
