"""Publishing: what was committed goes to the watchers of this process at once, and over NATS to the others."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from google.protobuf.message import DecodeError

from chassis.bus import Bus
from chassis.signals import Signal
from engine import failpoints
from engine.domain import Ref
from engine.hub import Hub, Live
from engine.wire import events as wire

log = logging.getLogger(__name__)

RUN: Final = "mcpanel.run."
READY: Final = "mcpanel.hint.ready"
STOP: Final = "mcpanel.hint.stop"
DRAIN: Final = "mcpanel.hint.drain"
_MAX_WAITING: Final = 20_000
_GATHER: Final = 0.05
_MANY: Final = 32


class Publisher:
    """Sends live copies over NATS, in order, from a task of its own. Losing some costs latency, never state."""

    def __init__(self, bus: Bus, hub: Hub) -> None:
        self._bus = bus
        self._hub = hub
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=_MAX_WAITING)
        self._bell = Signal()
        self._told: set[str] = set()

    def events(self, run_id: str, at: datetime, events: Sequence[tuple[int, str, bytes]]) -> None:
        """Events of a run, committed before at once: their numbers, kinds and bodies.

        Of very many lines other replicas are told the last: whoever watches there reads the others from the record.
        """
        is_watched = self._hub.is_watched(run_id)
        for number, (seq, kind, body) in enumerate(events, 1):
            spreads = len(events) <= _MANY or kind in wire.SHOWN_KINDS or number == len(events)
            if not (is_watched or spreads):
                continue
            data = wire.whole(run_id, seq, at, body)
            if is_watched:
                self._hub.put(run_id, Live(seq, wire.Event.FromString(data)))
            if spreads:
                self._post(RUN + run_id, data)

    def changed(self, run_id: str) -> None:
        """A run changed in what lists show of it; other replicas see that in its events."""
        self._hub.changed(run_id)

    def ready(self, kind: str) -> None:
        """Work of a kind waits for any replica with a free slot; told at most twenty times a second."""
        if kind not in self._told:
            self._told.add(kind)
            asyncio.get_running_loop().call_later(_GATHER, self._tell, kind)

    def _tell(self, kind: str) -> None:
        self._told.discard(kind)
        self._post(READY, kind.encode())

    def stop(self, worker_id: str, ref: Ref, reason: str) -> None:
        """An attempt on a worker of another replica is to stop."""
        hint = {
            "worker_id": worker_id,
            "run_id": ref.run_id,
            "step_id": ref.step_id,
            "attempt": ref.attempt,
            "epoch": ref.epoch,
            "reason": reason,
        }
        self._post(STOP, json.dumps(hint).encode())

    def drain(self, worker_id: str, *, drained: bool) -> None:
        """A worker, perhaps of another replica, is to take nothing new, or may again."""
        self._post(DRAIN, json.dumps({"worker_id": worker_id, "drained": drained}).encode())

    def _post(self, subject: str, data: bytes) -> None:
        if self._bus.connected:
            self._waiting.append((subject, data))
            self._bell.set()

    async def run(self) -> None:
        """Publishes for ever."""
        while True:
            await self._bell.wait()
            while self._waiting:
                subject, data = self._waiting.popleft()
                failpoints.reach("publish.before")
                await self._bus.publish(subject, data)
                failpoints.reach("publish.after")


class Listener:
    """Takes what other replicas publish: events into the hub, hints to whoever was registered for them."""

    def __init__(self, bus: Bus, hub: Hub) -> None:
        self._bus = bus
        self._hub = hub

    async def start(self, on_ready: Any, on_stop: Any, on_drain: Any) -> None:
        """Subscribes. `on_ready(kind)`, `on_stop(worker_id, ref, reason)` and `on_drain(worker_id, drained)` are
        called for hints.
        """

        async def ready(_subject: str, data: bytes) -> None:
            on_ready(data.decode())

        async def stop(_subject: str, data: bytes) -> None:
            hint = json.loads(data)
            ref = Ref(hint["run_id"], hint["step_id"], hint["attempt"], hint["epoch"])
            on_stop(hint["worker_id"], ref, hint["reason"])

        async def drain(_subject: str, data: bytes) -> None:
            hint = json.loads(data)
            on_drain(hint["worker_id"], drained=bool(hint["drained"]))

        await self._bus.subscribe(RUN + "*", self._event)
        await self._bus.subscribe(DRAIN, drain)
        await self._bus.subscribe(READY, ready)
        await self._bus.subscribe(STOP, stop)

    async def _event(self, subject: str, data: bytes) -> None:
        run_id = subject.removeprefix(RUN)
        if not self._hub.is_watched(run_id) and not self._hub.is_listened:
            return
        try:
            event = wire.Event.FromString(data)
        except DecodeError:
            log.warning("a message that is no event came over NATS", extra={"subject": subject})
            return
        if event.run_id == run_id and event.seq > 0:
            self._hub.put(run_id, Live(event.seq, event))
            if event.WhichOneof("event") in wire.SHOWN_KINDS:
                self._hub.changed(run_id)
