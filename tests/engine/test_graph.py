"""Items, workflows in workflows, joins, and failures that a run survives; on real tables, with a real work stream."""

import asyncio
from typing import Any

import pytest

from chassis import jsonvalue
from engine.store import loading
from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.support.callers import EDITOR, as_caller

Run = run_pb2.Run
Step = run_pb2.StepExecution


def value(message: Any) -> Any:
    return jsonvalue.from_value(message)


def outputs(run: run_pb2.Run) -> dict[str, Any]:
    return jsonvalue.from_struct(run.outputs)


async def double(attempt: Attempt) -> Any:
    return attempt.inputs["n"] * 2


async def test_a_step_runs_once_for_each_item_and_its_output_is_their_list(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {
            "id": "double",
            "for_each": "${{ inputs.numbers }}",
            "with_": {"n": "${{ item }}", "at": "${{ index }}"},
        },
        {"id": "sum", "with_": {"all": "${{ steps.double.output }}"}},
        inputs={"numbers": {"type": "array"}},
        outputs={"doubled": "${{ steps.double.output }}", "count": "${{ size(steps.double.output) }}"},
    )
    worker.default = double
    worker.code["sum"] = lambda attempt: asyncio.sleep(0, sum(attempt.inputs["all"]))

    run = await engine.ended((await engine.start_run(numbers=[1, 2, 3])).id)

    assert run.status == Run.SUCCESS, run.error
    assert outputs(run) == {"doubled": [2, 4, 6], "count": 3}
    steps = await engine.steps(run.id)
    assert list(steps) == ["double", "double[0]", "double[1]", "double[2]", "sum"]
    assert jsonvalue.from_struct(steps["double[1]"].inputs) == {"n": 2, "at": 1}
    assert value(steps["sum"].output) == 12
    assert {one.kind for one in steps.values()} == {"PYTHON_SCRIPT"}
    changes = [one.step_status_change for one in await engine.events(run.id)]
    assert [one.status for one in changes if one.step_id == "double[1]"][-1] == Step.SUCCESS


async def test_no_more_items_run_at_once_than_allowed(engine: Engine, peers: Peers) -> None:
    peers.registry.workflow({"id": "a", "for_each": list(range(20)), "max_parallel": 3})
    running, most = 0, 0

    async def count(_: Attempt) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    async with FakeWorker(engine.address, slots=10) as worker:
        worker.default = count
        run = await engine.ended((await engine.start_run()).id)

    assert run.status == Run.SUCCESS
    assert most == 3


async def test_a_list_without_items_is_a_step_that_succeeds_with_nothing(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a", "for_each": []}, outputs={"a": "${{ steps.a.output }}"})

    run = await engine.ended((await engine.start_run()).id)

    assert (run.status, outputs(run)) == (Run.SUCCESS, {"a": []})


async def test_an_item_that_fails_stops_the_others(engine: Engine, peers: Peers, worker: FakeWorker) -> None:
    peers.registry.workflow({"id": "a", "for_each": list(range(50)), "with_": {"n": "${{ item }}"}})

    async def fail(attempt: Attempt) -> Any:
        if attempt.inputs["n"] == 1:
            raise StepFailed
        return attempt.inputs["n"]

    worker.default = fail
    run = await engine.ended((await engine.start_run()).id)

    assert (run.status, run.error.step_id) == (Run.FAILED, "a[1]")
    steps = await engine.steps(run.id)
    assert steps["a"].status == Step.FAILED
    assert Step.SUCCESS not in [
        steps[f"a[{index}]"].status for index in range(10, 50) if f"a[{index}]" in steps
    ]


async def test_items_may_fail_when_the_run_is_to_go_on(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "a", "for_each": [1, 2, 3], "with_": {"n": "${{ item }}"}, "on_failure": "continue"},
        {"id": "b", "with_": {"all": "${{ steps.a.output }}", "status": "${{ steps.a.status }}"}},
        outputs={"seen": "${{ steps.b.output }}"},
    )

    async def fail(attempt: Attempt) -> Any:
        if attempt.inputs["n"] == 2:
            raise StepFailed
        return attempt.inputs["n"]

    worker.code = {f"a[{index}]": fail for index in range(3)}
    run = await engine.ended((await engine.start_run()).id)

    assert (run.status, outputs(run)["seen"]) == (Run.SUCCESS, {"all": [1, None, 3], "status": "FAILED"})


