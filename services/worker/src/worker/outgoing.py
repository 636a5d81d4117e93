"""What the worker says on the stream, in order; lines are sent in batches, progress and previews only the newest."""

import asyncio
import logging
from collections import deque
from datetime import UTC, datetime
from typing import Final

from chassis.errors import Invalid
from chassis.interceptors.validation import validate
from mcpanel.engine.v1 import worker_pb2 as pb

log = logging.getLogger(__name__)

_BATCH_SECONDS: Final = 0.05
_BATCH_BYTES: Final = 64 * 1024
_BACKLOG_BYTES: Final = 64 * 1024 * 1024
"""How much may wait while the engine is away; lines beyond it are dropped and counted."""

Key = tuple[str, str, int, int]


def refusal(message: pb.WorkerMessage) -> str:
    """Why the engine would refuse the message, and end the stream over it; empty when it would not."""
    try:
        validate(message)
    except Invalid as error:
        return error.message
    return ""


def key(ref: pb.AttemptRef) -> Key:
    """The reference as something a dict can hold."""
    return ref.run_id, ref.step_id, ref.attempt, ref.epoch


class Outgoing:
    """The queue of messages to the engine. It survives a lost stream."""

    def __init__(self) -> None:
        self._queue: deque[pb.WorkerMessage] = deque()
        self._queued_bytes = 0
        self._batch = pb.WorkerMessage.Logs()
        self._batch_bytes = 0
        self._newest: dict[tuple[Key, str], pb.WorkerMessage] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._filled = asyncio.Event()
        self._dropped = 0

    def log(self, ref: pb.AttemptRef, stream: str, level: str, message: str) -> None:
        """Adds a line."""
        size = len(message) + 64
        if self._queued_bytes + self._batch_bytes + size > _BACKLOG_BYTES:
            self._dropped += 1
            return
        if self._dropped:
            count, self._dropped = self._dropped, 0
            self.log(ref, "log", "WARNING", f"{count:,} lines were dropped while the engine was away")
        line = self._batch.lines.add(stream=stream, level=level, message=message)
        line.ref.CopyFrom(ref)
        line.time.FromDatetime(datetime.now(UTC))
        self._batch_bytes += size
        if self._batch_bytes >= _BATCH_BYTES:
            self.flush()
        else:
            self._flush_soon()

    def newest(self, ref: pb.AttemptRef, kind: str, message: pb.WorkerMessage) -> None:
        """Adds a message that replaces an unsent one of the same attempt and kind."""
        self._newest[key(ref), kind] = message
        self._flush_soon()

    def send(self, message: pb.WorkerMessage) -> None:
        """Adds a message, after everything added before, to be sent at once."""
        self.flush()
        self._add(message)
        self._filled.set()

    def _add(self, message: pb.WorkerMessage) -> None:
        if why := refusal(message):
            log.error("a message the engine would refuse is left out", extra={"why": why})
            return
        self._queue.append(message)

    def _flush_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_BATCH_SECONDS, self.flush)

    def flush(self) -> None:
        """Queues what was being gathered."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._batch_bytes:
            self._add(pb.WorkerMessage(logs=self._batch))
            self._queued_bytes += self._batch_bytes
            self._batch = pb.WorkerMessage.Logs()
            self._batch_bytes = 0
        for message in self._newest.values():
            self._add(message)
        self._newest.clear()
        if self._queue:
            self._filled.set()

    def forget_heartbeats(self) -> None:
        """Drops what only the stream before needed: signs of life, and results, which are repeated anyway."""
        kept = [m for m in self._queue if m.WhichOneof("message") not in ("heartbeat", "result", "draining")]
        self._queue = deque(kept)

    async def next(self) -> pb.WorkerMessage:
        """The oldest message, when there is one."""
        while not self._queue:
            self._filled.clear()
            await self._filled.wait()
        message = self._queue.popleft()
        if message.WhichOneof("message") == "logs":
            self._queued_bytes = max(
                0, self._queued_bytes - sum(len(line.message) + 64 for line in message.logs.lines)
            )
        return message

    def put_back(self, message: pb.WorkerMessage) -> None:
        """Returns a message that could not be sent."""
        self._queue.appendleft(message)
        self._filled.set()
