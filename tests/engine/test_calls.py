"""Calls of components by attempts that run: runs of their own, for the sake and with the rights of the caller's."""

import asyncio
import json
from typing import Any

import psycopg
import pytest

from mcpanel.engine.v1 import engine_pb2, run_pb2, worker_pb2, worker_pb2_grpc
from mcpanel.registry.v1 import component_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.calls import Gate, rerun, start, until
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.support.callers import EDITOR, OTHER_EDITOR, WORKER, as_caller

Run = run_pb2.Run
Message = worker_pb2.WorkerMessage


def assistant(peers: Peers, *tools: component_pb2.Version) -> component_pb2.Version:
    """A component that may call these, by their names."""
    named = [component_pb2.ComponentTool(name=one.definition_name, version_id=one.id) for one in tools]
    return peers.registry.component("assistant", tools=named)


class Caller:
    """What code of a step calls components with."""

    def __init__(self, engine: Engine) -> None:
        self._stub: Any = worker_pb2_grpc.WorkerServiceStub(engine.channel)
        self.runs: list[str] = []

    async def __call__(
        self,
        ref: worker_pb2.AttemptRef,
        version_id: str,
        inputs: Any,
        number: int = 1,
        budget: worker_pb2.Budget | None = None,
    ) -> worker_pb2.CallComponentResponse.End:
        request = worker_pb2.CallComponentRequest(
            ref=ref,
            version_id=version_id,
            inputs_json=json.dumps(inputs).encode(),
            number=number,
            budget=budget,
        )
        async for response in self._stub.CallComponent(request, metadata=as_caller(WORKER)):
            if response.HasField("started"):
                self.runs.append(response.started.run_id)
            if response.HasField("end"):
                end: worker_pb2.CallComponentResponse.End = response.end
                return end
        raise AssertionError("the stream ended without an end")


@pytest.fixture
def call(engine: Engine) -> Caller:
    return Caller(engine)


def waits(attempt: Attempt, *, waits: bool) -> None:
    attempt.worker.send(Message(waiting=Message.Waiting(ref=attempt.ref, waits=waits)))


async def test_a_step_calls_a_component_and_is_told_its_output(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("double")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})

    async def ask(attempt: Attempt) -> Any:
        end = await call(attempt.ref, tool.id, {"n": 21})
        return {"status": Run.Status.Name(end.status), "output": json.loads(end.output_json)}

    async def double(attempt: Attempt) -> Any:
        return attempt.inputs["n"] * 2

    worker.code |= {"ask": ask, "test": double}
    run = await engine.ended((await start(engine)).id)
    called = await engine.get(call.runs[0])
    await until(lambda: "COMPONENT_CALLED" in {one.action for one in peers.audit.records.values()})

    assert run.status == Run.SUCCESS
    [step] = (await engine.steps(run.id)).values()
    assert dict(step.output.struct_value) == {"status": "SUCCESS", "output": 42}
    assert (called.status, called.started_by) == (Run.SUCCESS, run.started_by)
    assert called.triggered_by == f"tool:{run.id}/ask"
    [record] = [one for one in peers.audit.records.values() if one.action == "COMPONENT_CALLED"]
    assert (record.entity_id, record.actor.id) == (called.id, EDITOR.id)


async def test_only_whoever_may_see_the_run_sees_its_calls(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("double")
    peers.registry.workflow(
        {"id": "ask", "component": assistant(peers, tool)}, visibility=component_pb2.Definition.PRIVATE
    )

    async def ask(attempt: Attempt) -> None:
        await call(attempt.ref, tool.id, {"n": 21})

    worker.code |= {"ask": ask}
    await engine.ended((await start(engine)).id)
    request = engine_pb2.GetRunRequest(run_id=call.runs[0])
    hidden = await refused(engine.stub.GetRun(request, metadata=as_caller(OTHER_EDITOR)))

    assert hidden.reason == "RUN_NOT_FOUND"


async def test_why_a_component_failed_is_told(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("break")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})

    async def ask(attempt: Attempt) -> Any:
        end = await call(attempt.ref, tool.id, {})
        return [Run.Status.Name(end.status), end.error.message]

    async def fail(_: Attempt) -> Any:
        raise StepFailed(message="no such city")

    worker.code |= {"ask": ask, "test": fail}
    run = await engine.ended((await start(engine)).id)
    [step] = (await engine.steps(run.id)).values()

    assert next(one.string_value for one in step.output.list_value.values) == "FAILED"
    assert "no such city" in step.output.list_value.values[1].string_value


async def test_a_repeated_call_is_the_same_run(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("double")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})

    async def ask(attempt: Attempt) -> None:
        await asyncio.gather(*(call(attempt.ref, tool.id, {"n": 1}, number=1) for _ in range(4)))
        await call(attempt.ref, tool.id, {"n": 1}, number=1)
        await call(attempt.ref, tool.id, {"n": 1}, number=2)

    worker.code |= {"ask": ask}
    run = await engine.ended((await start(engine)).id)

    assert run.status == Run.SUCCESS
    assert len(call.runs) == 6
    assert len(set(call.runs[:5])) == 1
    assert call.runs[5] not in call.runs[:5]


