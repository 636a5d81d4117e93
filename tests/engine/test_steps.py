"""What is told of a run's steps: one by one, in pages, on a time axis, and line by line."""

import asyncio
from typing import Any

import psycopg

from mcpanel.engine.v1 import engine_pb2, run_pb2, worker_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.calls import Gate, decide, drain, undrain, until, waits_for_decision
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.support.callers import EDITOR, OTHER_EDITOR, as_caller

Step = run_pb2.StepExecution
Line = worker_pb2.WorkerMessage.Logs.Line


async def get(
    engine: Engine, run_id: str, step_id: str, **fields: Any
) -> engine_pb2.GetStepExecutionResponse:
    request = engine_pb2.GetStepExecutionRequest(run_id=run_id, step_id=step_id, **fields)
    return await engine.stub.GetStepExecution(request, metadata=as_caller(EDITOR))


async def listed(engine: Engine, run_id: str, **fields: Any) -> engine_pb2.ListStepExecutionsResponse:
    request = engine_pb2.ListStepExecutionsRequest(run_id=run_id, **fields)
    return await engine.stub.ListStepExecutions(request, metadata=as_caller(EDITOR))


async def timeline(engine: Engine, run_id: str, **fields: Any) -> engine_pb2.GetRunTimelineResponse:
    request = engine_pb2.GetRunTimelineRequest(run_id=run_id, **fields)
    return await engine.stub.GetRunTimeline(request, metadata=as_caller(EDITOR))


async def logs(engine: Engine, run_id: str, caller: Any = EDITOR, **fields: Any) -> list[str]:
    request = engine_pb2.ListLogsRequest(run_id=run_id, **fields)
    return [one.message for one in (await engine.stub.ListLogs(request, metadata=as_caller(caller))).lines]


def reasons(waits: Any) -> list[str]:
    return [one.reason for one in waits]


async def fail_once(attempt: Attempt) -> Any:
    if attempt.number == 1:
        raise StepFailed(message="not yet")
    return {"n": attempt.inputs["n"] + 1}


async def test_a_step_is_told_with_inputs_output_attempts_and_what_it_waited_for(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "a", "with_": {"n": 1}, "retry": {"max_attempts": 2, "backoff": {"nanos": 50_000_000}}},
        {"id": "b", "needs": ["a"]},
    )
    worker.code["a"] = fail_once
    run = await engine.ended((await engine.start_run()).id)

    full = await get(engine, run.id, "a")
    basic = await get(engine, run.id, "a", view=engine_pb2.BASIC)

    step, times = full.step_execution, full.timeline
    assert dict(step.inputs) == {"n": 1}
    assert dict(step.output.struct_value) == {"n": 2}
    assert [one.status for one in step.attempts] == [Step.FAILED, Step.SUCCESS]
    assert step.attempts[0].error.message == "not yet"
    assert "BACKOFF" in reasons(times.waits)
    first, second = times.attempts
    assert (
        times.ready_at.ToNanoseconds() <= first.queued_at.ToNanoseconds() <= first.started_at.ToNanoseconds()
    )
    assert second.queued_at.ToNanoseconds() - first.ended_at.ToNanoseconds() >= 50_000_000
    assert not basic.step_execution.HasField("inputs")
    assert not basic.step_execution.HasField("output")
    assert len(basic.step_execution.attempts) == 2


async def test_items_and_inner_steps_are_named_by_their_paths_and_unknown_ones_are_not_found(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    inner = peers.registry.workflow({"id": "x"}, {"id": "y", "needs": ["x"]}, name="inner")
    peers.registry.workflow({"id": "each", "workflow": inner, "for_each": [1, 2], "max_parallel": 2})
    gate = Gate()
    worker.code["each[1]/x"] = gate
    run = await engine.start_run()
    await until(lambda: gate.entered)

    known = (await get(engine, run.id, "each[1]/x")).step_execution
    to_come = (await get(engine, run.id, "each[1]/y")).step_execution
    missing = [
        await refused(get(engine, run.id, path))
        for path in ("each[2]", "each[1]/z", "x", "each[1]/x/", "%00", "each[" + "9" * 200 + "]")
    ]
    nothing = await refused(get(engine, "0197f000-0000-7000-8000-000000000001", "a"))
    gate.open.set()

    assert known.status == Step.RUNNING
    assert (to_come.status, list(to_come.needs)) == (Step.PENDING, ["x"])
    assert {(one.code, one.reason) for one in missing} == {("NOT_FOUND", "STEP_NOT_FOUND")}
    assert nothing.reason == "RUN_NOT_FOUND"


async def test_steps_come_in_pages_in_the_workflows_order_filtered_by_status_and_prefix(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "first"}, {"id": "each", "for_each": list(range(12)), "needs": ["first"]})

    async def odd_ones_fail(attempt: Attempt) -> Any:
        if attempt.step_id.startswith("each") and int(attempt.step_id[5:-1]) == 11:
            raise StepFailed
        return None

    worker.default = odd_ones_fail
    run = await engine.ended((await engine.start_run()).id)

    paths, token = [], ""
    while True:
        page = await listed(engine, run.id, page_size=5, page_token=token)
        paths += [one.step_id for one in page.step_executions]
        token = page.next_page_token
        if not token:
            break
    failed = await listed(engine, run.id, statuses=[Step.FAILED])
    items = await listed(engine, run.id, prefix="each[1", page_size=2)
    other = await refused(listed(engine, run.id, prefix="first", page_token=items.next_page_token))

    assert paths == ["first", "each", *(f"each[{number}]" for number in range(12))]
    assert [one.step_id for one in failed.step_executions] == ["each", "each[11]"]
    assert [one.step_id for one in items.step_executions] == ["each[1]", "each[10]"]
    assert other.reason == "INVALID_PAGE_TOKEN"