async def test_a_workflow_runs_as_a_step_with_its_defaults_and_its_outputs(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    inner = peers.registry.workflow(
        {"id": "b", "with_": {"n": "${{ inputs.n }}"}},
        {"id": "c", "with_": {"n": "${{ steps.b.output + inputs.more }}"}},
        name="inner",
        inputs={"n": {"type": "integer"}, "more": {"type": "integer", "default": jsonvalue.to_value(10)}},
        outputs={"c": "${{ steps.c.output }}"},
    )
    peers.registry.workflow(
        {"id": "a", "workflow": inner, "with_": {"n": "${{ inputs.n }}"}},
        {"id": "d", "with_": {"n": "${{ steps.a.output.c }}"}},
        inputs={"n": {"type": "integer"}},
        outputs={"d": "${{ steps.d.output }}"},
    )
    worker.default = double

    run = await engine.ended((await engine.start_run(n=1)).id)

    assert (run.status, outputs(run)) == (Run.SUCCESS, {"d": 48})
    steps = await engine.steps(run.id)
    assert list(steps) == ["a", "a/b", "a/c", "d"]
    assert (steps["a"].kind, steps["a"].component) == ("WORKFLOW", "inner@1")
    seen = [
        one.step_status_change.step_id
        for one in await engine.events(run.id)
        if one.HasField("step_status_change")
    ]
    assert seen[-1] == "d"
    assert "a/b" in seen


async def test_a_workflow_may_run_for_each_item(engine: Engine, peers: Peers, worker: FakeWorker) -> None:
    inner = peers.registry.workflow(
        {"id": "b", "with_": {"n": "${{ inputs.n }}"}},
        name="inner",
        inputs={"n": {"type": "integer"}},
        outputs={"b": "${{ steps.b.output }}"},
    )
    peers.registry.workflow(
        {"id": "a", "workflow": inner, "for_each": [1, 2], "with_": {"n": "${{ item }}"}},
        outputs={"a": "${{ steps.a.output }}"},
    )
    worker.default = double

    run = await engine.ended((await engine.start_run()).id)

    assert outputs(run) == {"a": [{"b": 2}, {"b": 4}]}
    assert list(await engine.steps(run.id)) == ["a", "a[0]", "a[0]/b", "a[1]", "a[1]/b"]


async def test_inputs_that_an_inner_workflow_does_not_take_fail_the_step(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    inner = peers.registry.workflow({"id": "b"}, name="inner", inputs={"n": {"type": "integer"}})
    peers.registry.workflow(
        {"id": "a", "workflow": inner, "with_": {"n": "${{ inputs.n }}"}}, inputs={"n": {}}
    )

    run = await engine.ended((await engine.start_run(n="many")).id)

    assert (run.status, run.error.step_id) == (Run.FAILED, "a")
    assert "expected a whole number" in run.error.message


@pytest.mark.parametrize(
    "case",
    [
        ("all", (), Step.SUCCESS),
        ("any", ("a",), Step.SUCCESS),
        ("any", ("a", "b"), Step.SKIPPED),
        ("ended", ("a", "b"), Step.SUCCESS),
    ],
)
async def test_a_join_decides_what_must_have_become_of_the_needs(
    engine: Engine, peers: Peers, worker: FakeWorker, case: tuple[str, tuple[str, ...], int]
) -> None:
    join, fails, status = case

    async def fail(_: Attempt) -> Any:
        raise StepFailed

    worker.code = dict.fromkeys(fails, fail)
    peers.registry.workflow(
        {"id": "a", "on_failure": "continue"},
        {"id": "b", "on_failure": "continue"},
        {"id": "c", "needs": ["a", "b"], "join": join},
    )

    run = await engine.ended((await engine.start_run()).id)

    assert run.status == Run.SUCCESS
    assert (await engine.steps(run.id))["c"].status == status


@pytest.mark.usefixtures("brief_lease")
async def test_a_run_goes_on_where_another_replica_left_it(engines: Engines, peers: Peers) -> None:
    inner = peers.registry.workflow({"id": "b"}, {"id": "c", "needs": ["b"]}, name="inner")
    peers.registry.workflow({"id": "a", "workflow": inner, "for_each": list(range(6)), "max_parallel": 2})
    first = await engines.start()
    async with FakeWorker(first.address, slots=2) as worker:
        run = await first.start_run()
        while len(worker.assignments) < 4:
            await asyncio.sleep(0.01)
    await engines.stop(first)

    second = await engines.start()
    async with FakeWorker(second.address, slots=2):
        ended = await second.ended(run.id, seconds=20)

    assert ended.status == Run.SUCCESS
    steps = await second.steps(run.id)
    assert len(steps) == 1 + 6 * 3
    assert {one.status for one in steps.values()} == {Step.SUCCESS}


async def test_many_items_each_run_once(engines: Engines, peers: Peers) -> None:
    """The lease is as long as by default: 200 assignments under way at once take a busy machine some seconds."""
    engine = await engines.start(lease_seconds=15.0)
    peers.registry.workflow(
        {"id": "a", "for_each": "${{ inputs.items }}", "max_parallel": 200}, inputs={"items": {}}
    )

    async with FakeWorker(engine.address, slots=200) as worker:
        run = await engine.start_run(items=list(range(1000)))
        ended = await engine.ended(run.id, seconds=60)
        assert len(worker.assignments) == 1000

    assert ended.status == Run.SUCCESS
    request = engine_pb2.GetRunRequest(run_id=run.id, view=engine_pb2.BASIC)
    assert (await engine.stub.GetRun(request, metadata=as_caller(EDITOR))).run.steps_ended == 1


async def test_replicas_that_share_a_fan_out_read_what_the_others_did_and_not_all_again(
    engines: Engines, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow(
        {"id": "a", "for_each": "${{ inputs.items }}", "max_parallel": 8},
        inputs={"items": {}},
        outputs={"items": "${{ steps.a.output }}"},
    )
    read: list[int] = []
    to_states = loading.to_states

    def counted(runs: Any, steps: Any, *rest: Any) -> Any:
        read.append(len(steps))
        return to_states(runs, steps, *rest)

    monkeypatch.setattr(loading, "to_states", counted)

    async def code(attempt: Attempt) -> Any:
        return int(attempt.ref.step_id[2:-1])

    async with FakeWorker(one.address) as first, FakeWorker(two.address) as second:
        first.default = second.default = code
        run = await one.start_run(items=list(range(300)))
        ended = await two.ended(run.id, seconds=30)

    assert ended.status == Run.SUCCESS
    assert outputs(ended)["items"] == list(range(300))
    assert len(first.assignments) + len(second.assignments) == 300
    assert min(len(first.assignments), len(second.assignments)) > 50
    assert len(read) > 20  # how often depends on how much of the other's work each finds
    assert sum(read) < 30 * len(read)  # whoever reads all again reads 150 steps on average
