"""Core NATS: live copies of what was committed, and hints. Losing a message here costs latency, never state."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription

from chassis import logs
from chassis.guards import refuse_open_transaction
from chassis.telemetry import BUS_CONNECTED, BUS_DROPPED

log = logging.getLogger(__name__)

Handler = Callable[[str, bytes], Awaitable[None]]

MAX_PAYLOAD: Final = 1024 * 1024
_PENDING_MESSAGES: Final = 4096
_PENDING_BYTES: Final = 16 * 1024 * 1024


class Subscription:
    """A live subscription. Made by `Bus.subscribe`."""

    def __init__(self, subject: str, handler: Handler, queue: str) -> None:
        self.subject = subject
        self.handler = handler
        self.queue = queue
        self.inner: NatsSubscription | None = None


class Bus:
    """A connection to NATS that is always there as far as its users can tell.

    It starts without NATS, reconnects for ever, and subscribes again by itself: whoever may have missed messages
    reads PostgreSQL again.
    """

    def __init__(self, url: str, *, name: str = "mcpanel", echo: bool = True) -> None:
        """`echo=False`: what this process publishes is not delivered to its own subscriptions."""
        self._url = url
        self._echo = echo
        self._name = name
        self._client: Client | None = None
        self._connector: asyncio.Task[None] | None = None
        self._subscriptions: list[Subscription] = []
        self._lock = asyncio.Lock()
        password = urlsplit(url).password
        if password:
            logs.masker.add(password)

    @property
    def connected(self) -> bool:
        """Whether NATS is there now."""
        return self._client is not None and self._client.is_connected

    async def start(self) -> None:
        """Begins to connect and returns at once; a NATS that is not there is tried again for ever."""
        if self._connector is None:
            self._connector = asyncio.create_task(self._connect(), name="bus connector")

    async def publish(self, subject: str, data: bytes) -> bool:
        """Publishes what was committed before; returns whether it was handed to NATS. Never raises for NATS'
        sake.
        """
        refuse_open_transaction("a message on the bus")
        client = self._client
        if client is None or not client.is_connected:
            BUS_DROPPED.labels("not connected").inc()
            return False
        try:
            await client.publish(subject, data)
        except (nats.errors.Error, OSError) as error:
            BUS_DROPPED.labels("publish failed").inc()
            log.warning("a message was not published", extra={"subject": subject, "error": str(error)})
            return False
        return True

    async def flush(self, seconds: float = 2.0) -> None:
        """Waits until NATS has taken what was published; gives up silently after so long."""
        client = self._client
        if client is not None and client.is_connected:
            try:
                await client.flush(timeout=max(1, round(seconds)))
            except (nats.errors.Error, OSError, TimeoutError):
                return

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Subscription:
        """Has `handler(subject, data)` called for each message, one at a time, from now on and after
        reconnections.

        `queue` names a queue group, of which one member gets each message. Works before NATS is there. A
        handler's exception is logged and the subscription goes on. At most 4096 messages or 16 MiB wait;
        beyond that, messages are dropped, counted and logged.
        """
        subscription = Subscription(subject, handler, queue)
        async with self._lock:
            self._subscriptions.append(subscription)
            if self._client is not None:
                await self._attach(self._client, subscription)
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Ends the subscription."""
        async with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)
            inner, subscription.inner = subscription.inner, None
        if inner is not None and self.connected:
            try:
                await inner.unsubscribe()
            except nats.errors.Error as error:
                log.debug(
                    "unsubscribing failed", extra={"subject": subscription.subject, "error": str(error)}
                )

    async def close(self) -> None:
        """Flushes and disconnects."""
        if self._connector is not None:
            self._connector.cancel()
            await asyncio.gather(self._connector, return_exceptions=True)
            self._connector = None
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.close()
            except (nats.errors.Error, OSError) as error:
                log.debug("closing failed", extra={"error": str(error)})
        BUS_CONNECTED.set(0)

    async def _connect(self) -> None:
        delay = 0.1
        while True:
            try:
                client = await self._connected()
            except (nats.errors.Error, OSError, TimeoutError) as error:
                log.warning(
                    "NATS is not there; trying again", extra={"error": _kind(error), "seconds": delay}
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
                continue
            async with self._lock:
                self._client = client
                for subscription in self._subscriptions:
                    await self._attach(client, subscription)
            await self._found()
            return

    async def _connected(self) -> Client:
        """A client that is connected; whatever interrupts that leaves no connection open."""
        client = Client()
        try:
            await client.connect(
                self._url,
                name=self._name,
                no_echo=not self._echo,
                allow_reconnect=False,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.5,  # type: ignore[arg-type]  # seconds; fractions are fine
                connect_timeout=2,
                ping_interval=10,
                max_outstanding_pings=2,
                pending_size=2 * 1024 * 1024,
                error_cb=self._failed,
                disconnected_cb=self._lost,
                reconnected_cb=self._found,
            )
        except BaseException:
            await client.close()
            raise
        if not client.is_connected:  # lost again at once
            raise nats.errors.ConnectionClosedError
        # From the start it would try again itself, without closing what it gives up.
        client.options["allow_reconnect"] = True
        return client

    async def _attach(self, client: Client, subscription: Subscription) -> None:
        async def deliver(message: Msg) -> None:
            try:
                await subscription.handler(message.subject, message.data)
            except Exception:
                log.exception("a message handler failed", extra={"subject": message.subject})

        subscription.inner = await client.subscribe(
            subscription.subject,
            queue=subscription.queue,
            cb=deliver,
            pending_msgs_limit=_PENDING_MESSAGES,
            pending_bytes_limit=_PENDING_BYTES,
        )

    async def _failed(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            BUS_DROPPED.labels("slow consumer").inc()
            log.warning("messages were dropped: their handler is too slow", extra={"subject": error.subject})
        else:
            log.debug("NATS reported an error", extra={"error": _kind(error)})

    async def _lost(self) -> None:
        if self._client is None:
            return
        BUS_CONNECTED.set(0)
        log.warning("the connection to NATS was lost; reconnecting")

    async def _found(self) -> None:
        BUS_CONNECTED.set(1)
        log.info("connected to NATS")


def _kind(error: Exception) -> str:
    """The error's kind and text; nats-py's texts name no credentials."""
    return f"{type(error).__name__}: {error}"
