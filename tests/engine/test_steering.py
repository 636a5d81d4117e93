"""Pausing, deciding, repeating, comparing, and many at once."""

import asyncio
import time
from typing import Any

import pytest

from chassis import jsonvalue
from mcpanel.audit.v1 import audit_pb2
from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.calls import (
    Gate,
    decide,
    explain,
    in_seconds,
    inbox,
    pause,
    rerun,
    resume,
    start,
    until,
    waits_for_decision,
)
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, VIEWER, as_caller

Run = run_pb2.Run
Step = run_pb2.StepExecution


async def recorded(peers: Peers, entity_id: str) -> audit_pb2.Record:
    """The decision about a step, in the action log."""
    found: list[audit_pb2.Record] = []

    def look() -> bool:
        found[:] = [
            one
            for one in peers.audit.records.values()
            if (one.action, one.entity_id) == ("STEP_DECIDED", entity_id)
        ]
        return bool(found)

    await until(look)
    return found[0]


async def test_a_paused_run_begins_nothing_until_it_is_resumed(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]}, {"id": "c"})
    gate = Gate()
    worker.code["a"] = gate
    run = await engine.start_run()
    await until(lambda: gate.entered)

    paused = await pause(engine, run.id)
    gate.open.set()
    await until(lambda: len(worker.acks) >= 2)
    await asyncio.sleep(0.6)

    assert (paused.status, paused.waiting_for) == (Run.PAUSED, "somebody to resume it")
    assert (await engine.steps(run.id))["b"].status == Step.READY
    assert "b" not in [one.ref.step_id for one in worker.assignments]
    assert (await pause(engine, run.id)).status == Run.PAUSED
    await resume(engine, run.id)
    ended = await engine.ended(run.id)
    assert ended.status == Run.SUCCESS
    seen = [
        one.run_status_change.status
        for one in await engine.events(run.id)
        if one.HasField("run_status_change")
    ]
    assert seen == [Run.PENDING, Run.RUNNING, Run.PAUSED, Run.RUNNING, Run.SUCCESS]
    refusal = await refused(pause(engine, run.id))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "RUN_ENDED")


async def test_a_run_that_is_paused_before_it_begins_waits_for_somebody_to_resume_it(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    run = await start(engine, start_at=in_seconds(1))

    before = await pause(engine, run.id)
    await until(lambda: time.time() > run.start_at.ToNanoseconds() / 1e9)
    after = await engine.get(run.id)
    (reason,) = (await explain(engine, run.id)).reasons
    again = await pause(engine, run.id)
    await resume(engine, run.id)

    assert before.waiting_for.startswith("somebody to resume it, and its start time, 20")
    assert [one.waiting_for for one in (after, again)] == ["somebody to resume it"] * 2
    assert reason.kind == "PAUSED"
    assert (await engine.ended(run.id)).status == Run.SUCCESS


async def test_a_step_waits_for_a_decision_across_restarts_and_says_who_took_it(
    engines: Engines, peers: Peers
) -> None:
    peers.registry.workflow(
        {"id": "a", "approval": {"message": "deploy ${{ inputs.what }}?"}},
        {"id": "gate", "alone": True, "needs": ["a"], "approval": {"message": "really?"}},
        inputs={"what": {}},
        outputs={"by": "${{ steps.gate.output.approved_by }}"},
    )
    engine = await engines.start()
    async with FakeWorker(engine.address):
        run = await engine.start_run(what="it")
    assert await inbox(engine) == [("a", "deploy it?")]
    assert (await engine.get(run.id)).waiting_for == "a decision about step 'a'"
    await engines.stop(engine)

    engine = await engines.start()
    async with FakeWorker(engine.address) as worker:
        approved = await decide(engine, run.id, "a")
        await waits_for_decision(engine, run.id, "gate")
        await decide(engine, run.id, "gate")
        ended = await engine.ended(run.id)
        assert [one.ref.step_id for one in worker.assignments] == ["a"]

    assert (approved.decision.approved, approved.decision.decided_by) == (True, EDITOR.id)
    assert approved.decision.comment == "seen"
    assert (ended.status, jsonvalue.from_struct(ended.outputs)) == (Run.SUCCESS, {"by": EDITOR.name})
    asked = [one.approval_request for one in await engine.events(run.id) if one.HasField("approval_request")]
    assert [(one.step_id, one.message, one.HasField("decision")) for one in asked] == [
        ("a", "deploy it?", False),
        ("a", "", True),
        ("gate", "really?", False),
        ("gate", "", True),
    ]
    refusal = await refused(decide(engine, run.id, "a"))
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "STEP_NOT_WAITING")


