"""The stream to the engine: it carries the work, and proves that this worker lives. A lost one is dialled again."""

import asyncio
import logging
import random
import socket
import time
from importlib import metadata
from typing import Final

import grpc.aio

from chassis import errors
from mcpanel.engine.v1 import worker_pb2 as pb
from mcpanel.engine.v1 import worker_pb2_grpc as pb_grpc
from worker import executors, failpoints, metrics
from worker.attempts import Attempts
from worker.config import Place
from worker.outgoing import Outgoing
from worker.tunnels import Tunnels

log = logging.getLogger(__name__)

_DEFAULT_LEASE: Final = 15.0
_SETTLED: Final = 5.0
"""A stream that lived this long, in seconds, was a good one: the next is dialled without waiting."""
_MAX_DELAY: Final = 0.5
"""Seconds between attempts to dial, at most: every run waits for it after the engine's return."""
_ACK_SECONDS: Final = 5.0


class Connection:
    """Keeps a `Work` stream open and the attempts' leases renewed."""

    def __init__(
        self,
        engine: "pb_grpc.WorkerServiceAsyncStub",
        attempts: Attempts,
        outgoing: Outgoing,
        *,
        tunnels: Tunnels,
        worker_id: str,
        slots: int,
        isolation: str,
        place: Place,
    ) -> None:
        self._engine = engine
        self._attempts = attempts
        self._outgoing = outgoing
        self._tunnels = tunnels
        self._worker_id = worker_id
        self._slots = slots
        self._isolation = isolation
        self._place = place
        self._lease = _DEFAULT_LEASE
        self._heartbeat = _DEFAULT_LEASE / 3
        self._last_sign = time.monotonic()
        self._draining = False
        self._assignments = 0
        """How many the stream has brought."""
        self.connected = asyncio.Event()

    async def serve(self) -> None:
        """Serves until cancelled."""
        failures = 0
        lease_watch = asyncio.create_task(self._end_with_lease())
        try:
            while True:
                began = time.monotonic()
                try:
                    await self._one_stream()
                except (errors.ServiceError, grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
                    failures = 1 if time.monotonic() - began > _SETTLED else failures + 1
                    level = logging.INFO if failures < 3 else logging.WARNING
                    log.log(level, "the stream to the engine ended", extra={"error": str(error)})
                finally:
                    self.connected.clear()
                    metrics.CONNECTED.set(0)
                delay = min(_MAX_DELAY, 0.05 * 2 ** min(failures, 6))
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311  # jitter
        finally:
            lease_watch.cancel()

    async def drain(self, seconds: float) -> None:
        """Takes nothing new, waits `seconds` for what runs, hands the rest back, and waits for the engine's word."""
        self._draining = True
        self._outgoing.send(pb.WorkerMessage(draining=pb.WorkerMessage.Draining()))
        if not await self._attempts.finish(cells=True, seconds=seconds):
            self._attempts.hand_back("the worker was shut down while the step ran")
        if self.connected.is_set():
            await self._attempts.finish(cells=False, seconds=_ACK_SECONDS)

    async def _one_stream(self) -> None:
        self._outgoing.rewind()
        self._attempts.forget_components()
        self._assignments = 0
        call = self._engine.Work(None)
        tasks: list[asyncio.Task[None]] = []
        try:
            await call.write(pb.WorkerMessage(hello=self._hello()))
            for result in self._attempts.results():
                self._outgoing.send(pb.WorkerMessage(result=result))
            if self._draining:
                self._outgoing.send(pb.WorkerMessage(draining=pb.WorkerMessage.Draining()))
            tasks = [
                asyncio.create_task(self._read(call)),
                asyncio.create_task(self._write(call)),
                asyncio.create_task(self._beat()),
            ]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            call.cancel()

    def _hello(self) -> pb.WorkerMessage.Hello:
        return pb.WorkerMessage.Hello(
            worker_id=self._worker_id,
            types=executors.TYPES,
            slots=self._slots,
            holding=self._attempts.holding(),
            waiting=self._attempts.waiting(),
            isolation=self._isolation,
            host=socket.gethostname(),
            pool=self._place.pool,
            labels=self._place.labels,
            cpus=self._place.cpus,
            memory_bytes=self._place.memory_bytes,
            version=metadata.version("mcpanel-worker"),
        )

    async def _read(self, call: "grpc.aio.StreamStreamCall[pb.WorkerMessage, pb.EngineMessage]") -> None:
        while True:
            message = await call.read()
            if not isinstance(message, pb.EngineMessage):
                raise errors.Unavailable("DEPENDENCY_UNAVAILABLE", "the engine closed the stream")
            for one in (message, *message.also):
                self._obey(one)

    def _obey(self, message: pb.EngineMessage) -> None:
        kind = message.WhichOneof("message")
        if kind == "assignment":
            failpoints.reach("receive.before")
            self._assignments += 1
            self._attempts.assign(message.assignment)
            failpoints.reach("receive.after")
        elif kind == "result_ack":
            self._attempts.acknowledge(message.result_ack)
        elif kind == "logs_ack":
            self._outgoing.acknowledge(message.logs_ack)
        elif kind == "component":
            self._attempts.learn(message.component.version)
        elif kind == "cancel":
            self._attempts.cancel(message.cancel.ref, message.cancel.reason)
        elif kind == "open_tunnel":
            self._tunnels.open(message.open_tunnel)
        elif kind == "welcome":
            self._welcome(message.welcome)

    def _welcome(self, welcome: pb.EngineMessage.Welcome) -> None:
        self._lease = welcome.lease.ToTimedelta().total_seconds() or _DEFAULT_LEASE
        self._heartbeat = welcome.heartbeat_interval.ToTimedelta().total_seconds() or self._lease / 3
        for ref in welcome.lost:
            self._attempts.abandon(ref)
        self._attempts.max_output_bytes = welcome.max_output_bytes
        self._last_sign = time.monotonic()
        self.connected.set()
        metrics.CONNECTED.set(1)
        log.info("connected to the engine", extra={"lease": self._lease, "slots": self._slots})

    async def _write(self, call: "grpc.aio.StreamStreamCall[pb.WorkerMessage, pb.EngineMessage]") -> None:
        while True:
            first, *others = messages = await self._outgoing.next()
            first.also.extend(others)
            failpoints.reach("send.before")
            try:
                await call.write(first)
            except BaseException:
                self._outgoing.put_back(messages)
                raise
            finally:
                del first.also[:]
            failpoints.reach("send.after")

    async def _beat(self) -> None:
        await self.connected.wait()
        while True:
            beat = pb.WorkerMessage.Heartbeat(holding=self._attempts.holding(), assignments=self._assignments)
            self._outgoing.send(pb.WorkerMessage(heartbeat=beat))
            self._last_sign = time.monotonic()
            await asyncio.sleep(self._heartbeat)

    async def _end_with_lease(self) -> None:
        """Without a stream, attempts go on until their lease ends; then others may have them, so they stop here."""
        while True:
            await asyncio.sleep(0.5)
            if self.connected.is_set() or time.monotonic() - self._last_sign < self._lease:
                continue
            for ref in self._attempts.running():
                log.warning("an attempt's lease ended while the engine was away", extra={"run": ref.run_id})
                self._attempts.abandon(ref)