async def test_a_page_of_large_outputs_ends_before_it_is_too_large_for_a_message(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "each", "for_each": list(range(20)), "max_parallel": 20})

    async def large(attempt: Attempt) -> Any:
        return "x" * 250_000

    worker.default = large
    run = await engine.ended((await engine.start_run()).id)

    first = await listed(engine, run.id, view=engine_pb2.FULL, prefix="each[")
    every = [path for path in await engine.steps(run.id) if path.startswith("each[")]

    assert 0 < len(first.step_executions) < 20
    assert first.next_page_token
    assert every == [f"each[{number}]" for number in range(20)]


async def test_the_timeline_says_what_each_step_waited_for_and_which_chain_took_longest(
    engine: Engine, peers: Peers
) -> None:
    peers.registry.workflow(
        {"id": "quick"},
        {"id": "slow"},
        {"id": "gate", "alone": True, "approval": {"message": "go?"}, "needs": ["slow"]},
        {"id": "last", "needs": ["quick", "gate"]},
    )
    async with FakeWorker(engine.address) as worker:
        await drain(engine, worker.id)
        run = await engine.start_run()
        waiting = await timeline(engine, run.id)
        slow = Gate()
        worker.code["slow"] = slow
        await undrain(engine, worker.id)
        await until(lambda: slow.entered)
        slow.open.set()
        await waits_for_decision(engine, run.id, "gate")
        undecided = await timeline(engine, run.id)
        await decide(engine, run.id, "gate")
        await engine.ended(run.id)
    done = await timeline(engine, run.id)
    pages = await timeline(engine, run.id, page_size=3)
    rest = await timeline(engine, run.id, page_size=3, page_token=pages.next_page_token)

    by_id = {one.step_id: one for one in done.steps}
    assert reasons(waiting.steps[0].waits) == ["WORKER"]
    assert not waiting.steps[0].waits[0].HasField("ended_at")
    open_wait = undecided.steps[2].waits[-1]
    assert (open_wait.reason, open_wait.HasField("ended_at")) == ("APPROVAL", False)
    assert reasons(by_id["gate"].waits) == ["APPROVAL"]
    assert by_id["gate"].waits[0].HasField("ended_at")
    assert list(done.critical_path) == ["slow", "gate", "last"]
    assert by_id["last"].ready_at.ToNanoseconds() == by_id["gate"].ended_at.ToNanoseconds()
    assert by_id["quick"].attempts[0].worker_id == worker.id
    assert reasons(by_id["quick"].waits) == ["WORKER"]
    assert [one.step_id for one in (*pages.steps, *rest.steps)] == ["quick", "slow", "gate", "last"]
    assert list(rest.critical_path) == []


