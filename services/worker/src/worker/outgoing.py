"""What the worker says on the stream: attempts take turns, each in order; lines in batches, progress only the newest.

Signs of life go before everything else, and of each attempt only so many lines are on their way at a time: what a flood
of lines waits for, in the engine or in the network, holds up neither them nor what other attempts say.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chassis.errors import Invalid
from chassis.interceptors.validation import validate
from mcpanel.engine.v1 import run_pb2
from mcpanel.engine.v1 import worker_pb2 as pb

log = logging.getLogger(__name__)

_BATCH_SECONDS: Final = 0.05
"""How long lines are gathered after others were sent; the first line leaves at once."""
_BATCH_BYTES: Final = 8 * 1024
_SIZE: Final = 64
"""About what a line takes beside what it says, in bytes."""
_UNDER_WAY_BYTES: Final = 32 * 1024
"""With so much of an attempt sent and not acknowledged, its further lines wait here, where they hold up nobody."""
_TOGETHER_BYTES: Final = 16 * 1024
"""What is sent at once is handled at once, and the engine has others to listen to."""
_BACKLOG_BYTES: Final = 64 * 1024 * 1024
_URGENT: Final = ("heartbeat", "draining")
_ONLY_ONCE: Final = ("result", "waiting")
"""What is not repeated on a new stream: it begins with these."""

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
    """A message on its way. `last`: the number of the last line in it, 0 when it holds none."""

    body: pb.WorkerMessage
    size: int = 0
    last: int = 0

    @property
    def kind(self) -> str:
        return str(self.body.WhichOneof("message"))


@dataclass(slots=True)
class _Queue:
    """What one attempt says."""

    waiting: deque[_Message] = field(default_factory=deque)
    sent: deque[_Message] = field(default_factory=deque)
    """Lines that were sent, and are not known to have arrived."""
    batch: pb.WorkerMessage | None = None
    batch_bytes: int = 0
    numbered: int = 0
    """How many lines there were."""
    under_way: int = 0
    """Bytes of `sent`."""
    left_out: int = 0
    """Lines that found no room, and of which nothing was said yet."""
    newest: dict[str, pb.WorkerMessage] = field(default_factory=dict)

    @property
    def may_send(self) -> bool:
        return bool(self.waiting) and (not self.waiting[0].last or self.under_way < _UNDER_WAY_BYTES)

    @property
    def size(self) -> int:
        return self.batch_bytes + self.under_way + sum(one.size for one in self.waiting)


class Outgoing:
    """The messages to the engine. They survive a lost stream; lines are kept until they are acknowledged."""

    def __init__(self, backlog_bytes: int = _BACKLOG_BYTES) -> None:
        """`backlog_bytes`: how much may wait while the engine is away or slow; lines beyond it are left out."""
        self._backlog_bytes = backlog_bytes
        self._urgent: deque[_Message] = deque()
        self._queues: OrderedDict[Key, _Queue] = OrderedDict()
        """By attempt; whose turn it is comes first."""
        self._gathering: set[Key] = set()
        self._kept_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._gathered_at = 0.0
        self._filled = asyncio.Event()

    def log(self, ref: pb.AttemptRef, stream: str, level: str, message: str) -> None:
        """Adds a line: text that a message can carry."""
        self._add_line(ref, len(message) + _SIZE, stream=stream, level=level, message=message)

    def tool_call(self, ref: pb.AttemptRef, call: run_pb2.ToolCall) -> None:
        """Adds a call of a tool, which is kept and repeated as lines are."""
        line = pb.WorkerMessage.Logs.Line(number=1, tool_call=call)
        if not self._is_fit(pb.WorkerMessage(logs=pb.WorkerMessage.Logs(lines=[line]))):
            return
        self._add_line(ref, call.ByteSize() + _SIZE, tool_call=call)

    def _add_line(self, ref: pb.AttemptRef, size: int, **said: Any) -> None:
        at = key(ref)
        queue = self._queues.setdefault(at, _Queue())
        if self._kept_bytes + size > self._backlog_bytes:
            queue.left_out += 1
            return
        if queue.left_out:
            self._own_up(ref, queue)
        self._put_line(ref, at, queue, size, said)

    def _own_up(self, ref: pb.AttemptRef, queue: _Queue) -> None:
        """Says in a line of its own how many were left out."""
        count, queue.left_out = queue.left_out, 0
        lines = "1 line was" if count == 1 else f"{count:,} lines were"
        text = f"{lines} left out here: the engine was away, or too slow for them"
        said = {"stream": "log", "level": "WARNING", "message": text}
        self._put_line(ref, key(ref), queue, len(text) + _SIZE, said)

    def _put_line(self, ref: pb.AttemptRef, at: Key, queue: _Queue, size: int, said: dict[str, Any]) -> None:
        queue.numbered += 1
        if queue.batch is None:
            queue.batch = pb.WorkerMessage(logs=pb.WorkerMessage.Logs())
            self._gathering.add(at)
        line = queue.batch.logs.lines.add(number=queue.numbered, ref=ref, **said)
        line.time.seconds, line.time.nanos = divmod(time.time_ns(), 10**9)
        queue.batch_bytes += size
        self._kept_bytes += size
        if queue.batch_bytes >= _BATCH_BYTES:
            self._flush_lines(at, queue)
            self._filled.set()
        else:
            self._flush_soon()

    def acknowledge(self, ack: pb.EngineMessage.LogsAck) -> None:
        """Forgets lines the engine has."""
        queue = self._queues.get(key(ack.ref))
        if queue is None:
            return
        while queue.sent and queue.sent[0].last <= ack.number:
            size = queue.sent.popleft().size
            queue.under_way -= size
            self._kept_bytes -= size
        if queue.may_send:
            self._filled.set()

    def forget(self, ref: pb.AttemptRef) -> None:
        """Forgets an attempt and what it said: the engine has all it wants of it."""
        self._gathering.discard(key(ref))
        queue = self._queues.pop(key(ref), None)
        if queue is not None:
            self._kept_bytes -= queue.size

    def newest(self, ref: pb.AttemptRef, kind: str, message: pb.WorkerMessage) -> None:
        """Adds a message that replaces an unsent one of the same attempt and kind."""
        self._queues.setdefault(key(ref), _Queue()).newest[kind] = message
        self._gathering.add(key(ref))
        self._flush_soon()

    def send(self, message: pb.WorkerMessage) -> None:
        """Adds a message to be sent at once: of an attempt, after all that it said before."""
        kind = str(message.WhichOneof("message"))
        if kind in _URGENT:
            if self._is_fit(message):
                self._urgent.append(_Message(message))
        else:
            ref = getattr(message, kind).ref
            queue = self._queues.setdefault(key(ref), _Queue())
            if queue.left_out:
                self._own_up(ref, queue)
            self._flush_one(key(ref), queue)
            self._add(queue, _Message(message))
        self._filled.set()

    def _add(self, queue: _Queue, message: _Message) -> None:
        if self._is_fit(message.body):
            queue.waiting.append(message)

    @staticmethod
    def _is_fit(message: pb.WorkerMessage) -> bool:
        why = refusal(message)
        if why:
            log.error("a message the engine would refuse is left out", extra={"why": why})
        return not why

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
        for at in list(self._gathering):
            self._flush_one(at, self._queues[at])
        self._filled.set()

    def _flush_one(self, at: Key, queue: _Queue) -> None:
        self._flush_lines(at, queue)
        for message in queue.newest.values():
            self._add(queue, _Message(message))
        queue.newest.clear()
        self._gathering.discard(at)

    @staticmethod
    def _flush_lines(at: Key, queue: _Queue) -> None:
        if queue.batch is not None:
            queue.waiting.append(_Message(queue.batch, queue.batch_bytes, queue.numbered))
            queue.batch, queue.batch_bytes = None, 0

    def rewind(self) -> None:
        """Prepares for a new stream: lines without an answer come first, and what only the one before needed goes.

        That is signs of life, results, which are repeated anyway, and who waits, which the new one begins with.
        """
        self._urgent.clear()
        for queue in self._queues.values():
            kept = [one for one in queue.waiting if one.kind not in _ONLY_ONCE]
            queue.waiting = deque([*queue.sent, *kept])
            queue.sent.clear()
            queue.under_way = 0
        self._filled.set()

    async def next(self) -> list[pb.WorkerMessage]:
        """What to send next, as soon as there is something: as much as is worth sending together."""
        while not (taken := self._take()):
            self._filled.clear()
            await self._filled.wait()
        return taken

    def _take(self) -> list[pb.WorkerMessage]:
        taken = [one.body for one in self._urgent]
        self._urgent.clear()
        size = 0
        ready = deque((at, queue) for at, queue in self._queues.items() if queue.may_send)
        while ready and size < _TOGETHER_BYTES:
            at, queue = ready.popleft()
            message = queue.waiting.popleft()
            if message.last:
                queue.sent.append(message)
                queue.under_way += message.size
            taken.append(message.body)
            size += message.size or message.body.ByteSize()
            self._queues.move_to_end(at)
            if queue.may_send:
                ready.append((at, queue))
        return taken

    def put_back(self, messages: Sequence[pb.WorkerMessage]) -> None:
        """Returns messages that could not be sent. Lines are kept anyway."""
        for one in reversed(messages):
            kind = str(one.WhichOneof("message"))
            if kind in _URGENT:
                self._urgent.appendleft(_Message(one))
            elif kind != "logs" and (queue := self._queues.get(key(getattr(one, kind).ref))) is not None:
                queue.waiting.appendleft(_Message(one))
        self._filled.set()