async def test_the_end_of_a_call_is_told_without_the_events_of_its_run(
    engine: Engine, engines: Engines, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("double")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})
    ends: list[int] = []

    async def ask(attempt: Attempt) -> None:
        first = await call(attempt.ref, tool.id, {"n": 1})
        async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
            await connection.execute("DELETE FROM run_events WHERE run_id = %s", (call.runs[0],))
        again = await call(attempt.ref, tool.id, {"n": 1})
        ends.extend((first.status, again.status))

    async def talk(attempt: Attempt) -> None:
        for _ in range(20):
            attempt.log(*["x"] * 100)

    worker.code |= {"ask": ask, "test": talk}
    run = await engine.ended((await start(engine)).id)

    assert run.status == Run.SUCCESS
    assert ends == [Run.SUCCESS, Run.SUCCESS]
    assert len(set(call.runs)) == 1


async def test_what_is_no_tool_is_not_called(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool, other = peers.registry.component("double"), peers.registry.component("other")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})
    refusals: list[str] = []

    async def ask(attempt: Attempt) -> None:
        refusals.append((await refused(call(attempt.ref, other.id, {}))).reason)
        refusals.append((await refused(call(attempt.ref, tool.id, ["no object"]))).reason)
        stale = worker_pb2.AttemptRef()
        stale.CopyFrom(attempt.ref)
        stale.epoch += 1
        refusals.append((await refused(call(stale, tool.id, {}))).reason)

    worker.code |= {"ask": ask}
    run = await engine.ended((await start(engine)).id)

    assert run.status == Run.SUCCESS
    assert refusals == ["NOT_A_TOOL", "RUN_INPUT_INVALID", "STALE_EPOCH"]
    assert call.runs == []


async def test_while_a_step_waits_its_slot_serves_the_component_it_calls(
    engine: Engine, peers: Peers, call: Caller
) -> None:
    tool = peers.registry.component("double")
    nested = assistant(peers, tool)
    peers.registry.workflow({"id": "ask", "component": assistant(peers, nested)})

    async def ask(attempt: Attempt) -> Any:
        waits(attempt, waits=True)
        end = await call(attempt.ref, nested.id, {"deeper": True})
        waits(attempt, waits=False)
        return json.loads(end.output_json)

    async def answer(attempt: Attempt) -> Any:
        if not attempt.inputs.get("deeper"):
            return "at the bottom"
        waits(attempt, waits=True)
        end = await call(attempt.ref, tool.id, {})
        waits(attempt, waits=False)
        return json.loads(end.output_json)

    async with FakeWorker(engine.address, slots=1) as single:
        single.code |= {"ask": ask, "test": answer}
        run = await engine.ended((await start(engine)).id)
        after = await engine.ended((await start(engine)).id)

    assert (run.status, after.status) == (Run.SUCCESS, Run.SUCCESS)
    assert set(call.runs).isdisjoint({run.id, after.id})
    assert len(call.runs) == 4


async def test_a_call_ends_with_the_attempt_that_made_it(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("slow")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})

    async def ask(attempt: Attempt) -> None:
        asking = asyncio.create_task(call(attempt.ref, tool.id, {}))
        try:
            await attempt.hang()
        finally:
            asking.cancel()

    worker.code |= {"ask": ask, "test": Attempt.hang}
    run = await start(engine)
    await until(lambda: call.runs and any(one.ref.step_id == "test" for one in worker.assignments))
    request = engine_pb2.CancelRunRequest(run_id=run.id)
    await engine.stub.CancelRun(request, metadata=as_caller(EDITOR))
    called = await engine.ended(call.runs[0])

    assert called.status == Run.ABORTED
    assert (await engine.ended(run.id)).status == Run.ABORTED


async def test_a_call_whose_stream_broke_goes_on_and_is_found_again(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("slow")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})
    gate = Gate()

    async def ask(attempt: Attempt) -> Any:
        first = asyncio.create_task(call(attempt.ref, tool.id, {}))
        await until(lambda: gate.entered and call.runs)
        first.cancel()
        again = asyncio.create_task(call(attempt.ref, tool.id, {}))
        await until(lambda: len(call.runs) == 2)
        gate.open.set()
        return Run.Status.Name((await again).status)

    worker.code |= {"ask": ask, "test": gate}
    run = await engine.ended((await start(engine)).id)
    [step] = (await engine.steps(run.id)).values()

    assert step.output.string_value == "SUCCESS"
    assert call.runs[0] == call.runs[1]
    assert gate.entered == 1