async def test_a_rejected_step_fails_with_who_and_why(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a", "approval": {}})
    run = await engine.start_run()

    await decide(engine, run.id, "a", "reject")
    ended = await engine.ended(run.id)

    assert (ended.status, ended.error.kind) == (Run.FAILED, run_pb2.RunError.REJECTED)
    assert ended.error.message == f"{EDITOR.name} rejected it: seen"
    assert worker.assignments == []


async def test_only_approvers_may_decide_and_see_it_in_their_inbox(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a", "approval": {"approvers": [OTHER_EDITOR.id]}})
    run = await engine.start_run()

    refusal = await refused(decide(engine, run.id, "a"))
    viewer = await refused(decide(engine, run.id, "a", caller=VIEWER))

    assert (refusal.code, refusal.reason) == ("PERMISSION_DENIED", "NOT_AN_APPROVER")
    assert viewer.code == "PERMISSION_DENIED"
    assert (await inbox(engine), len(await inbox(engine, OTHER_EDITOR))) == ([], 1)
    assert len(await inbox(engine, ADMIN)) == 1
    await decide(engine, run.id, "a", caller=OTHER_EDITOR)
    assert (await engine.ended(run.id)).status == Run.SUCCESS


async def test_an_administrator_may_decide_for_others_and_the_record_says_so(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a", "approval": {"approvers": [OTHER_EDITOR.id]}})
    run = await engine.start_run()

    step = await decide(engine, run.id, "a", caller=ADMIN)
    ended = await engine.ended(run.id)
    record = await recorded(peers, f"{run.id}/a")

    assert ended.status == Run.SUCCESS
    assert (step.decision.decided_by, step.decision.decided_by_name) == (ADMIN.id, ADMIN.name)
    assert record.actor.id == ADMIN.id
    details = jsonvalue.from_struct(record.details)
    assert (details["comment"], details["decided_for"]) == ("seen", [OTHER_EDITOR.id])


async def test_nobody_deciding_in_time_fails_the_step(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a", "approval": {"timeout": {"nanos": 200_000_000}}})

    ended = await engine.ended((await engine.start_run()).id)

    assert (ended.status, ended.error.kind) == (Run.FAILED, run_pb2.RunError.TIMED_OUT)
    assert "nobody decided" in ended.error.message


@pytest.mark.usefixtures("brief_lease")
async def test_an_effectful_step_whose_worker_is_lost_waits_for_a_person(
    engine: Engine, peers: Peers
) -> None:
    peers.registry.workflow({"id": "a", "effect": "effectful"})
    async with FakeWorker(engine.address) as lost:
        lost.code["a"] = Gate()
        run = await engine.start_run()
        await until(lambda: lost.holding)
        lost.deaf = True

        async with FakeWorker(engine.address) as worker:
            await waits_for_decision(engine, run.id, "a")
            assert worker.assignments == []
            message = (await inbox(engine))[0][1]
            await decide(engine, run.id, "a")
            ended = await engine.ended(run.id)

    assert "What attempt 1 has done is not known" in message
    assert ended.status == Run.SUCCESS
    assert (await engine.steps(run.id))["a"].attempt == 2


async def test_a_rerun_does_not_run_what_had_succeeded(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "a"},
        {"id": "b", "needs": ["a"], "for_each": [1, 2, 3], "with_": {"n": "${{ item }}"}},
        {"id": "c", "with_": {"all": "${{ steps.b.output }}"}},
        outputs={"c": "${{ steps.c.output }}"},
    )
    broken = {"b[1]"}

    async def fail(attempt: Attempt) -> Any:
        if attempt.step_id in broken:
            raise StepFailed
        return attempt.inputs.get("n", attempt.inputs)

    worker.default = fail
    failed = await engine.ended((await engine.start_run()).id)
    before = len(worker.assignments)
    broken.clear()

    again = await rerun(engine, failed.id)
    ended = await engine.ended(again.id)

    assert (failed.status, ended.status) == (Run.FAILED, Run.SUCCESS)
    assert ended.rerun_of == failed.id
    assert jsonvalue.from_struct(ended.outputs) == {"c": {"all": [1, 2, 3]}}
    ran = {one.ref.step_id for one in worker.assignments[before:]}
    assert "a" not in ran
    assert "b[0]" not in ran
    assert {"b[1]", "c"} <= ran
    steps = await engine.steps(again.id)
    assert (steps["a"].status, steps["a"].copied_from) == (Step.SUCCESS, failed.id)
    assert (await engine.get(failed.id)).status == Run.FAILED  # a failure never reads SUCCESS afterwards


async def test_a_rerun_from_a_step_runs_it_and_what_follows(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "a"}, {"id": "b", "needs": ["a"]}, {"id": "c", "needs": ["b"]}, {"id": "d"}
    )
    first = await engine.ended((await engine.start_run()).id)
    before = len(worker.assignments)

    again = await engine.ended((await rerun(engine, first.id, from_steps=["b"])).id)
    ran = [one.ref.step_id for one in worker.assignments[before:]]
    whole = await engine.ended((await rerun(engine, first.id, from_start=True)).id)

    assert (again.status, list(again.rerun_from)) == (Run.SUCCESS, ["b"])
    assert ran == ["b", "c"]
    assert len(worker.assignments) == before + 2 + 4
    assert whole.status == Run.SUCCESS
    refusal = await refused(rerun(engine, first.id, from_steps=["nope"]))
    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "STEP_NOT_FOUND")


async def test_a_fork_runs_what_its_changed_inputs_reach_and_can_be_compared(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "a", "with_": {"x": "${{ inputs.x }}"}},
        {"id": "b", "with_": {"y": "${{ inputs.y }}"}},
        inputs={"x": {"type": "integer"}, "y": {"type": "integer"}},
        outputs={"a": "${{ steps.a.output.x }}", "b": "${{ steps.b.output.y }}"},
    )
    first = await engine.ended((await engine.start_run(x=1, y=2)).id)
    before = len(worker.assignments)

    fork = await engine.ended((await rerun(engine, first.id, inputs={"y": 3})).id)
    request = engine_pb2.CompareRunsRequest(run_id=fork.id)
    compared = await engine.stub.CompareRuns(request, metadata=as_caller(EDITOR))

    assert [one.ref.step_id for one in worker.assignments[before:]] == ["b"]
    assert jsonvalue.from_struct(fork.outputs) == {"a": 1, "b": 3}
    assert [(one.name, one.value.number_value, one.other.number_value) for one in compared.inputs] == [
        ("y", 3, 2)
    ]
    assert [one.name for one in compared.outputs] == ["b"]
    assert {one.step_id: list(one.differs) for one in compared.steps} == {"a": [], "b": ["inputs", "output"]}


