"""A run's state from its parts: the rows that were written of its steps, by path."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from engine.blocks import Blocks
from engine.domain import Payload, StepStatus
from engine.machine.starting import count
from engine.plan import Plan
from engine.state import NEVER_RUN, Items, RunState, Steps, StepState

_ITEM: Final = re.compile(r"(.+)\[(\d+)\]")

Rows = Mapping[str, StepState]


def root(plan: Plan, inputs: Payload, rows: Rows) -> Steps:
    """The workflow's own steps, with all that they are made of."""
    items: dict[str, dict[int, str]] = {}
    for path in rows:
        if match := _ITEM.fullmatch(path):
            items.setdefault(match[1], {})[int(match[2])] = path
    return _steps(plan, inputs, "", rows, items)


def _steps(
    plan: Plan, inputs: Payload, prefix: str, rows: Rows, items: Mapping[str, Mapping[int, str]]
) -> Steps:
    states = []
    for planned in plan.steps:
        path = prefix + planned.id
        one = rows.get(path, NEVER_RUN)
        if planned.is_fan and one.inputs is not None and one.attempt:
            one = replace(one, inner=_items(planned.sub, one.inputs, path, rows, items))
        elif planned.sub is not None and one.status is StepStatus.RUNNING and one.inputs is not None:
            one = replace(one, inner=_steps(planned.sub, one.inputs, f"{path}/", rows, items))
        states.append(one)
    return Steps(inputs, plan, tuple(states))


def _items(
    sub: Plan | None, inputs: Payload, path: str, rows: Rows, items: Mapping[str, Mapping[int, str]]
) -> Items:
    total = count(inputs) or 0
    of_items = {index: rows[item] for index, item in items.get(path, {}).items()}
    live = {index: one for index, one in of_items.items() if not one.status.ended}
    for index, one in live.items():
        if sub is not None and one.inputs is not None:
            live[index] = replace(one, inner=_steps(sub, one.inputs, f"{path}[{index}]/", rows, items))
    over = {index: one for index, one in sorted(of_items.items()) if one.status.ended}
    failed = (one.failure for one in over.values() if not _went_well(one))
    return Items(
        inputs,
        total=total,
        outputs=Blocks[Payload | None](total).put({index: one.output for index, one in over.items()}),
        released=next((index for index in range(total) if index not in of_items), total),
        ended=len(over),
        live=live,
        failure=next(failed, None),
        skipped=sum(one.status is StepStatus.SKIPPED for one in over.values()),
    )


def _went_well(one: StepState) -> bool:
    return one.status.succeeded or one.status is StepStatus.SKIPPED


def waits(state: RunState, rows: Rows) -> RunState:
    """The state with its lists of what is READY and what time will change."""
    ready = {path: one.due_at for path, one in rows.items() if one.status is StepStatus.READY}
    timers: dict[str, datetime] = {
        path: one.expires_at for path, one in rows.items() if one.expires_at is not None
    }
    moments = [state.deadline_at, None if state.begun else state.start_at]
    if (first := min((one for one in moments if one is not None), default=None)) is not None:
        timers[""] = first
    return replace(state, ready=ready, timers=timers)
