"""One run inside one transaction: events applied to it, and what is to be written and done in consequence."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from engine import machine
from engine.domain import Ref, RunStatus, StepStatus
from engine.effects import (
    ApprovalAsked,
    AttemptOpened,
    Cached,
    Effect,
    GivenBack,
    Rejected,
    RunChanged,
    Said,
    StepChanged,
    Taken,
    Touched,
)
from engine.lanes import lane_of
from engine.records import RunInfo
from engine.state import Begin, Event, RunState
from engine.store import hot, rates
from engine.wire import events as wire


class Word(NamedTuple):
    """A line, a preview, a call of a tool or progress: what a running attempt says."""

    kind: str
    body: bytes
    number: int = 0
    """A line's number within its attempt, from 1; 0 for what is neither a line nor counted with them."""
    line: hot.Line | None = None
    """What a line is found by."""


StoredEvent = tuple[str, int, str, bytes, hot.Line | None]
"""A run's id, the event's number, kind and body, and what it is found by if it is a line."""


class Unit:
    """A run whose row lock is held (or that nobody else can know yet)."""

    def __init__(self, info: RunInfo, state: RunState, version: int, last_seq: int, now: datetime) -> None:
        self.info = info
        self.old = state
        self.state = state
        self.now = now
        self.effects: list[Effect] = []
        self.events: list[StoredEvent] = []
        self.written: dict[str, Touched] = {}
        """The steps to write, by path."""
        self._version = version
        self._last_seq = last_seq
        self._said: list[Said | Word] = []
        self._lines: dict[str, int] = {}
        self._is_new = False
        self._moved = False
        self._status_seq: int | None = None

    @staticmethod
    def create(info: RunInfo, state: RunState, now: datetime) -> "Unit":
        """The unit of a run that does not exist yet; it has been accepted."""
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

    @property
    def has_ended(self) -> bool:
        """Whether the run ends in this transaction."""
        return self.state.status.ended and not self.old.status.ended

    def apply(self, event: Event) -> Rejected | None:
        """Lets `event` happen; returns why it does not apply, if it does not."""
        before = self.state
        self.state, effects = machine.step(before, event, self.now)
        self._moved = self._moved or self.state is not before
        for effect in effects:
            if isinstance(effect, Rejected):
                return effect
            if isinstance(effect, Touched):
                known = self.written.get(effect.step_id)
                first = effect.before if known is None else known.before
                self.written[effect.step_id] = Touched(effect.step_id, effect.planned, first, effect.after)
                continue
            self.effects.append(effect)
            if isinstance(effect, Said):
                self._said.append(effect)
        return None

    def append(self, ref: Ref, said: Sequence[Word]) -> bool:
        """Adds what a running attempt said; False when it is not the step's running attempt (any more).

        A line that is recorded already is not added again.
        """
        last = max((one.number for one in said), default=0)
        self.state, known = machine.wrote(self.state, ref, last)
        if known is None:
            return False
        if last > known:
            self._lines[ref.step_id] = last
        for one in said:
            if not one.number or one.number > known:
                self._said.append(one)
                known = max(known, one.number)
        return True

    def ready(self) -> list[str]:
        """The paths of the steps that may be claimed now."""
        return [path for path in self.state.ready if self.is_ready(path)]

    def is_ready(self, path: str) -> bool:
        """Whether the step may be claimed now."""
        due = self.state.ready.get(path)
        return due is not None and due <= self.now

    def lane(self, path: str) -> str:
        """The lane of a step."""
        planned = self.state.plan.find(path)
        return "" if planned is None else lane_of(planned)

    def begins(self, path: str) -> bool:
        """Whether the step is the first of its run, or of an item of a `for_each`."""
        if self.old.started_at is None:
            return True
        planned = self.state.plan.find(path)
        return "[" in path and planned is not None and not planned.needs

    def opened(self, path: str) -> AttemptOpened:
        """The attempt that was opened last at a step."""
        return next(
            one for one in reversed(self.effects) if isinstance(one, AttemptOpened) and one.step_id == path
        )

    def became_ready(self) -> list[str]:
        """Those of the steps that may be claimed now which could not be before."""
        return [path for path in self.written if self.is_ready(path)]

    def backing_off(self) -> list[tuple[str, datetime]]:
        """The steps that came to be READY for later, and when."""
        return [
            (path, due)
            for path, due in self.state.ready.items()
            if path in self.written and due is not None and due > self.now
        ]

    def seal(self) -> None:
        """Numbers the events. A READY that became RUNNING in the same transaction was never seen, so it is left out."""
        taken = {
            one.step_id
            for one in self._said
            if isinstance(one, StepChanged) and one.status is StepStatus.RUNNING
        }
        moved_on = sum(isinstance(one, RunChanged) for one in self._said) > 1
        for one in self._said:
            if isinstance(one, Word):
                self._add(one.kind, one.body, one.line)
            elif isinstance(one, StepChanged):
                if one.status is StepStatus.READY and one.failure is None and one.step_id in taken:
                    continue
                self._add(wire.STEP_STATUS, wire.step_changed(one))
            elif isinstance(one, ApprovalAsked):
                self._add(wire.APPROVAL, wire.approval(one))
            else:
                if moved_on and one.status is RunStatus.PENDING:
                    one = RunChanged(one.status, one.failure)  # noqa: PLW2901  # it waits for nothing any more
                self._add(wire.RUN_STATUS, wire.run_changed(one))
        if self.has_ended:
            self._add(wire.END, wire.end(self.state, self.last_seq + 1))

    def _add(self, kind: str, body: bytes, line: hot.Line | None = None) -> None:
        seq = self.last_seq + 1
        if kind in wire.STATUS_KINDS:
            self._status_seq = seq
        self.events.append((self.info.id, seq, kind, body, line))

    def commands(self, lease: timedelta) -> Sequence[hot.Command]:
        """What to write, events excepted; after `seal`."""
        lines = {path: count for path, count in self._lines.items() if path not in self.written}
        version = self.version if self.state.plan.has_fan else None
        if self._is_new:
            commands = hot.insert_run_sql(self.info, self.state, self.last_seq, self._status_seq or 0)
        elif not self._moved:
            return hot.speak_sql(self.info.id, lines, self.last_seq, version)
        else:
            commands = hot.update_run_sql(self.old, self.state, self.last_seq, self._status_seq)
        if self.has_ended:
            commands = [*commands, hot.ended_sql(self.info, self.state, self.now)]
        asked = [one for one in self.effects if isinstance(one, ApprovalAsked) and one.decision is None]
        return [
            *commands,
            *hot.lines_sql(self.info.id, lines, version),
            *hot.steps_sql(self.info, self.written.values(), version),
            *hot.outputs_sql(self.info.id, self.written.values()),
            *(hot.asked_sql(self.info.id, one) for one in asked),
            *(hot.cached_sql(self.info.id, one) for one in self.effects if isinstance(one, Cached)),
            *hot.attempts_sql(self.info.id, self.effects, self.now, lease),
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
    ended = [
        (unit.info.id, unit.info.workflow_id, unit.state.status.value) for unit in units if unit.has_ended
    ]
    if ended:
        commands.append(hot.follow_sql(ended, units[0].now))
    moments = [one for unit in units for one in unit.effects if isinstance(one, (Taken, GivenBack))]
    return [*commands, *rates.moments_sql(moments)] if moments else commands