async def test_lines_are_found_by_step_attempt_level_stream_text_and_time(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})

    async def speak(attempt: Attempt) -> Any:
        for level, stream, text in (
            ("DEBUG", "log", "looking around"),
            ("INFO", "stdout", "Straße 100% [ok]_"),
            ("WARNING", "log", "hmm"),
            ("ERROR", "stderr", "ÜBEL broken"),
        ):
            line = Line(ref=attempt.ref, stream=stream, level=level, message=f"{attempt.step_id}: {text}")
            attempt.lines += 1
            line.number = attempt.lines
            message = worker_pb2.WorkerMessage(logs=worker_pb2.WorkerMessage.Logs(lines=[line]))
            attempt.worker.send(message)
        return None

    worker.default = speak
    run = await engine.ended((await engine.start_run()).id)

    every = await logs(engine, run.id)
    answer = await engine.stub.ListLogs(
        engine_pb2.ListLogsRequest(run_id=run.id, page_size=3), metadata=as_caller(EDITOR)
    )
    rest = await logs(engine, run.id, page_token=answer.next_page_token)
    moment = answer.lines[0].time

    assert len(every) == 8
    assert every[:3] + rest == every
    assert await logs(engine, run.id, newest_first=True) == every[::-1]
    assert await logs(engine, run.id, step_id="b") == every[4:]
    assert await logs(engine, run.id, min_level="WARNING", step_id="a") == ["a: hmm", "a: ÜBEL broken"]
    assert await logs(engine, run.id, stream="stderr") == ["a: ÜBEL broken", "b: ÜBEL broken"]
    assert await logs(engine, run.id, text="übel", step_id="a") == ["a: ÜBEL broken"]
    assert await logs(engine, run.id, text="100% [", step_id="a") == ["a: Straße 100% [ok]_"]
    assert await logs(engine, run.id, text="100_") == []
    assert await logs(engine, run.id, attempt=2) == []
    assert await logs(engine, run.id, since=moment) == every
    assert await logs(engine, run.id, until=moment) == []
    assert (await refused(logs(engine, run.id, min_level="LOUD"))).code == "INVALID_ARGUMENT"
    assert (await refused(logs(engine, run.id, text="x" * 201))).code == "INVALID_ARGUMENT"
    wrong = await refused(logs(engine, run.id, text="x", page_token=answer.next_page_token))
    assert wrong.reason == "INVALID_PAGE_TOKEN"


async def test_the_steps_and_lines_of_a_private_run_are_nobody_elses(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, visibility=2)
    run = await engine.ended((await engine.start_run()).id)
    other = as_caller(OTHER_EDITOR)
    stub = engine.stub

    refusals = [
        await refused(stub.ListLogs(engine_pb2.ListLogsRequest(run_id=run.id), metadata=other)),
        await refused(
            stub.GetStepExecution(
                engine_pb2.GetStepExecutionRequest(run_id=run.id, step_id="a"), metadata=other
            )
        ),
        await refused(stub.GetRunTimeline(engine_pb2.GetRunTimelineRequest(run_id=run.id), metadata=other)),
    ]

    assert {one.reason for one in refusals} == {"RUN_NOT_FOUND"}


async def test_searching_a_hundred_thousand_lines_reads_indexes(
    engine: Engine, engines: Engines, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    run = await engine.ended((await engine.start_run()).id)
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        await connection.execute(
            """INSERT INTO run_events (run_id, seq, time, kind, body, step_id, attempt, level, stream, line)
               SELECT %s, n, now(), 'log', '', 'each[' || n / 10 || ']', 1,
                      CASE n %% 5000 WHEN 0 THEN 40 ELSE 20 END, 'stdout', 'line ' || n
               FROM generate_series(1000, 101000) AS n""",
            [run.id],
        )
        await connection.execute("ANALYZE run_events")

        async def plan(condition: str) -> str:
            sql = f"EXPLAIN SELECT seq FROM run_events WHERE run_id = '{run.id}' AND kind = 'log' AND {condition}"
            rows = await (await connection.execute(sql + " ORDER BY seq LIMIT 51")).fetchall()
            return "\n".join(row[0] for row in rows)

        by_step = await plan("step_id = 'each[5000]'")
        by_level = await plan("level >= 40")

    found = await logs(engine, run.id, step_id="each[5000]", page_size=20)
    grave = await logs(engine, run.id, min_level="ERROR", page_size=100)
    rare = await logs(engine, run.id, text="LINE 100999")

    assert (len(found), len(grave), len(rare)) == (10, 20, 1)
    # A partition's own indexes are named after it and their columns.
    assert "run_id_step_id_seq_idx" in by_step
    assert "run_id_seq_idx" in by_level


async def test_the_steps_of_ten_thousand_items_are_paged(
    engine: Engine, engines: Engines, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "each", "for_each": "${{ [] }}"})
    run = await engine.ended((await engine.start_run()).id)
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        await connection.execute(
            """INSERT INTO run_steps (run_id, step_id, kind, status, attempt, epoch, worker_id, stopping)
               SELECT %s, 'each[' || n || ']', 'PYTHON_SCRIPT', 'SUCCESS', 1, 1, '', false
               FROM generate_series(0, 9999) AS n""",
            [run.id],
        )

    page = await listed(engine, run.id, page_size=1000)
    second = await listed(engine, run.id, page_size=1000, page_token=page.next_page_token)
    last = await get(engine, run.id, "each[9999]")
    axis = await asyncio.wait_for(timeline(engine, run.id, page_size=1000), 5)

    assert [one.step_id for one in second.step_executions[:2]] == ["each[999]", "each[1000]"]
    assert last.step_execution.status == Step.SUCCESS
    assert len(axis.steps) == 1000
