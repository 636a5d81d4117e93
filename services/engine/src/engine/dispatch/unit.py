"""One run inside one transaction: events applied to it, and what is to be written and done in consequence."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta

from engine import machine
from engine.domain import Ref, RunStatus, StepStatus
from engine.records import RunInfo
from engine.state import Begin, Effect, Event, Rejected, RunChanged, RunState, StepChanged
from engine.store import hot
from engine.wire import events as wire

StoredEvent = tuple[str, int, str, bytes]


class Unit:
    """A run whose row lock is held (or that nobody else can know yet)."""

    def __init__(self, info: RunInfo, state: RunState, version: int, last_seq: int, now: datetime) -> None:
        self.info = info
        self.old = state
        self.state = state
        self.now = now
        self.effects: list[Effect] = []
        self.events: list[StoredEvent] = []
        self._version = version
        self._last_seq = last_seq
        self._said: list[RunChanged | StepChanged | tuple[str, bytes]] = []
        self._is_new = False
        self._moved = False
        self._status_seq: int | None = None

    @staticmethod
    def create(info: RunInfo, state: RunState, now: datetime) -> "Unit":
        """The unit of a run that does not exist yet; it has begun."""
        unit = Unit(info, state, 0, 0, now)
        unit._is_new = True
        unit.apply(Begin())
        return unit

    @property
    def version(self) -> int:
        """The run's version after the transaction."""
        return self._version + (self.state is not self.old and not self._is_new)

    @property
    def last_seq(self) -> int:
        """The newest event's number after the transaction; right once `seal` was called."""
        return self._last_seq + len(self.events)

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to write."""
        return self._is_new or self.state is not self.old or bool(self._said)

    def apply(self, event: Event) -> Rejected | None:
        """Lets `event` happen; returns why it does not apply, if it does not."""
        before = self.state
        self.state, effects = machine.step(before, event, self.now)
        self._moved = self._moved or self.state is not before
        for effect in effects:
            if isinstance(effect, Rejected):
                return effect
            self.effects.append(effect)
            if isinstance(effect, (RunChanged, StepChanged)):
                self._said.append(effect)
        return None

    def append(self, ref: Ref, kind: str, body: bytes, line: int = 0) -> bool:
        """Adds what a running attempt said; False when it is not the step's running attempt (any more).

        `line` is a line's number within the attempt: one that is recorded already is not added again.
        """
        number = self.state.plan.index.get(ref.step_id)
        if number is None or self.state.status.ended:
            return False
        one = self.state.steps[number]
        if one.status is not StepStatus.RUNNING or (one.attempt, one.epoch) != (ref.attempt, ref.epoch):
            return False
        if line:
            if line <= one.lines:
                return True
            steps = list(self.state.steps)
            steps[number] = dataclasses.replace(one, lines=line)
            self.state = dataclasses.replace(self.state, steps=tuple(steps))
        self._said.append((kind, body))
        return True

    def ready(self) -> list[int]:
        """The steps that may be claimed now."""
        return [
            number
            for number, one in enumerate(self.state.steps)
            if one.status is StepStatus.READY and (one.due_at is None or one.due_at <= self.now)
        ]

    def backing_off(self) -> list[tuple[int, datetime]]:
        """The steps that came to be READY for later, and when."""
        return [
            (number, new.due_at)
            for number, (old, new) in enumerate(zip(self.old.steps, self.state.steps, strict=True))
            if new is not old
            and new.status is StepStatus.READY
            and new.due_at is not None
            and new.due_at > self.now
        ]

    def seal(self) -> None:
        """Numbers the events. A READY that became RUNNING in the same transaction was never seen, so it is left out."""
        taken = {
            one.step
            for one in self._said
            if isinstance(one, StepChanged) and one.status is StepStatus.RUNNING
        }
        moved_on = sum(isinstance(one, RunChanged) for one in self._said) > 1
        for one in self._said:
            if isinstance(one, tuple):
                self._add(*one)
            elif isinstance(one, StepChanged):
                if one.status is StepStatus.READY and one.failure is None and one.step in taken:
                    continue
                self._add(wire.STEP_STATUS, wire.step_changed(self.state.plan, one))
            else:
                if moved_on and one.status is RunStatus.PENDING:
                    one = RunChanged(one.status, one.failure)  # noqa: PLW2901  # it waits for nothing any more
                self._add(wire.RUN_STATUS, wire.run_changed(one))
        if self.state.status.ended and not self.old.status.ended:
            self._add(wire.END, wire.end(self.state, self.last_seq + 1))

    def _add(self, kind: str, body: bytes) -> None:
        seq = self.last_seq + 1
        if kind in wire.STATUS_KINDS:
            self._status_seq = seq
        self.events.append((self.info.id, seq, kind, body))

    def commands(self, lease: timedelta) -> Sequence[hot.Command]:
        """What to write, events excepted; after `seal`."""
        if self._is_new:
            first = hot.insert_run_sql(self.info, self.state, self.last_seq, self._status_seq or 0)
        elif not self._moved:
            return hot.speak_sql(self.old, self.state, self.last_seq)
        else:
            first = hot.update_run_sql(self.state, self.last_seq, self._status_seq)
        return [
            first,
            *hot.steps_sql(self.old, self.state),
            *hot.attempts_sql(self.state, self.effects, self.now, lease),
        ]


def write(units: Sequence[Unit], lease: timedelta) -> list[hot.Command]:
    """Everything the units have to write."""
    commands: list[hot.Command] = []
    events: list[StoredEvent] = []
    for unit in units:
        unit.seal()
        commands += unit.commands(lease)
        events += unit.events
    if events:
        commands += hot.events_sql(events, units[0].now)
    return commands
