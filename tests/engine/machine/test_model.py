"""Random workflows under random events, true and false ones: the machine keeps its promises, whatever the order."""

import dataclasses
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine import machine
from engine.domain import EMPTY, ErrorKind, Failure, Join, Payload, Ref, Retry, SideEffect, StepStatus
from engine.effects import (
    AttemptClosed,
    AttemptOpened,
    Effect,
    GivenBack,
    Rejected,
    StepChanged,
    Taken,
    Touched,
)
from engine.machine import rebuild
from engine.machine.draft import Draft
from engine.plan import APPROVAL, WORKFLOW, Approval, Plan, PlannedStep, Rate
from engine.state import (
    NEVER_RUN,
    Admit,
    Begin,
    CacheHit,
    CancelRequested,
    Claim,
    Copy,
    Decided,
    Decision,
    Event,
    Failed,
    GateOpened,
    Items,
    Level,
    Lost,
    PauseRequested,
    ResumeRequested,
    RunState,
    Steps,
    StepState,
    Succeeded,
    Tick,
)
from tests.engine.machine.plans import NOW, RUN, Fake

KINDS = st.sampled_from([kind for kind in ErrorKind if kind is not ErrorKind.SKIPPED])
SECONDS = st.integers(1, 20).map(lambda seconds: timedelta(seconds=seconds))


@st.composite
def steps(draw: st.DrawFn, number: int, depth: int) -> PlannedStep:
    """A step with whatever a step may have."""
    needs = tuple(sorted(draw(st.sets(st.integers(0, number - 1), max_size=3)))) if number else ()
    one: dict[str, Any] = {
        "id": f"s{number}",
        "needs": needs,
        "join": draw(st.sampled_from(Join)) if needs else Join.ALL,
        "goes_on": draw(st.integers(0, 3)) == 0,
    }
    kind = draw(st.sampled_from(["code"] * 4 + ["engine", "approval", "workflow"]))
    if draw(st.integers(0, 4)) == 0 or kind == "approval":
        one["approval"] = Approval(draw(st.none() | SECONDS))
    if kind == "approval":
        return PlannedStep(**one, kind=APPROVAL, timeout=None)
    if draw(st.integers(0, 3)) == 0:
        one["max_parallel"] = draw(st.integers(1, 3))
    if kind == "workflow" and depth:
        sub = draw(plans(depth - 1))
        return PlannedStep(**one, kind=WORKFLOW, sub=sub, timeout=draw(st.none() | SECONDS))
    if kind == "engine":
        return PlannedStep(**one, in_engine=True)
    retry = Retry(
        max_attempts=draw(st.integers(1, 3)),
        backoff=timedelta(seconds=draw(st.integers(0, 3))),
        on=draw(st.sampled_from([frozenset(), frozenset({ErrorKind.TIMED_OUT})])),
    )
    return PlannedStep(
        **one,
        retry=retry,
        waiting_timeout=draw(st.none() | SECONDS),
        side_effect=draw(st.sampled_from(SideEffect)),
        cache_ttl=draw(st.sampled_from([None, None, timedelta(hours=1)])),
        rate=draw(st.sampled_from([None, None, Rate(1, timedelta(seconds=1))])),
        version_id="v1",
    )


@st.composite
def plans(draw: st.DrawFn, depth: int = 2) -> Plan:
    """A workflow, with others in it."""
    count = draw(st.integers(1, 5 if depth == 2 else 3))
    made = tuple(draw(steps(number, depth)) for number in range(count))
    answers: st.SearchStrategy[bool | str] = st.sampled_from([False, "it cannot be read"])
    numbers = st.sets(st.integers(0, count - 1), max_size=1)
    fake = Fake(
        conditions={number: draw(answers) for number in draw(numbers)},
        broken=draw(numbers),
        lists={number: draw(st.lists(st.integers(0, 9), max_size=5)) for number in range(count)},
    )
    return Plan(made, fake, timeout=draw(st.sampled_from([None, None, timedelta(seconds=60)])))


def flat(steps: Level) -> Any:
    """A level as something that compares by value, whatever it was made from."""
    if isinstance(steps, Steps):
        return [one(state) for state in steps.states]
    assert isinstance(steps, Items)
    live = {index: one(state) for index, state in steps.live.items()}
    return steps.total, list(steps.outputs), steps.released, steps.ended, live, steps.skipped


def one(state: StepState) -> Any:
    return dataclasses.replace(state, inner=None), None if state.inner is None else flat(state.inner)