async def test_a_large_output_is_told_by_how_it_begins(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("large")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})

    async def ask(attempt: Attempt) -> Any:
        end = await call(attempt.ref, tool.id, {})
        return [end.truncated, len(end.output_json) < 1000]

    async def large(_: Attempt) -> Any:
        return "x" * 400_000

    worker.code |= {"ask": ask, "test": large}
    run = await engine.ended((await start(engine)).id)
    [step] = (await engine.steps(run.id)).values()

    assert [one.bool_value for one in step.output.list_value.values] == [True, True]


async def test_a_calls_run_repeated_by_hand_runs_the_same_component(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("double")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})

    async def ask(attempt: Attempt) -> None:
        await call(attempt.ref, tool.id, {"n": 1})

    worker.code |= {"ask": ask}
    await engine.ended((await start(engine)).id)
    again = await engine.ended((await rerun(engine, call.runs[0], from_start=True)).id)

    assert (again.status, again.triggered_by) == (Run.SUCCESS, f"test:{tool.id}")


@pytest.mark.usefixtures("brief_lease")
async def test_the_call_of_a_lost_attempt_is_cancelled_and_the_next_attempt_makes_its_own(
    engine: Engine, peers: Peers, call: Caller
) -> None:
    tool = peers.registry.component("slow")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})
    asking: set[asyncio.Task[Any]] = set()

    async def ask(attempt: Attempt) -> Any:
        waits(attempt, waits=True)
        asking.add(task := asyncio.create_task(call(attempt.ref, tool.id, {"attempt": attempt.number})))
        end = await task
        return Run.Status.Name(end.status)

    async def slow(attempt: Attempt) -> Any:
        return await attempt.hang() if attempt.inputs["attempt"] == 1 else "done"

    doomed = FakeWorker(engine.address)
    doomed.code |= {"ask": ask, "test": slow}
    await doomed.connect()
    run = await start(engine)
    await until(lambda: any(one.ref.step_id == "test" for one in doomed.assignments))
    await doomed.close()
    for task in asking:
        task.cancel()
    async with FakeWorker(engine.address) as other:
        other.code |= {"ask": ask, "test": slow}
        ended = await engine.ended(run.id, seconds=20)
    first, second = await engine.ended(call.runs[0], seconds=20), await engine.get(call.runs[-1])

    assert ended.status == Run.SUCCESS
    assert (first.status, second.status) == (Run.ABORTED, Run.SUCCESS)
    assert len(set(call.runs)) == 2


async def test_what_a_component_used_is_told_to_its_caller_and_counts_in_what_that_cost(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("sub-assistant")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})

    async def ask(attempt: Attempt) -> str:
        end = await call(attempt.ref, tool.id, {})
        used = run_pb2.ModelUsage(model="small", input_tokens=1, output_tokens=2, cost_usd=0.25)
        used.called.CopyFrom(end.usage)
        attempt.usage = used
        return Run.Status.Name(end.status)

    async def answer(attempt: Attempt) -> None:
        deeper = run_pb2.CalledUsage(input_tokens=1_000, output_tokens=2_000, cost_usd=1)
        attempt.usage = run_pb2.ModelUsage(
            model="large", input_tokens=10, output_tokens=20, cost_usd=0.5, called=deeper
        )
        raise StepFailed(message="nothing found")

    worker.code |= {"ask": ask, "test": answer}
    run = await engine.ended((await start(engine)).id)
    called = await engine.get(call.runs[0])

    [step] = (await engine.steps(run.id)).values()
    theirs = run_pb2.CalledUsage(input_tokens=1_010, output_tokens=2_020, cost_usd=1.5)
    assert step.output.string_value == "FAILED"
    assert step.usage == run_pb2.ModelUsage(
        model="small", input_tokens=1, output_tokens=2, cost_usd=0.25, called=theirs
    )
    assert (run.cost, called.cost) == ("$1.75", "$1.50")


async def test_of_a_component_that_asked_no_model_no_usage_is_told(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("double")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})

    async def ask(attempt: Attempt) -> bool:
        return (await call(attempt.ref, tool.id, {})).HasField("usage")

    worker.code |= {"ask": ask}
    run = await engine.ended((await start(engine)).id)

    [step] = (await engine.steps(run.id)).values()
    assert (step.output.bool_value, step.HasField("usage"), run.cost) == (False, False, "")


async def test_what_a_caller_has_left_is_told_to_every_attempt_at_what_it_calls(
    engine: Engine, peers: Peers, worker: FakeWorker, call: Caller
) -> None:
    tool = peers.registry.component("sub-assistant")
    peers.registry.workflow({"id": "ask", "component": assistant(peers, tool)})
    left = worker_pb2.Budget(tokens=1_000, cost_usd=0.25)

    async def ask(attempt: Attempt) -> None:
        await call(attempt.ref, tool.id, {}, budget=left)
        await call(attempt.ref, tool.id, {}, number=2)

    worker.code |= {"ask": ask}
    await engine.ended((await start(engine)).id)

    told = {
        (one.ref.step_id, str(one.budget) if one.HasField("budget") else "") for one in worker.assignments
    }
    assert told == {("ask", ""), ("test", str(left)), ("test", "")}
