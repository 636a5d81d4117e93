"""A run's state while it is being changed: opened where it is looked at, put together again where it was changed."""

import dataclasses
import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from engine.domain import Failure, Ref, RunStatus, StepStatus, Usage
from engine.effects import (
    AttemptClosed,
    Effect,
    GivenBack,
    Rejected,
    RunChanged,
    StepChanged,
    Taken,
    Touched,
)
from engine.machine.levels import LevelDraft, Slot, StepsDraft
from engine.plan import PlannedStep
from engine.state import RATE, Items, RunState, StepState

_MOST_PAUSES: Final = 1000
_PART: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[(0|[1-9][0-9]{0,6})\])?")


class Draft:
    """The next state while it is being made."""

    def __init__(self, state: RunState, now: datetime) -> None:
        self.state = state
        self.now = now
        self.run: dict[str, Any] = {}
        self.effects: list[Effect] = []
        self.ended: deque[Slot] = deque()
        """Steps that have just ended, for `flow` to see what follows."""
        self.considered: deque[Slot] = deque()
        """Steps that may be able to start."""
        self.unfinished: dict[int, LevelDraft] = {}
        """Levels that may have nothing left to do, by identity."""
        self.root = StepsDraft(self, state.root, None)
        self.root.cause = state.cause
        self.root.failure = state.failure
        self._touched: dict[str, tuple[PlannedStep, StepState | None, StepState]] = {}
        self._ready: dict[str, datetime | None] | None = None
        self._timers: dict[str, datetime] | None = None

    @property
    def status(self) -> RunStatus:
        status: RunStatus = self.run.get("status", self.state.status)
        return status

    @property
    def is_paused(self) -> bool:
        return self.status is RunStatus.PAUSED

    @property
    def begun(self) -> bool:
        begun: bool = self.run.get("begun", self.state.begun)
        return begun

    def note_pause(self) -> None:
        """Notes that a pause begins or ends; of very many the newest are kept."""
        pauses = (*self.state.pauses, self.now)
        self.run["pauses"] = pauses if len(pauses) <= _MOST_PAUSES else pauses[2:]

    def run_on(self) -> None:
        """Something begins to run."""
        if self.status is RunStatus.PENDING:
            self.run |= {"status": RunStatus.RUNNING, "started_at": self.now}
            self.effects.append(RunChanged(RunStatus.RUNNING))
        elif self.state.started_at is None:
            self.run.setdefault("started_at", self.now)

    def say(
        self, slot: Slot, next_attempt_at: datetime | None = None, *, of: StepState | None = None
    ) -> None:
        """Tells watchers of the step's status, as it is or as in `of`."""
        one = of or slot.state
        self.effects.append(
            StepChanged(slot.path, one.status, one.attempt, one.failure, next_attempt_at, one.copied_from)
        )

    def reject(self, reason: str, *, duplicate: bool = False) -> None:
        """The event does not apply."""
        self.effects.append(Rejected(reason, duplicate))

    def close(
        self,
        slot: Slot,
        status: StepStatus,
        failure: Failure | None,
        limits: bytes = b"",
        usage: Usage | None = None,
    ) -> None:
        """Decides the running attempt's outcome; the step's own status is the caller's."""
        self.effects.append(AttemptClosed(slot.path, slot.state.attempt, status, failure, limits, usage))

    def slot(self, path: str) -> Slot | None:
        """The place at a path; None when the plan has none, or nothing runs there (any more)."""
        number = self.root.plan.index.get(path)
        if number is not None:
            return Slot(self.root, number)
        level: LevelDraft = self.root
        slot: Slot | None = None
        for part in path.split("/"):
            if slot is not None:
                if slot.is_past or slot.state.inner is None:
                    return None
                level = slot.inner
            match = _PART.fullmatch(part)
            if match is None or not isinstance(level, StepsDraft):
                return None
            number = level.plan.index.get(match[1])
            if number is None:
                return None
            slot = Slot(level, number)
            if match[2] is not None:
                if not isinstance(slot.state.inner, Items):
                    return None
                level = slot.inner
                slot = Slot(level, int(match[2]))
                if slot.key not in level.live and not slot.is_past:  # type: ignore[union-attr]  # of an Items
                    return None
        return slot

    def current(self, ref: Ref) -> Slot | None:
        """The place of an attempt that runs; rejects `ref` otherwise."""
        slot = self.slot(ref.step_id)
        if slot is None:
            self.reject(f"nothing runs at '{ref.step_id}'")
            return None
        if slot.is_past:
            self.reject("the step has ended", duplicate=True)
            return None
        one = slot.state
        if (ref.attempt, ref.epoch) != (one.attempt, one.epoch):
            self.reject(f"epoch {ref.epoch} is over; the step is at {one.epoch}")
            return None
        if one.status is not StepStatus.RUNNING or slot.planned.is_composite:
            self.reject(f"the step is {one.status}", duplicate=True)
            return None
        return slot

    def walk(self, level: LevelDraft | None = None) -> Iterator[Slot]:
        """Every step that has not ended, what it is made of after it."""
        for slot in (level or self.root).open_slots():
            yield slot
            if slot.state.inner is not None and not slot.state.status.ended:
                yield from self.walk(slot.inner)

    def levels(self) -> list[LevelDraft]:
        """Every workflow and `for_each` step that has not ended, the innermost first."""
        inner = [slot.inner for slot in self.walk() if slot.state.inner is not None]
        return [*reversed(inner), self.root]

    def touched(self, slot: Slot, before: StepState, after: StepState) -> None:
        """Notes what is to be written, and keeps the lists of what waits."""
        path = slot.path
        known = self._touched.get(path)
        first = known[1] if known is not None else None if before.status is StepStatus.PENDING else before
        self._touched[path] = (slot.planned, first, after)
        if before.status is StepStatus.READY or after.status is StepStatus.READY:
            if self._ready is None:
                self._ready = dict(self.state.ready)
            if after.status is StepStatus.READY:
                self._ready[path] = after.due_at
            else:
                self._ready.pop(path, None)
        if before.expires_at is not after.expires_at:
            self.set_timer(path, after.expires_at)
        if before.gate or after.gate:
            self._keep_rate(slot.planned, before, after)

    def _keep_rate(self, planned: PlannedStep, before: StepState, after: StepState) -> None:
        """Notes which moment under a rate limit is taken by the change, and which is free again."""
        had = before.due_at if before.gate.startswith(RATE) else None
        has = after.due_at if after.gate.startswith(RATE) else None
        if planned.rate is None or had == has:
            return
        interval = planned.rate.interval
        if has is not None:
            self.effects.append(Taken(after.gate, has, interval))
        elif had is not None and after.status is StepStatus.RUNNING:
            self.effects.append(Taken(before.gate, had, interval, used_at=self.now))
        elif had is not None:
            self.effects.append(GivenBack(before.gate, had, interval))

    def set_timer(self, path: str, at: datetime | None) -> None:
        """Notes when time alone changes something at a path; None: not any more."""
        if self._timers is None:
            self._timers = dict(self.state.timers)
        if at is None:
            self._timers.pop(path, None)
        else:
            self._timers[path] = at

    def done(self) -> tuple[RunState, tuple[Effect, ...]]:
        """The new state and the effects, what is to be written last; the old state when nothing changed."""
        if self.effects and all(isinstance(effect, Rejected) for effect in self.effects):
            return self.state, tuple(self.effects)
        root = self.root.seal()
        if root is self.state.root and not self.run and not self._touched:
            return self.state, tuple(self.effects)
        run = dict(self.run)
        if self._ready is not None:
            run["ready"] = self._ready
        if self._timers is not None:
            run["timers"] = self._timers
        state = dataclasses.replace(self.state, root=root, **run)
        written = [Touched(path, *one) for path, one in self._touched.items()]
        return state, (*self.effects, *written)