async def test_a_step_that_only_one_of_two_runs_has_is_said_to_exist_in_that_one_only(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"], "if_": "${{ false }}"}, name="one")
    peers.registry.workflow({"id": "a"}, {"id": "c"}, name="two")
    one = await engine.ended((await engine.start_run("one")).id)
    two = await engine.ended((await engine.start_run("two")).id)
    again = await engine.ended((await engine.start_run("one")).id)

    async def compare(first: run_pb2.Run, second: run_pb2.Run) -> dict[str, Any]:
        request = engine_pb2.CompareRunsRequest(run_id=first.id, other_run_id=second.id)
        answer = await engine.stub.CompareRuns(request, metadata=as_caller(EDITOR))
        return {step.step_id: step for step in answer.steps}

    unlike, like = await compare(one, two), await compare(one, again)

    assert {path: (step.only_in, list(step.differs)) for path, step in unlike.items() if path != "a"} == {
        "b": (one.id, ["existence"]),
        "c": (two.id, ["existence"]),
    }
    assert (unlike["b"].HasField("other"), unlike["c"].HasField("step")) == (False, False)
    assert {path: (step.only_in, list(step.differs)) for path, step in like.items()} == {
        "a": ("", []),
        "b": ("", []),
    }
    assert like["b"].step.status == run_pb2.StepExecution.SKIPPED
    assert (like["a"].HasField("longer"), like["b"].HasField("longer")) == (True, False)


async def test_a_run_that_has_not_ended_is_not_repeated(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    worker.code["a"] = Gate()
    run = await engine.start_run()

    refusal = await refused(rerun(engine, run.id))

    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "RUN_NOT_ENDED")
    await engine.cancel(run.id)


async def test_many_runs_are_cancelled_and_repeated_by_a_filter(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, name="one")
    peers.registry.workflow({"id": "a"}, name="two")
    worker.code["a"] = Attempt.hang
    ones = [(await engine.start_run("one")).id for _ in range(3)]
    two = (await engine.start_run("two")).id
    wanted = 'workflow_name = "one"'

    asked = engine_pb2.CancelRunsRequest(filter=wanted, validate_only=True)
    would = await engine.stub.CancelRuns(asked, metadata=as_caller(EDITOR))
    done = await engine.stub.CancelRuns(
        engine_pb2.CancelRunsRequest(filter=wanted), metadata=as_caller(EDITOR)
    )
    ended = [await engine.ended(run_id) for run_id in ones]
    worker.code.clear()
    request = engine_pb2.RerunRunsRequest(filter=wanted)
    again = await engine.stub.RerunRuns(request, metadata=as_caller(EDITOR))
    twice = await engine.stub.RerunRuns(request, metadata=as_caller(EDITOR))

    assert list(would.run_ids) == list(done.run_ids) == sorted(ones)
    assert {one.status for one in ended} == {Run.ABORTED}
    assert [one.run_id for one in again.reruns] == sorted(ones)
    for one in again.reruns:
        assert (await engine.ended(one.new_run_id)).status == Run.SUCCESS
    assert list(twice.reruns) != list(again.reruns)
    assert not {one.run_id for one in twice.reruns} & set(ones)
    assert (await engine.get(two)).status == Run.RUNNING
    await engine.cancel(two)
