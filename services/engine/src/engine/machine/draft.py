"""A run's state while it is being changed: opened where it is looked at, put together again where it was changed."""

import dataclasses
import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, TypeAlias, cast

from chassis.jsonvalue import Json
from engine.domain import Failure, Payload, Ref, Reference, RunStatus, StepStatus, Usage
from engine.plan import Plan, PlannedStep, StepView
from engine.state import (
    NEVER_RUN,
    RATE,
    AttemptClosed,
    Effect,
    GivenBack,
    Items,
    Rejected,
    RunChanged,
    RunState,
    StepChanged,
    Steps,
    StepState,
    StopCause,
    Taken,
    Touched,
)

_MOST_PAUSES: Final = 1000
_PART: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[(0|[1-9][0-9]{0,6})\])?")


class Slot:
    """A place for a step: in a workflow its number, among items its index."""

    __slots__ = ("key", "level")

    def __init__(self, level: "LevelDraft", key: int) -> None:
        self.level = level
        self.key = key

    @property
    def state(self) -> StepState:
        return self.level.get(self.key)

    @property
    def planned(self) -> PlannedStep:
        return self.level.planned(self.key)

    @property
    def path(self) -> str:
        return self.level.path(self.key)

    @property
    def is_past(self) -> bool:
        """Whether it is an item that has ended: of that no more than its output is known."""
        return isinstance(self.level, ItemsDraft) and self.level.has_ended(self.key)

    @property
    def inner(self) -> "LevelDraft":
        """What the step is made of, while it runs."""
        return self.level.inner(self.key)

    def change(self, **fields: Any) -> StepState:
        """Replaces fields of the step's state; the new one."""
        before = self.level.get(self.key)
        after = dataclasses.replace(before, **fields)
        self.level.put(self.key, after)
        self.level.draft.touched(self, before, after)
        return after

    def end(self, status: StepStatus, **fields: Any) -> None:
        """Gives the step its final status. Of one that no worker took it stays on record when one might have."""
        draft, before = self.level.draft, self.state
        ended = self.change(
            status=status,
            ended_at=draft.now,
            due_at=before.due_at if before.status is StepStatus.READY else None,
            gate="",
            not_before=None,
            worker_id="",
            deadline_at=None,
            expires_at=None,
            stopping=False,
            **fields,
        )
        draft.say(self, of=ended)  # the level remembers of an item that has ended only what became of it
        draft.ended.append(self)


class StepsDraft:
    """The steps of a workflow, while they change."""

    def __init__(self, draft: "Draft", state: Steps, owner: Slot | None) -> None:
        self.draft = draft
        self.owner = owner
        self.plan: Plan = state.plan
        self.inputs: Payload = state.inputs
        self.states = list(state.states)
        self.cause, self.failure = _cause(owner)
        self.prefix = "" if owner is None else f"{owner.path}/"
        self._state = state
        self._inner: dict[int, LevelDraft] = {}

    def get(self, key: int) -> StepState:
        return self.states[key]

    def put(self, key: int, state: StepState) -> None:
        self.states[key] = state

    def planned(self, key: int) -> PlannedStep:
        return self.plan.steps[key]

    def path(self, key: int) -> str:
        return self.prefix + self.plan.steps[key].id

    def number(self, key: int) -> int:
        """Which of the plan's steps the key is."""
        return key

    def inner(self, key: int) -> "LevelDraft":
        found = self._inner.get(key)
        if found is None:
            found = self._inner[key] = _open(Slot(self, key))
        return found

    def close(self, key: int) -> None:
        """Forgets what the step was made of."""
        self._inner.pop(key, None)

    def open_slots(self) -> list[Slot]:
        """Those that have not ended."""
        return [Slot(self, key) for key, one in enumerate(self.states) if not one.status.ended]

    @property
    def is_done(self) -> bool:
        return all(one.status.ended for one in self.states)

    def scope(self, key: int | None = None) -> "DraftScope":
        """What expressions of this level may read."""
        return DraftScope(self, None)

    def seal(self) -> Steps:
        for key, inner in self._inner.items():
            one = self.states[key]
            if (sealed := inner.seal()) is not one.inner and one.inner is not None:
                self.states[key] = dataclasses.replace(one, inner=sealed)
        if all(new is old for new, old in zip(self.states, self._state.states, strict=True)):
            return self._state
        return Steps(self.inputs, self.plan, tuple(self.states))