class RunModel(RuleBasedStateMachine):
    """One run. `rows` is what a table would hold of it, `opened` every attempt there ever was."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.opened: list[Ref] = []
        self.outcomes: dict[str, StepStatus] = {}
        self.executions: dict[str, int] = {}
        self.rows: dict[str, StepState] = {}
        self.moments: Counter[datetime] = Counter()
        """Those under the rate limit that steps have."""
        self.older: RunState | None = None
        """What another replica saw last, when `changed` was written since."""
        self.changed: dict[str, StepState] = {}

    @initialize(the_plan=plans(), later=st.booleans(), limited=st.booleans(), copied=st.booleans())
    def start(self, the_plan: Plan, later: bool, limited: bool, copied: bool) -> None:
        copies = {
            f"s{number}": Copy("v1", Payload.of({"step": number, "item": None}), EMPTY, "r0")
            for number in (0, 2)
        }
        self.state = machine.create(
            RUN,
            the_plan,
            EMPTY,
            self.now,
            start_at=self.now + timedelta(seconds=5) if later else None,
            limit_key="key" if limited else "",
            admitted=not limited,
            copies=copies if copied else None,
        )
        self.apply(Begin())

    def apply(self, event: Event) -> tuple[Effect, ...]:
        before = self.state
        again = machine.step(before, event, self.now)
        self.state, effects = machine.step(before, event, self.now)
        assert again[1] == effects  # pure
        if any(isinstance(effect, Rejected) for effect in effects):
            assert self.state is before
            assert len(effects) == 1
        for effect in effects:
            self.check(effect)
        if before.status.ended:
            assert self.state is before
        return effects

    def check(self, effect: Effect) -> None:
        if isinstance(effect, AttemptOpened):
            path = effect.step_id
            self.executions[path] = self.executions.get(path, 0) + 1
            assert self.executions[path] == effect.attempt
            assert path not in self.outcomes
            self.opened.append(Ref(RUN, path, effect.attempt, effect.epoch))
            self.check_needs(path, effect)
        if isinstance(effect, Taken) and effect.used_at is None:
            self.moments[effect.at] += 1
        if isinstance(effect, GivenBack) or (isinstance(effect, Taken) and effect.used_at is not None):
            self.moments[effect.at] -= 1
        if isinstance(effect, AttemptClosed):
            assert effect.status.ended
        if isinstance(effect, StepChanged) and effect.status.ended:  # I3
            assert effect.step_id not in self.outcomes
            self.outcomes[effect.step_id] = effect.status
        if isinstance(effect, Touched):
            before = None if effect.before is None else dataclasses.replace(effect.before, inner=None)
            assert before == self.rows.get(effect.step_id)
            self.write_row(effect.step_id, dataclasses.replace(effect.after, inner=None))

    def write_row(self, path: str, row: StepState) -> None:
        self.rows[path] = self.changed[path] = row

    def check_needs(self, path: str, effect: AttemptOpened) -> None:  # I4
        prefix = path.rpartition("/")[0]
        plan: Plan | None = self.state.plan
        for part in prefix.split("/") if prefix else []:
            assert plan is not None
            plan = plan.steps[plan.index[part.partition("[")[0]]].sub
        assert plan is not None
        planned = plan.steps[plan.index[path.rpartition("/")[2].partition("[")[0]]]
        base = f"{prefix}/" if prefix else ""
        became = [self.outcomes.get(base + plan.steps[need].id) for need in planned.needs]
        assert all(status is not None for status in became)
        if planned.join is Join.ANY and became:
            assert any(status is not None and status.succeeded for status in became)
        if planned.join is Join.ALL:
            for need, status in zip(planned.needs, became, strict=True):
                assert status is not None
                assert status.succeeded or plan.steps[need].goes_on

    def paths(self) -> list[str]:
        """Every step that there is anything to say of."""
        return [slot.path for slot in Draft(self.state, self.now).walk()] or ["s0"]

    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        self.apply(Claim(data.draw(st.sampled_from(self.paths())), "w1", "cell"))

    @rule(data=st.data(), kind=st.one_of(st.none(), st.none(), KINDS), began=st.booleans())
    def result(self, data: st.DataObject, kind: ErrorKind | None, began: bool) -> None:
        if not self.opened:
            return
        about = data.draw(st.sampled_from(self.opened))
        slot = Draft(self.state, self.now).slot(about.step_id)
        effects = self.apply(
            Succeeded(about, Payload.of(1))
            if kind is None
            else Failed(about, Failure(kind, "it broke"), began)
        )
        if slot is not None and (slot.state.attempt, slot.state.epoch) != (about.attempt, about.epoch):
            assert isinstance(effects[0], Rejected)  # a stale result is never applied

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        if self.opened:
            self.apply(Lost(data.draw(st.sampled_from(self.opened))))

    @rule(data=st.data(), hit=st.booleans())
    def gate(self, data: st.DataObject, hit: bool) -> None:
        waiting = [(path, row.gate) for path, row in self.rows.items() if row.gate] or [("s0", "rate:mails")]
        path, gate = data.draw(st.sampled_from(waiting))
        if hit and gate.startswith("cache:"):
            self.apply(CacheHit(path, gate, Payload.of("known"), "r0"))
        else:
            self.apply(GateOpened(path, gate, self.now + timedelta(seconds=1)))

    @rule(data=st.data(), approved=st.booleans())
    def decide(self, data: st.DataObject, approved: bool) -> None:
        path = data.draw(st.sampled_from(self.paths()))
        self.apply(Decided(path, Decision(approved, "u1", "Ada", self.now)))

    @rule(
        attempt=st.integers(0, 3),
        path=st.sampled_from(["s0", "s9", "s1[0]", "s1[99]", "s1/s0", "[", "s1/", "é"]),
    )
    def nonsense(self, attempt: int, path: str) -> None:
        self.apply(Succeeded(Ref(RUN, path, attempt, attempt), Payload.of(1)))
        machine.wrote(self.state, Ref(RUN, path, attempt, attempt), 1)

    @rule(data=st.data(), line=st.integers(1, 5))
    def write(self, data: st.DataObject, line: int) -> None:
        if self.opened:
            about = data.draw(st.sampled_from(self.opened))
            self.state, before = machine.wrote(self.state, about, line)
            if before is not None:
                row = self.rows[about.step_id]
                self.write_row(about.step_id, dataclasses.replace(row, lines=max(row.lines, line)))

    @rule(seconds=st.sampled_from([0, 1, 5, 10, 700]))
    def tick(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.apply(Tick())

    @rule(event=st.sampled_from([PauseRequested(), ResumeRequested(), Admit(), CancelRequested("enough")]))
    def steer(self, event: Event) -> None:
        self.apply(event)

    @rule()
    def begin_again(self) -> None:
        effects = self.apply(Begin())
        assert isinstance(effects[0], Rejected)

    @rule()
    def another_replica_looks(self) -> None:
        self.older, self.changed = self.state, {}

    @invariant()
    def what_was_written_makes_the_same_state(self) -> None:
        if hasattr(self, "state"):
            self.check_made_of(self.rows, None)

    @invariant()
    def what_was_written_since_makes_the_same_state_of_an_older_one(self) -> None:
        if self.older is not None:
            self.check_made_of(self.changed, self.older)

    def check_made_of(self, rows: dict[str, StepState], older: RunState | None) -> None:
        root = None if older is None else older.root
        bare = dataclasses.replace(
            self.state,
            root=rebuild.root(self.state.plan, self.state.inputs, rows, root),
            ready={},
            timers={},
        )
        again = rebuild.waits(bare, rows, older)
        assert flat(again.root) == flat(self.state.root)
        assert again.ready == self.state.ready
        if not self.state.status.ended:
            assert again.timers == self.state.timers
        for path, status in self.outcomes.items():
            assert self.rows[path].status is status  # what ended stays

    @invariant()
    def a_moment_under_a_rate_limit_is_had_by_a_step_or_was_used_or_returned(self) -> None:
        rated = (one for one in self.rows.values() if one.gate.startswith("rate:"))
        assert +self.moments == Counter(one.due_at for one in rated if one.due_at is not None)
        assert min(self.moments.values(), default=0) >= 0

    @invariant()
    def a_pause_is_on_record_from_its_beginning_to_its_end(self) -> None:
        if hasattr(self, "state"):
            assert len(self.state.pauses) % 2 == (self.state.status.value == "PAUSED")
            assert list(self.state.pauses) == sorted(self.state.pauses)

    @invariant()
    def a_run_has_ended_when_all_its_steps_have(self) -> None:
        if hasattr(self, "state"):
            all_ended = all(one.status.ended for one in self.state.steps)
            assert self.state.status.ended == all_ended

    @invariant()
    def a_live_run_can_always_move(self) -> None:
        if not hasattr(self, "state") or self.state.status.ended or not self.state.begun:
            return
        leaves = [slot.state for slot in Draft(self.state, self.now).walk() if slot.state.inner is None]
        moving = (StepStatus.READY, StepStatus.RUNNING, StepStatus.WAITING_APPROVAL)
        assert any(one.status in moving for one in leaves)

    @invariant()
    def nothing_is_held_back_without_a_reason(self) -> None:
        if hasattr(self, "state") and self.state.status.value != "PAUSED":
            for path, due in self.state.ready.items():
                assert due is not None or self.rows[path].gate

    def teardown(self) -> None:  # I1: whatever happened, a run that is served ends
        if not hasattr(self, "state"):
            return
        for _ in range(300):
            if self.state.status.ended:
                break
            self.now += timedelta(seconds=10)
            self.serve()
        assert self.state.status.ended

    def serve(self) -> None:
        """Does what workers, gates and people do."""
        self.apply(Tick())
        self.apply(Admit())
        self.apply(ResumeRequested())
        for path in self.paths():
            row = self.rows.get(path, NEVER_RUN)
            if row.status is StepStatus.READY and row.gate and row.due_at is None:
                self.apply(GateOpened(path, row.gate, self.now))
            elif row.status is StepStatus.READY:
                self.apply(Claim(path, "w2", "cell"))
            elif row.status is StepStatus.RUNNING:
                self.apply(Succeeded(Ref(RUN, path, row.attempt, row.epoch), Payload.of(1)))
            elif row.status is StepStatus.WAITING_APPROVAL:
                self.apply(Decided(path, Decision(True, "u1", "Ada", self.now)))


TestRunModel = RunModel.TestCase
TestRunModel.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
