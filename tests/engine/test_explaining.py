"""Why a run waits, failed or was ended is told, with the calls that move it on."""

from typing import Any

from mcpanel.engine.v1 import engine_pb2
from tests.engine.conftest import Engine
from tests.engine.support.calls import Gate, drain, explain, in_seconds, start, until, waits_for_decision
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, VIEWER


def methods(reason: engine_pb2.ExplainRunResponse.Reason) -> list[str]:
    return [one.method.rpartition("/")[2] for one in reason.actions]


async def test_the_end_of_a_runs_time_names_the_steps_that_ran_or_waited_and_the_call_that_repeats_it(
    engine: Engine, peers: Peers
) -> None:
    retry = {"max_attempts": 2, "backoff": {"seconds": 3600}}
    peers.registry.workflow(
        {"id": "runs"},
        {"id": "again", "retry": retry},
        {"id": "queued", "pool": "nowhere"},
        {"id": "far", "needs": ["undecided"]},
        {"id": "undecided", "approval": {"message": "go?"}},
        timeout={"nanos": 700_000_000},
    )

    async def fail(attempt: Attempt) -> Any:
        raise StepFailed("USER_ERROR", "no such file")

    other = FakeWorker(engine.address)
    other.pool = "nowhere"
    async with FakeWorker(engine.address, slots=2) as worker, other:
        await drain(engine, other.id)
        worker.code |= {"runs": Attempt.hang, "again": fail}
        run = await engine.ended((await start(engine)).id)
    why = await explain(engine, run.id)

    by_step = {one.step_id: one for one in why.reasons}
    assert why.summary.startswith("It failed: the run took longer than")
    assert (why.reasons[0].step_id, why.reasons[0].kind) == ("", "FAILED")
    assert {path: one.kind for path, one in by_step.items() if path} == {
        "runs": "STOPPED",
        "again": "STOPPED",
        "queued": "STOPPED",
        "undecided": "STOPPED",
    }
    assert by_step["runs"].message == "Step 'runs' was running, attempt 1, when the run was ended."
    assert by_step["again"].message.endswith(
        "was to be tried again when the run was ended, after: no such file"
    )
    assert (
        by_step["undecided"].message == "Step 'undecided' was waiting for a decision when the run was ended."
    )
    assert by_step["queued"].message == "Step 'queued' was waiting to run when the run was ended."
    assert methods(by_step["runs"]) == ["RerunRun", "RerunRun"]


async def test_every_reason_that_somebody_can_do_something_about_names_the_call(
    engine: Engine, peers: Peers
) -> None:
    peers.registry.workflow({"id": "a"})
    async with FakeWorker(engine.address, slots=1) as worker:
        later = await start(engine, start_at=in_seconds(3600))
        gate = worker.code["a"] = Gate()
        run = await start(engine)
        await until(lambda: worker.holding)
        await engine.cancel(run.id)
        stopping = (await explain(engine, run.id)).reasons
        gate.open.set()
        await engine.ended(run.id)
    waiting = (await explain(engine, later.id)).reasons
    await engine.cancel(later.id)

    assert [(one.kind, methods(one)) for one in waiting] == [("START_TIME", ["CancelRun"])]
    assert [(one.kind, methods(one)) for one in stopping] == [
        ("STOPPING", ["GetStepExecution", "ListWorkers"])
    ]
    assert stopping[0].HasField("until")
    assert "UTC at the latest" in stopping[0].message


async def test_a_decision_is_offered_to_who_may_take_it_and_others_are_told_who_may(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "named", "approval": {"approvers": [OTHER_EDITOR.id, "Chief"], "message": "go?"}},
        {"id": "open", "approval": {}},
        {"id": "after", "needs": ["named"]},
    )
    run = await start(engine)
    await waits_for_decision(engine, run.id, "open")

    found = {
        caller.name: {one.step_id: one for one in (await explain(engine, run.id, caller)).reasons}
        for caller in (OTHER_EDITOR, ADMIN, EDITOR, VIEWER)
    }

    asked = f"Step 'named' waits for a decision by {OTHER_EDITOR.id}, Chief"
    only = f"{asked}; only they and administrators may decide"
    lacking = "; it takes the permission runs.approve, which you do not hold"
    decide = ["ApproveStep", "ApproveStep"]
    assert {
        name: [(one.message, methods(one)) for one in (of["named"], of["open"])] for name, of in found.items()
    } == {
        OTHER_EDITOR.name: [(f"{asked}: go?", decide), ("Step 'open' waits for a decision.", decide)],
        ADMIN.name: [(f"{asked}: go?", decide), ("Step 'open' waits for a decision.", decide)],
        EDITOR.name: [(f"{only}: go?", ["CancelRun"]), ("Step 'open' waits for a decision.", decide)],
        VIEWER.name: [
            (f"{only}{lacking}: go?", ["CancelRun"]),
            (f"Step 'open' waits for a decision{lacking}.", ["CancelRun"]),
        ],
    }
    assert methods(found[EDITOR.name]["after"]) == ["CancelRun"]


async def test_why_a_run_waits_or_failed_is_told_with_the_calls_that_move_it_on(
    engine: Engine, peers: Peers
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    async with FakeWorker(engine.address, slots=1) as worker:
        worker.code["a"] = Attempt.hang
        first, second = await start(engine), await start(engine)
        await until(lambda: worker.holding)
        busy = await explain(engine, second.id)
        runs = await explain(engine, first.id)
        await engine.cancel(first.id)
        await engine.cancel(second.id)
        await engine.ended(first.id)
        cancelled = await explain(engine, first.id)

    assert [one.kind for one in busy.reasons] == ["NO_FREE_SLOT", "UPSTREAM"]
    assert "the 1 worker for PYTHON_SCRIPT is busy" in busy.summary
    assert [one.kind for one in runs.reasons] == ["RUNNING", "UPSTREAM"]
    assert runs.reasons[1].message == f"Step 'b' waits for: a. {runs.reasons[0].message}"
    assert methods(runs.reasons[1]) == ["GetStepExecution", "CancelRun"]
    assert cancelled.summary.startswith("It was cancelled")
    action = cancelled.reasons[0].actions[0]
    assert action.http == f"POST /api/v1/workflow-runs/{first.id}:rerun"
    assert dict(action.request)["runId"] == first.id
