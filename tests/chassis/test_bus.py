"""NATS is a doorbell: there or not, nothing that uses it fails."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from chassis.bus import Bus
from stack.nats import Nats
from stack.ports import free_port


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


async def test_what_is_published_is_delivered_in_order(nats: Nats) -> None:
    bus, received = Bus(nats.url), list[bytes]()

    async def take(subject: str, data: bytes) -> None:
        received.append(data)

    await bus.start()
    await until(lambda: bus.connected)
    subscription = await bus.subscribe("probe.>", take)
    await bus.flush()
    for number in range(5):
        assert await bus.publish("probe.a", b"%d" % number)
    await until(lambda: len(received) == 5)
    await bus.unsubscribe(subscription)
    await bus.publish("probe.a", b"late")
    await bus.flush()
    await bus.close()

    assert received == [b"0", b"1", b"2", b"3", b"4"]


async def test_an_attempt_to_connect_that_is_given_up_leaves_no_connection() -> None:
    ended = asyncio.Event()

    async def stuck(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A NATS server that says who it is and nothing more."""
        writer.write(b'INFO {"server_id": "stuck", "version": "2.12.0", "max_payload": 1048576}\r\n')
        while await reader.read(1024):
            asked.set()
        writer.close()
        ended.set()

    asked = asyncio.Event()
    server = await asyncio.start_server(stuck, "127.0.0.1")
    bus = Bus(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await bus.start()
    async with asyncio.timeout(30):
        await asked.wait()
        await bus.close()
        await ended.wait()
    server.close()


async def test_a_handler_that_fails_does_not_end_its_subscription(
    nats: Nats, caplog: pytest.LogCaptureFixture
) -> None:
    bus, received = Bus(nats.url), list[bytes]()

    async def take(subject: str, data: bytes) -> None:
        received.append(data)
        if data == b"bad":
            raise ValueError("bad message")

    await bus.start()
    await until(lambda: bus.connected)
    await bus.subscribe("failing", take)
    await bus.flush()
    await bus.publish("failing", b"bad")
    await bus.publish("failing", b"good")
    await until(lambda: len(received) == 2)
    await bus.close()

    assert "bad message" in caplog.text


async def test_it_starts_without_nats_and_subscribes_when_it_comes_and_comes_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Nats(tmp_path, free_port())
    bus, received = Bus(server.url), list[bytes]()

    async def take(subject: str, data: bytes) -> None:
        received.append(data)

    with caplog.at_level(logging.DEBUG, logger="chassis.bus"):
        await bus.start()
        await bus.subscribe("x", take)
        lost = await bus.publish("x", b"lost")
        server.start()
        try:
            await until(lambda: bus.connected)
            await bus.flush()
            await bus.publish("x", b"first")
            await until(lambda: received == [b"first"])

            server.kill()
            await until(lambda: not bus.connected)
            assert await bus.publish("x", b"lost too") is False
            server.start()
            await until(lambda: bus.connected)
            await bus.flush()
            await bus.publish("x", b"second")
            await until(lambda: received == [b"first", b"second"])
        finally:
            await bus.close()
            server.stop()

    password = server.url.split(":")[2].split("@")[0]
    assert lost is False
    assert password not in caplog.text
