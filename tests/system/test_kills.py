"""kill -9 of each process while a run is RUNNING: it still ends in SUCCESS, gapless, once, and on record."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.stack import Stack
from tests.system.conftest import SLOTS
from tests.system.console import Console, assert_gapless


@pytest.fixture
async def console(doomed: Stack) -> AsyncIterator[Console]:
    """The administrator of that stack."""
    async with doomed.http() as http:
        yield Console(http, patience=15)


async def three_steps(console: Console) -> str:
    """Starts a run of three steps of a second each."""
    code = await console.python(
        """
        import time
        def main(before: int = 0) -> int:
            for i in range(10):
                print("tick", i)
                time.sleep(0.1)
            return before + 1
        """
    )
    workflow = await console.workflow(
        f"""
        name: NAME
        steps:
          - {{id: a, component: {code}}}
          - {{id: b, component: {code}, with: {{before: "${{{{ steps.a.output }}}}"}}}}
          - {{id: c, component: {code}, with: {{before: "${{{{ steps.b.output }}}}"}}}}
        outputs:
          count: "${{{{ steps.c.output }}}}"
        """
    )
    return await console.start(workflow["name"])


@pytest.mark.parametrize(
    "victim", ["engine", "worker", "gateway", "nats", "postgres", "envoy", "audit", "identity"]
)
async def test_a_run_outlives_the_death_of_any_process(doomed: Stack, console: Console, victim: str) -> None:
    run = await three_steps(console)
    await console.until_running(run, "b")
    before = await console.run(run)

    killed = doomed.wipe_nats() if victim == "nats" else doomed.kill(victim)
    reborn = doomed.wait_restarted(victim, killed)
    ended = await console.finish(run, seconds=60)

    assert before["status"] == "RUNNING"
    assert reborn != killed
    assert (ended["status"], ended["outputs"]) == ("SUCCESS", {"count": 3})
    events = await console.events(run)
    assert_gapless(events)
    await assert_one_outcome_each(console, run)
    await assert_every_line(console, run)
    await assert_audited(console, run, events)
    assert (await console.call("POST", "/api/v1/action-logs:verify", json={}))["ok"]


async def assert_one_outcome_each(console: Console, run: str) -> None:
    """Every step succeeded in exactly one of its attempts, and only the events of that one say so."""
    for step in (await console.steps(run)).values():
        outcomes = [attempt["status"] for attempt in step["attempts"]]
        assert outcomes.count("SUCCESS") == 1, outcomes
        assert outcomes[-1] == "SUCCESS"


async def assert_every_line(console: Console, run: str) -> None:
    """What the attempts that succeeded printed is recorded: whole, once, in order."""
    events = await console.events(run)
    for name, step in (await console.steps(run)).items():
        number = step["attempts"][-1]["number"]
        printed = [
            event["log"]["message"]
            for event in events
            if "log" in event and (event["log"]["stepId"], event["log"]["attempt"]) == (name, number)
        ]
        assert printed == [f"tick {count}" for count in range(10)]


async def assert_audited(console: Console, run: str, events: list[dict[str, object]]) -> None:
    """Every change of status of the run and its steps is in the action log, once."""
    changes = [event for event in events if "runStatusChange" in event or "stepStatusChange" in event]
    expected = {f"{run}:{event['seq']}" for event in changes}
    entries = await console.action_logs(
        f'entity_id = "{run}*" AND action = "*_STATUS_CHANGED"',
        seconds=20,
        least=len(expected),
    )
    assert {entry["id"] for entry in entries} == expected


async def test_a_worker_that_is_killed_with_fifty_running_steps_loses_none(
    doomed: Stack, console: Console
) -> None:
    code = await console.python(
        """
        import time
        import mcpanel_step as step
        def main(n: int) -> int:
            time.sleep(60 if step.context.attempt == 1 else 0.1)
            return n * 2
        """
    )
    workflow = await console.workflow(
        f"""
        name: NAME
        inputs:
          numbers: {{type: array}}
        steps:
          - id: each
            component: {code}
            for_each: "${{{{ inputs.numbers }}}}"
            max_parallel: {SLOTS}
            with: {{n: "${{{{ item }}}}"}}
        outputs:
          doubled: "${{{{ steps.each.output }}}}"
        """
    )
    run = await console.start(workflow["name"], numbers=list(range(SLOTS)))
    items = [f"each[{number}]" for number in range(SLOTS)]
    async with asyncio.timeout(40):
        while not all(step["status"] == "RUNNING" for step in await items_of(console, run, items)):
            await asyncio.sleep(0.1)

    killed = doomed.kill("worker")
    reborn = doomed.wait_restarted("worker", killed)
    ended = await console.finish(run, seconds=60)

    assert reborn != killed
    assert (ended["status"], ended["outputs"]) == (
        "SUCCESS",
        {"doubled": [number * 2 for number in range(SLOTS)]},
    )
    for step in await items_of(console, run, items):
        first, *more = step["attempts"]
        *lost, last = more  # on a starved machine the new worker, too, may fall silent for a lease
        assert {one["error"]["kind"] for one in (first, *lost)} == {"WORKER_LOST"}
        assert last["status"] == "SUCCESS"
        assert first["workerId"] != last["workerId"]
    assert_gapless(await console.events(run))


async def items_of(console: Console, run: str, items: list[str]) -> list[dict[str, Any]]:
    """The items' steps; those that are not there yet are empty."""
    steps = await console.steps(run)
    return [steps.get(item, {"status": ""}) for item in items]


async def test_a_stream_goes_on_through_the_death_of_gateway_and_engine(
    doomed: Stack, console: Console
) -> None:
    run = await three_steps(console)
    seen = []

    async for event in console.stream(run):
        seen.append(event)
        if len(seen) == 6:
            doomed.wait_restarted("engine", doomed.kill("engine"))

    assert [event.id for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].name == "end"
