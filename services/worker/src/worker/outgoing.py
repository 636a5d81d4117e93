"""What the worker says on the stream, in order; lines are sent in batches, progress and previews only the newest."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from chassis.errors import Invalid
from chassis.interceptors.validation import validate
from mcpanel.engine.v1 import run_pb2
from mcpanel.engine.v1 import worker_pb2 as pb

log = logging.getLogger(__name__)

_BATCH_SECONDS: Final = 0.05
"""How long lines are gathered after others were sent; the first line leaves at once."""
_BATCH_BYTES: Final = 64 * 1024
_SIZE: Final = 64
"""About what a line takes beside what it says, in bytes."""
_TOGETHER_BYTES: Final = 64 * 1024
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


@dataclass(frozen=True, slots=True)
class _Message:
    """A message on its way. `lines`: the last line it holds of each attempt."""

    body: pb.WorkerMessage
    size: int = 0
    lines: dict[Key, int] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return str(self.body.WhichOneof("message"))


class Outgoing:
    """The queue of messages to the engine. It survives a lost stream; lines are kept until they are acknowledged."""

    def __init__(self) -> None:
        self._queue: deque[_Message] = deque()
        self._sent: deque[_Message] = deque()
        """Lines that were sent, and are not known to have arrived."""
        self._kept_bytes = 0
        self._batch = pb.WorkerMessage.Logs()
        self._batch_bytes = 0
        self._numbers: dict[Key, int] = {}
        self._acknowledged: dict[Key, int] = {}
        self._newest: dict[tuple[Key, str], pb.WorkerMessage] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._gathered_at = 0.0
        self._filled = asyncio.Event()
        self._dropped = 0

    def log(self, ref: pb.AttemptRef, stream: str, level: str, message: str) -> None:
        """Adds a line."""
        self._add_line(ref, len(message) + _SIZE, stream=stream, level=level, message=message)

    def tool_call(self, ref: pb.AttemptRef, call: run_pb2.ToolCall) -> None:
        """Adds a call of a tool, which is kept and repeated as lines are."""
        self._add_line(ref, call.ByteSize() + _SIZE, tool_call=call)

    def _add_line(self, ref: pb.AttemptRef, size: int, **said: Any) -> None:
        if self._kept_bytes + self._batch_bytes + size > _BACKLOG_BYTES:
            self._dropped += 1
            return
        if self._dropped:
            count, self._dropped = self._dropped, 0
            lines = "1 line was" if count == 1 else f"{count:,} lines were"
            self.log(ref, "log", "WARNING", f"{lines} dropped while the engine was away")
        at = key(ref)
        number = self._numbers[at] = self._numbers.get(at, 0) + 1
        line = self._batch.lines.add(number=number, **said)
        line.ref.CopyFrom(ref)
        line.time.FromDatetime(datetime.now(UTC))
        self._batch_bytes += size
        if self._batch_bytes >= _BATCH_BYTES:
            self.flush()
        else:
            self._flush_soon()

    def acknowledge(self, ack: pb.EngineMessage.LogsAck) -> None:
        """Forgets lines the engine has."""
        at = key(ack.ref)
        if at in self._numbers:
            self._acknowledged[at] = max(ack.number, self._acknowledged.get(at, 0))
        self._drop_acknowledged()

    def forget(self, ref: pb.AttemptRef) -> None:
        """Forgets an attempt: the engine has all it wants of it."""
        self._numbers.pop(key(ref), None)
        self._acknowledged.pop(key(ref), None)
        self._drop_acknowledged()

    def _drop_acknowledged(self) -> None:
        while self._sent and all(
            at not in self._numbers or last <= self._acknowledged.get(at, 0)
            for at, last in self._sent[0].lines.items()
        ):
            self._kept_bytes -= self._sent.popleft().size

    def newest(self, ref: pb.AttemptRef, kind: str, message: pb.WorkerMessage) -> None:
        """Adds a message that replaces an unsent one of the same attempt and kind."""
        self._newest[key(ref), kind] = message
        self._flush_soon()

    def send(self, message: pb.WorkerMessage) -> None:
        """Adds a message, after everything added before, to be sent at once."""
        self.flush()
        self._add(_Message(message))
        self._filled.set()

    def _add(self, message: _Message) -> None:
        if why := refusal(message.body):
            log.error("a message the engine would refuse is left out", extra={"why": why})
            return
        self._kept_bytes += message.size
        self._queue.append(message)

    def _flush_soon(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(
                max(loop.time(), self._gathered_at + _BATCH_SECONDS), self._flush_gathered
            )

    def _flush_gathered(self) -> None:
        self._gathered_at = asyncio.get_running_loop().time()
        self.flush()

    def flush(self) -> None:
        """Queues what was being gathered."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._batch_bytes:
            last = {key(line.ref): line.number for line in self._batch.lines}
            self._add(_Message(pb.WorkerMessage(logs=self._batch), self._batch_bytes, last))
            self._batch = pb.WorkerMessage.Logs()
            self._batch_bytes = 0
        for message in self._newest.values():
            self._add(_Message(message))
        self._newest.clear()
        if self._queue:
            self._filled.set()

    def rewind(self) -> None:
        """Prepares for a new stream: lines without an answer come first, and what only the one before needed goes.

        That is signs of life, results, which are repeated anyway, and who waits, which the new one begins with.
        """
        kept = [one for one in self._queue if one.kind not in ("heartbeat", "result", "draining", "waiting")]
        self._queue = deque([*self._sent, *kept])
        self._sent.clear()

    async def next(self) -> list[pb.WorkerMessage]:
        """The oldest messages, as soon as there is one: as many as are worth sending together."""
        while not self._queue:
            self._filled.clear()
            await self._filled.wait()
        taken = [self._take()]
        size = taken[0].ByteSize()
        while self._queue and (size := size + self._queue[0].body.ByteSize()) <= _TOGETHER_BYTES:
            taken.append(self._take())
        return taken

    def _take(self) -> pb.WorkerMessage:
        message = self._queue.popleft()
        if message.lines:
            self._sent.append(message)
        return message.body

    def put_back(self, messages: Sequence[pb.WorkerMessage]) -> None:
        """Returns messages that could not be sent. Lines are kept anyway."""
        left = [_Message(one) for one in messages if one.WhichOneof("message") != "logs"]
        self._queue.extendleft(reversed(left))
        if left:
            self._filled.set()
