"""The levels of a run's state while it is being changed: a workflow's steps, or a step's items, each a slot."""

import dataclasses
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from chassis.jsonvalue import Json
from engine.domain import Failure, Payload, Reference, StepStatus
from engine.plan import Plan, PlannedStep, StepView
from engine.state import NEVER_RUN, Items, Steps, StepState, StopCause

if TYPE_CHECKING:
    from engine.machine.draft import Draft


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
