"""Runs from StartRun to their end, over the real API and the real work stream."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis import jsonvalue
from mcpanel.engine.v1 import engine_pb2, run_pb2
from mcpanel.registry.v1 import component_pb2
from tests.engine.conftest import Engine
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, VIEWER, as_caller

Run = run_pb2.Run
Step = run_pb2.StepExecution
Type = component_pb2.Definition


async def test_a_chain_passes_outputs_on_and_answers(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "a", "with_": {"n": "${{ inputs.n }}"}},
        {"id": "b", "with_": {"m": "${{ steps.a.output.n + 1 }}"}},
        inputs={"n": {"type": "integer"}},
        outputs={"answer": "${{ steps.b.output.m }}", "text": "it is ${{ steps.b.output.m }}"},
    )

    run = await engine.start_run(n=41)
    ended = await engine.ended(run.id)

    assert ended.status == Run.SUCCESS
    assert dict(ended.outputs) == {"answer": 42, "text": "it is 42"}
    assert (ended.steps_ended, ended.step_count) == (2, 2)
    steps = await engine.steps(run.id)
    assert [one.status for one in steps.values()] == [Step.SUCCESS] * 2
    assert steps["b"].attempts[0].worker_id == worker.id
    assert worker.assignments[1].idempotency_key == f"{run.id}/b"


async def test_every_attempt_says_what_it_was_held_to(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    async def fail_once(attempt: Attempt) -> Any:
        if attempt.ref.attempt == 1:
            raise StepFailed("USER_ERROR", "no")
        return 1

    peers.registry.workflow({"id": "a", "retry": {"max_attempts": 2, "backoff": {"nanos": 50_000_000}}})
    worker.code["a"] = fail_once
    worker.limits = run_pb2.Limits(memory_bytes=1 << 30, processes=128, network_hosts=["api.example.com"])
    worker.limits.timeout.FromSeconds(600)

    run = await engine.ended((await engine.start_run()).id)

    attempts = (await engine.steps(run.id))["a"].attempts
    assert [(one.status, one.isolation, one.limits) for one in attempts] == [
        (Step.FAILED, "cell", worker.limits),
        (Step.SUCCESS, "cell", worker.limits),
    ]


async def test_events_tell_the_whole_story_without_gaps(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    async def speak(attempt: Attempt) -> Any:
        attempt.log("one", "two")
        return None

    peers.registry.workflow({"id": "a"})
    worker.code["a"] = speak

    run = await engine.ended((await engine.start_run()).id)
    events = await engine.events(run.id)

    assert [one.seq for one in events] == list(range(1, run.last_seq + 1))
    assert [one.WhichOneof("event") for one in events] == [
        "run_status_change",
        "run_status_change",
        "step_status_change",
        "log",
        "log",
        "step_status_change",
        "run_status_change",
        "end",
    ]
    assert [one.log.message for one in events if one.HasField("log")] == ["one", "two"]
    assert events[-1].end.event_count == len(events)
    assert events[-1].end.status == Run.SUCCESS


async def test_data_utility_and_output_run_in_the_engine_without_a_worker(
    engine: Engine, peers: Peers
) -> None:
    numbers = peers.registry.component("numbers", Type.DATA)
    numbers.data.value.list_value.values.add().number_value = 3
    total = peers.registry.component("total", Type.UTILITY)
    total.utility.expression = "inputs.rows.map(x, x * 2)"
    peers.registry.workflow(
        {"id": "data", "component": numbers},
        {"id": "sum", "component": total, "with_": {"rows": "${{ steps.data.output }}"}},
        {
            "id": "out",
            "component": peers.registry.component("out", Type.OUTPUT),
            "with_": {"x": "${{ steps.sum.output }}"},
        },
        outputs={"result": "${{ steps.out.output }}"},
    )

    run = await engine.start_run()

    assert run.status == Run.SUCCESS
    assert jsonvalue.from_struct(run.outputs) == {"result": {"x": [6]}}
    steps = await engine.steps(run.id)
    assert [one.attempts[0].isolation for one in steps.values()] == ["engine"] * 3


async def test_wrong_inputs_are_named_one_by_one(engine: Engine, peers: Peers, worker: FakeWorker) -> None:
    peers.registry.workflow({"id": "a"}, inputs={"n": {"type": "integer"}, "m": {"type": "string"}})

    refusal = await refused(engine.start_run(n="many", other=1))

    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "RUN_INPUT_INVALID")
    assert set(refusal.fields) == {"inputs.n", "inputs.m", "inputs.other"}


async def test_a_type_nobody_runs_is_refused_naming_it(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    notebook = peers.registry.component("book", Type.JUPYTER_NOTEBOOK)
    peers.registry.workflow({"id": "a", "component": notebook})

    refusal = await refused(engine.start_run())

    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "NO_WORKER_FOR_TYPE")
    assert refusal.metadata["types"] == "JUPYTER_NOTEBOOK"
    assert refusal.message.startswith(
        "no connected worker runs components of type JUPYTER_NOTEBOOK; connect one"
    )
    assert "GET /api/v1/workers" in refusal.message
    assert "waiting_timeout" in refusal.message


async def test_a_pool_that_is_not_there_is_waited_for(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a", "pool": "gpu", "labels": ["cuda"]})

    run = await engine.start_run()
    shown = await engine.get(run.id)
    special = FakeWorker(engine.address)
    special.pool, special.labels = "gpu", ["cuda"]
    async with special:
        ended = await engine.ended(run.id)

    assert run.waiting_for == shown.waiting_for
    assert shown.waiting_for == "a free worker for PYTHON_SCRIPT in pool 'gpu' with label 'cuda'"
    assert (ended.status, len(special.assignments), worker.assignments) == (Run.SUCCESS, 1, [])


async def test_a_type_is_waited_for_as_long_as_the_step_says(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    notebook = peers.registry.component("book", Type.JUPYTER_NOTEBOOK)
    peers.registry.workflow({"id": "a", "component": notebook, "waiting_timeout": {"nanos": 200_000_000}})

    ended = await engine.ended((await engine.start_run()).id)

    assert (ended.status, ended.error.kind) == (Run.FAILED, run_pb2.RunError.TIMED_OUT)
    assert ended.error.message.startswith(
        "no worker took it within 200 ms: it waited for a free worker for JUPYTER_NOTEBOOK; "
    )


async def test_a_run_that_starts_later_needs_its_worker_only_then(engine: Engine, peers: Peers) -> None:
    peers.registry.workflow({"id": "a"})
    request = engine_pb2.StartRunRequest(workflow="flow")
    request.start_at.FromDatetime(datetime.now(UTC) + timedelta(days=1))

    run = (await engine.stub.StartRun(request, metadata=as_caller(EDITOR))).run

    assert run.status == Run.PENDING


async def test_a_worker_that_was_here_a_moment_ago_still_counts(engine: Engine, peers: Peers) -> None:
    peers.registry.workflow({"id": "a"})
    async with FakeWorker(engine.address):
        pass

    run = await engine.start_run()

    assert run.status == Run.PENDING
    assert (await engine.get(run.id)).waiting_for == "a free worker for PYTHON_SCRIPT"
    async with FakeWorker(engine.address):
        assert (await engine.ended(run.id)).status == Run.SUCCESS


async def test_an_unknown_workflow_is_not_found(engine: Engine, worker: FakeWorker) -> None:
    assert (await refused(engine.start_run("nothing"))).code == "NOT_FOUND"


async def test_a_repeated_request_id_gets_the_same_run_even_when_the_workflow_is_gone(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    request = engine_pb2.StartRunRequest(workflow="flow", request_id="once")
    first = await engine.stub.StartRun(request, metadata=as_caller(EDITOR))

    second = await engine.stub.StartRun(request, metadata=as_caller(EDITOR))
    peers.registry.workflows.clear()
    third = await engine.stub.StartRun(request, metadata=as_caller(EDITOR))
    request.workflow_version = 7
    refusal = await refused(engine.stub.StartRun(request, metadata=as_caller(EDITOR)))

    assert first == second == third
    assert refusal.reason == "REQUEST_ID_REUSED"


async def test_a_run_of_a_private_workflow_is_seen_by_who_it_concerns(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, visibility=Type.PRIVATE, owner_id=OTHER_EDITOR.id)
    run = await engine.start_run()
    request = engine_pb2.GetRunRequest(run_id=run.id)

    for caller in (EDITOR, OTHER_EDITOR, ADMIN):
        assert (await engine.stub.GetRun(request, metadata=as_caller(caller))).run.id == run.id
    refusal = await refused(engine.stub.GetRun(request, metadata=as_caller(VIEWER)))

    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "RUN_NOT_FOUND")
    listed = await engine.stub.ListRuns(engine_pb2.ListRunsRequest(), metadata=as_caller(VIEWER))
    assert list(listed.runs) == []


async def test_a_run_of_a_public_workflow_is_seen_by_viewers_too(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, visibility=Type.PUBLIC, owner_id=OTHER_EDITOR.id)
    run = await engine.start_run()
    request = engine_pb2.GetRunRequest(run_id=run.id)

    seen = (await engine.stub.GetRun(request, metadata=as_caller(VIEWER))).run

    assert seen.id == run.id


async def test_who_may_run_a_workflow_runs_its_owners_private_components(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    code = peers.registry.component("secret")
    peers.registry.private.add(code.id)
    peers.registry.workflow({"id": "a", "component": code}, owner_id=OTHER_EDITOR.id)

    run = await engine.ended((await engine.start_run()).id)

    assert run_pb2.Run.Status.Name(run.status) == "SUCCESS"


async def test_a_viewer_may_not_start_runs(engine: Engine, peers: Peers) -> None:
    request = engine_pb2.StartRunRequest(workflow="flow")

    refusal = await refused(engine.stub.StartRun(request, metadata=as_caller(VIEWER)))

    assert (refusal.code, refusal.reason) == ("PERMISSION_DENIED", "PERMISSION_MISSING")


async def test_lists_go_page_by_page_newest_first_and_filter(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    async def fail(_: Attempt) -> Any:
        raise StepFailed

    peers.registry.workflow({"id": "a"})
    peers.registry.workflow({"id": "bad"}, name="broken")
    worker.code["bad"] = fail
    ids = [(await engine.start_run()).id for _ in range(5)]
    failed = await engine.ended((await engine.start_run("broken")).id)
    for one in ids:
        await engine.ended(one)

    seen: list[str] = []
    request = engine_pb2.ListRunsRequest(page_size=2)
    while True:
        answer = await engine.stub.ListRuns(request, metadata=as_caller(EDITOR))
        seen += [one.id for one in answer.runs]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    request = engine_pb2.ListRunsRequest(filter='status = "FAILED" AND workflow_name = "broken"')
    filtered = await engine.stub.ListRuns(request, metadata=as_caller(EDITOR))

    assert seen == [failed.id, *reversed(ids)]
    assert [one.id for one in filtered.runs] == [failed.id]
    assert not filtered.runs[0].HasField("inputs")


async def test_a_filter_by_a_status_there_is_not_names_those_there_are(engine: Engine) -> None:
    request = engine_pb2.ListRunsRequest(filter='status = "BOGUS"')

    refusal = await refused(engine.stub.ListRuns(request, metadata=as_caller(EDITOR)))

    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "INVALID_FILTER")
    assert "status: expected one of PENDING, RUNNING, PAUSED, SUCCESS, FAILED, ABORTED" in refusal.message


async def test_a_failed_step_fails_the_run_and_says_why(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    async def fail(_: Attempt) -> Any:
        raise StepFailed(message="division by zero")

    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]}, {"id": "c"})
    worker.code["a"] = fail
    worker.code["c"] = Attempt.hang

    run = await engine.ended((await engine.start_run()).id)

    assert run.status == Run.FAILED
    assert run.error_message == "step 'a' failed: division by zero"
    assert (run.error.kind, run.error.step_id) == (run_pb2.RunError.USER_ERROR, "a")
    steps = await engine.steps(run.id)
    assert [one.status for one in steps.values()] == [Step.FAILED, Step.SKIPPED, Step.ABORTED]


async def test_a_false_condition_skips_and_a_skipped_output_is_null(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "a", "if_": "${{ inputs.go }}"},
        {"id": "b", "with_": {"x": "${{ steps.a.output }}"}},
        inputs={"go": {"type": "boolean"}},
        outputs={"x": "${{ steps.b.output.x }}"},
    )

    run = await engine.start_run(go=False)

    assert run.status == Run.SUCCESS
    assert dict(run.outputs) == {"x": None}
    steps = await engine.steps(run.id)
    assert steps["a"].error.message == "its condition was false"
    assert steps["b"].error.kind == run_pb2.RunError.SKIPPED


async def test_an_expression_that_fails_names_the_step(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "with_": {"x": "${{ steps.a.output.missing.deep }}"}})

    run = await engine.ended((await engine.start_run()).id)

    assert run.status == Run.FAILED
    assert run.error.kind == run_pb2.RunError.INVALID_INPUT
    assert run.error.step_id == "b"


async def test_a_failed_attempt_is_repeated_after_its_backoff(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    async def second_time(attempt: Attempt) -> Any:
        if attempt.number == 1:
            raise StepFailed
        return "done"

    peers.registry.workflow({"id": "a", "retry": {"max_attempts": 2, "backoff": {"nanos": 50_000_000}}})
    worker.code["a"] = second_time

    run = await engine.ended((await engine.start_run()).id)
    step = (await engine.steps(run.id))["a"]

    assert run.status == Run.SUCCESS
    assert [one.status for one in step.attempts] == [Step.FAILED, Step.SUCCESS]
    first, second = step.attempts
    assert second.started_at.ToDatetime() - first.ended_at.ToDatetime() >= timedelta(milliseconds=50)
    waits = [
        one.step_status_change
        for one in await engine.events(run.id)
        if one.HasField("step_status_change") and one.step_status_change.status == Step.READY
    ]
    assert waits[0].HasField("next_attempt_at")


@pytest.mark.parametrize(
    "output", [b"{", b"NaN", b'"' + b"x" * 300_000 + b'"', b"[" * 40 + b"]" * 40, b'"\\ud800"']
)
async def test_an_output_that_cannot_be_taken_fails_the_step(
    engine: Engine, peers: Peers, worker: FakeWorker, output: bytes
) -> None:
    async def answer(_: Attempt) -> Any:
        return output

    peers.registry.workflow({"id": "a"})
    worker.code["a"] = answer

    run = await engine.ended((await engine.start_run()).id)

    assert run.error.kind == run_pb2.RunError.INVALID_OUTPUT


@pytest.mark.parametrize(("levels", "said"), [(30, ""), (31, "its output is nested deeper than 30 levels")])
async def test_an_output_may_be_nested_thirty_levels_deep(
    engine: Engine, peers: Peers, worker: FakeWorker, levels: int, said: str
) -> None:
    async def answer(_: Attempt) -> Any:
        return b"[" * levels + b"]" * levels

    peers.registry.workflow({"id": "a"})
    worker.code["a"] = answer

    run = await engine.ended((await engine.start_run()).id)

    assert run.error.message == said


async def test_a_nul_in_an_output_is_kept(engine: Engine, peers: Peers, worker: FakeWorker) -> None:
    async def answer(_: Attempt) -> Any:
        return {"text": "a\0b"}

    peers.registry.workflow({"id": "a"}, outputs={"text": "${{ steps.a.output.text }}"})
    worker.code["a"] = answer

    run = await engine.ended((await engine.start_run()).id)

    assert run.outputs["text"] == "a\0b"


async def test_only_steps_with_data_sources_or_secrets_get_the_runs_token(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    reads = peers.registry.component("reads", data_source_ids=["source-1"])
    signs = peers.registry.component("signs", secret_ids=["secret-1"])
    peers.registry.workflow(
        {"id": "a", "component": reads},
        {"id": "b", "needs": ["a"]},
        {"id": "c", "component": signs, "needs": ["b"]},
    )

    run = await engine.ended((await engine.start_run()).id)

    token = f"token-for-{run.id}"
    assert [one.data_source_token for one in worker.assignments] == [token, "", token]
    asked = peers.identity.asked[0]
    assert (asked.run_id, asked.subject_id, list(asked.data_source_ids), list(asked.secret_ids)) == (
        run.id,
        EDITOR.id,
        ["source-1"],
        ["secret-1"],
    )


async def test_a_component_is_sent_once_a_stream(engine: Engine, peers: Peers, worker: FakeWorker) -> None:
    code = peers.registry.component("code")
    peers.registry.workflow({"id": "a", "component": code}, {"id": "b", "component": code})

    for _ in range(3):
        await engine.ended((await engine.start_run()).id)

    assert worker.components == [code.id]
    assert len(worker.assignments) == 6


async def test_everything_is_told_to_audit_once_and_in_order(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    run = await engine.ended((await engine.start_run()).id)

    async with asyncio.timeout(10):
        while len(peers.audit.records) < 6:
            await asyncio.sleep(0.05)

    mine = [one for one in peers.audit.records.values() if one.record_id.startswith(run.id)]
    assert [(one.action, one.details["status"]) for one in mine] == [
        ("RUN_STATUS_CHANGED", "PENDING"),
        ("RUN_STATUS_CHANGED", "RUNNING"),
        ("STEP_STATUS_CHANGED", "RUNNING"),
        ("STEP_STATUS_CHANGED", "SUCCESS"),
        ("RUN_STATUS_CHANGED", "SUCCESS"),
    ]
    assert all(one.actor.id == EDITOR.id for one in mine)
    started = next(one for one in peers.audit.records.values() if one.action == "WORKFLOW_EXECUTED")
    assert (started.entity_type, started.entity_id) == ("run", run.id)