class ItemsDraft:
    """The items of a `for_each` step, while they change."""

    def __init__(self, draft: "Draft", state: Items, owner: Slot) -> None:
        self.draft = draft
        self.owner = owner
        self.inputs: Payload = state.inputs
        self.live = dict(state.live)
        self.total = state.total
        self.released = state.released
        self.ended = state.ended
        self.skipped = state.skipped
        self.failure_of_item = state.failure
        self.cause, self.failure = _cause(owner)
        self.prefix = owner.path
        self._state = state
        self._outputs: dict[int, Payload | None] = {}
        self._inner: dict[int, LevelDraft] = {}
        self._is_changed = False

    @property
    def steps(self) -> StepsDraft:
        """The workflow that the `for_each` step is one of."""
        return cast("StepsDraft", self.owner.level)

    def get(self, key: int) -> StepState:
        return self.live.get(key, NEVER_RUN)

    def put(self, key: int, state: StepState) -> None:
        self._is_changed = True
        if not state.status.ended:
            self.live[key] = state
            return
        self.live.pop(key, None)
        self._outputs[key] = state.output
        self.ended += 1
        if state.status is StepStatus.SKIPPED:
            self.skipped += 1
        elif not state.status.succeeded and self.failure_of_item is None:
            self.failure_of_item = state.failure

    def has_ended(self, key: int) -> bool:
        return key in self._outputs or self._state.outputs.has(key)

    def release(self, key: int) -> None:
        """Notes that all items up to this one have begun."""
        self.released = key + 1
        self._is_changed = True

    def planned(self, key: int) -> PlannedStep:
        return self.steps.plan.items[self.owner.key]

    def path(self, key: int) -> str:
        return f"{self.prefix}[{key}]"

    def number(self, key: int) -> int:
        """Which of the plan's steps the key is."""
        return self.owner.key

    @property
    def plan(self) -> Plan:
        return self.steps.plan

    def inner(self, key: int) -> "LevelDraft":
        found = self._inner.get(key)
        if found is None:
            found = self._inner[key] = _open(Slot(self, key))
        return found

    def close(self, key: int) -> None:
        """Forgets what the item was made of."""
        self._inner.pop(key, None)

    def open_slots(self) -> list[Slot]:
        """Those that have begun and not ended."""
        return [Slot(self, key) for key in self.live]

    @property
    def is_done(self) -> bool:
        return not self.live and (bool(self.cause) or self.ended == self.total)

    def scope(self, key: int | None = None) -> "DraftScope":
        """What expressions of an item may read."""
        index, items = cast("int", key), cast("Any", self.inputs.value)
        item: Any = items.part(str(index)) if isinstance(items, Reference) else items[index]
        return DraftScope(self.steps, (index, item))

    def seal(self) -> Items:
        for key, inner in self._inner.items():
            one = self.live.get(key)
            if one is not None and (sealed := inner.seal()) is not one.inner:
                self.live[key] = dataclasses.replace(one, inner=sealed)
                self._is_changed = True
        if not self._is_changed:
            return self._state
        return Items(
            self.inputs,
            total=self.total,
            outputs=self._state.outputs.put(self._outputs) if self._outputs else self._state.outputs,
            released=self.released,
            ended=self.ended,
            live=self.live,
            failure=self.failure_of_item,
            skipped=self.skipped,
        )


LevelDraft: TypeAlias = StepsDraft | ItemsDraft


def _open(slot: Slot) -> LevelDraft:
    inner = slot.state.inner
    draft = slot.level.draft
    if isinstance(inner, Items):
        return ItemsDraft(draft, inner, slot)
    return StepsDraft(draft, cast("Steps", inner), slot)


def _cause(owner: Slot | None) -> tuple[StopCause, Failure | None]:
    """Why the steps inside `owner` are being stopped, if they are."""
    if owner is None or not owner.state.stopping:
        return "", None
    failure = owner.state.failure
    if failure is None or failure.kind == "CANCELLED":
        return "cancel", failure
    return "failure", failure


class DraftScope:
    """What expressions may read of a draft."""

    def __init__(self, level: StepsDraft, item: tuple[int, Json] | None) -> None:
        self._level = level
        self.item = item

    @property
    def inputs(self) -> Payload:
        return self._level.inputs

    @property
    def run_id(self) -> str:
        return self._level.draft.state.id

    def step(self, step_id: str) -> StepView | None:
        number = self._level.plan.index.get(step_id)
        if number is None:
            return None
        one = self._level.states[number]
        if not one.status.ended:
            return None
        output = one.output
        if isinstance(one.inner, Items):
            output = gathered(cast("Items", self._level.inner(number).seal()))
        return StepView(one.status, output, one.failure)


def gathered(items: Items) -> Payload:
    """The output of a `for_each` step: the list of its items', null where there is none."""
    if any(one is not None and not one.is_inline for one in items.outputs):
        return Payload.of([None if one is None else one.value for one in items.outputs])
    return Payload(b"[" + b",".join(b"null" if one is None else one.raw for one in items.outputs) + b"]")


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
