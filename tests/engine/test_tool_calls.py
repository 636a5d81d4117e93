"""Calls of tools as events of a run: recorded once, in their places among the lines, and harmless whatever is said."""

import json
from typing import Any

from google.protobuf import json_format

from chassis import jsonvalue
from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.engine.conftest import Engine
from tests.engine.support.calls import Gate, until
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker
from tests.support.callers import EDITOR, as_caller

ToolCall = run_pb2.ToolCall


def called(number: int, status: "run_pb2.ToolCall.Status", arguments: Any = None, **more: Any) -> ToolCall:
    """What a worker says of a call."""
    one = ToolCall(call=number, tool="query_sample", status=status, **more)
    if arguments is not None:
        one.arguments.CopyFrom(jsonvalue.to_value(arguments))
    return one


async def events(engine: Engine, run_id: str) -> list[ToolCall]:
    """The run's events about calls."""
    return [one.tool_call for one in await engine.events(run_id) if one.HasField("tool_call")]


async def test_calls_are_recorded_among_the_lines_with_their_step_and_attempt_and_are_no_lines(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "each", "for_each": [1]})

    async def talk(attempt: Attempt) -> Any:
        attempt.log("before")
        attempt.say(
            {"tool_call": called(1, ToolCall.ALLOWED, {"sql": "select 1"})},
            {"tool_call": called(1, ToolCall.SUCCESS, message="9 characters")},
            {"tool_call": called(2, ToolCall.REFUSED, "{}", message="there is no such tool")},
        )
        attempt.log("after")
        return None

    worker.code["each[0]"] = talk
    run = await engine.ended((await engine.start_run()).id)

    told = [one for one in await engine.events(run.id) if one.WhichOneof("event") in ("log", "tool_call")]
    lines = await engine.stub.ListLogs(engine_pb2.ListLogsRequest(run_id=run.id), metadata=as_caller(EDITOR))

    kinds = [one.WhichOneof("event") for one in told]
    assert kinds == ["log", "tool_call", "tool_call", "tool_call", "log"]
    allowed, answered, refused = (one.tool_call for one in told[1:4])
    assert json_format.MessageToDict(allowed) == {
        "stepId": "each[0]",
        "attempt": 1,
        "call": 1,
        "tool": "query_sample",
        "status": "ALLOWED",
        "arguments": {"sql": "select 1"},
    }
    assert (answered.call, answered.status, answered.message) == (1, ToolCall.SUCCESS, "9 characters")
    assert (refused.call, refused.status, refused.arguments.string_value) == (2, ToolCall.REFUSED, "{}")
    assert [one.message for one in lines.lines] == ["before", "after"]


async def test_a_call_whose_worker_lost_its_stream_before_it_was_answered_is_recorded_once(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    gate = Gate()

    async def talk(attempt: Attempt) -> Any:
        attempt.say({"tool_call": called(1, ToolCall.ALLOWED, {"sql": "select 1"})})
        worker.send(worker.unheard[0])  # as if its answer had been lost
        await until(lambda: not worker.unheard)
        worker.deaf = True
        attempt.say({"tool_call": called(1, ToolCall.SUCCESS)}, {"tool_call": called(2, ToolCall.ALLOWED)})
        return await gate(attempt)

    worker.code["a"] = talk
    run = await engine.start_run()
    await until(lambda: gate.entered)

    await worker.lose_stream()
    worker.deaf = False
    gate.open.set()
    await until(lambda: worker.unacked)
    await worker.connect()
    await engine.ended(run.id)

    told = [(one.call, one.status) for one in await events(engine, run.id)]
    assert told == [(1, ToolCall.ALLOWED), (1, ToolCall.SUCCESS), (2, ToolCall.ALLOWED)]
    await until(lambda: not worker.unheard)


async def test_what_cannot_be_shown_of_a_call_is_left_out_and_the_call_is_told_of_all_the_same(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    deep: Any = "x"
    for _ in range(31):
        deep = [deep]
    infinite = called(3, ToolCall.ALLOWED)
    infinite.arguments.number_value = float("inf")
    strange = ToolCall(
        call=-1, tool="t" * 500, message="m" * 5000, started_run_id="'; --", arguments_omitted=True
    )
    strange.duration.seconds = -5

    async def talk(attempt: Attempt) -> Any:
        attempt.say(
            {"tool_call": called(1, ToolCall.ALLOWED, {"sql": "x" * 20_000})},
            {"tool_call": called(2, ToolCall.ALLOWED, deep)},
            {"tool_call": infinite},
            {"tool_call": strange},
        )
        return None

    worker.code["a"] = talk
    run = await engine.ended((await engine.start_run()).id)

    told = await events(engine, run.id)
    assert [(one.HasField("arguments"), one.arguments_omitted) for one in told] == [(False, True)] * 4
    assert (told[3].call, told[3].started_run_id, told[3].HasField("duration")) == (0, "", False)
    assert (len(told[3].tool), len(told[3].message)) == (100, 1000)
    assert all(json.loads(json_format.MessageToJson(one)) for one in told)
