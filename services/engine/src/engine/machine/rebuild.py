"""A run's state from its parts: the rows that were written of its steps, by path.

All of them, or, where an older state is known, those that were written since: of a step with thousands of items each
replica then reads what the others did, and not everything again.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from engine.blocks import Blocks
from engine.domain import Payload, StepStatus
from engine.machine.starting import count
from engine.plan import Plan
from engine.state import NEVER_RUN, Items, Level, RunState, Steps, StepState

_ITEM: Final = re.compile(r"(.+)\[(\d+)\]")

Rows = Mapping[str, StepState]


def root(plan: Plan, inputs: Payload, rows: Rows, base: Steps | None = None) -> Steps:
    """The workflow's own steps, with all that they are made of; with a `base`, as they are after the rows changed."""
    items: dict[str, dict[int, str]] = {}
    for path in rows:
        if match := _ITEM.fullmatch(path):
            items.setdefault(match[1], {})[int(match[2])] = path
    return _steps(plan, inputs, "", _Read(rows, items), base)


class _Read(NamedTuple):
    rows: Rows
    items: Mapping[str, Mapping[int, str]]
    """The paths of items by their step's and their index."""


def _steps(plan: Plan, inputs: Payload, prefix: str, read: _Read, base: Level | None) -> Steps:
    states = []
    for number, planned in enumerate(plan.steps):
        path = prefix + planned.id
        known = base.states[number] if isinstance(base, Steps) else NEVER_RUN
        one = read.rows.get(path, known)
        if planned.is_fan and one.inputs is not None and one.attempt:
            one = replace(one, inner=_items(planned.sub, one.inputs, path, read, known.inner))
        elif planned.sub is not None and one.status is StepStatus.RUNNING and one.inputs is not None:
            one = replace(one, inner=_steps(planned.sub, one.inputs, f"{path}/", read, known.inner))
        states.append(one)
    return Steps(inputs, plan, tuple(states))


def _items(sub: Plan | None, inputs: Payload, path: str, read: _Read, base: Level | None) -> Items:
    total = count(inputs) or 0
    known = base if isinstance(base, Items) else Items(inputs, total=total, outputs=Blocks(total))
    found = {index: read.rows[item] for index, item in read.items.get(path, {}).items()}
    over = {
        index: one
        for index, one in sorted(found.items())
        if one.status.ended and not known.outputs.has(index)
    }
    live = {index: one for index, one in {**known.live, **found}.items() if not one.status.ended}
    for index, one in live.items():
        if sub is not None and one.inputs is not None:
            inner = known.live.get(index, NEVER_RUN).inner
            live[index] = replace(one, inner=_steps(sub, one.inputs, f"{path}[{index}]/", read, inner))
    failed = (one.failure for one in over.values() if not _went_well(one))
    return Items(
        inputs,
        total=total,
        outputs=known.outputs.put({index: one.output for index, one in over.items()}),
        released=next((index for index in range(known.released, total) if index not in found), total),
        ended=known.ended + len(over),
        live=live,
        failure=known.failure or next(failed, None),
        skipped=known.skipped + sum(one.status is StepStatus.SKIPPED for one in over.values()),
    )


def _went_well(one: StepState) -> bool:
    return one.status.succeeded or one.status is StepStatus.SKIPPED


def waits(state: RunState, rows: Rows, base: RunState | None = None) -> RunState:
    """The state with its lists of what is READY and what time will change; with a `base`, after the rows changed."""
    ready = {} if base is None else dict(base.ready)
    timers = {} if base is None else dict(base.timers)
    for path, one in rows.items():
        ready.pop(path, None)
        timers.pop(path, None)
        if one.status is StepStatus.READY:
            ready[path] = one.due_at
        if one.expires_at is not None:
            timers[path] = one.expires_at
    timers.pop("", None)
    moments = [state.deadline_at, None if state.begun else state.start_at]
    if (first := min((one for one in moments if one is not None), default=None)) is not None:
        timers[""] = first
    return replace(state, ready=ready, timers=timers)
