"""TestVersion: a component's version as a run of one step, without a workflow."""

from typing import Any

from google.protobuf import struct_pb2

from chassis import jsonvalue
from chassis.jsonvalue import Json
from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.engine.conftest import Engine
from tests.engine.support.calls import rerun, until
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import FakeWorker
from tests.support.callers import EDITOR, OTHER_EDITOR, VIEWER, as_caller

Run = run_pb2.Run
SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "note": {"type": "string"}, "any": {}},
    "required": ["n"],
    "additionalProperties": False,
}


async def try_out(
    engine: Engine, version_id: str, inputs: Any, caller: Any = EDITOR, **fields: Any
) -> run_pb2.Run:
    request = engine_pb2.TestVersionRequest(version_id=version_id, inputs=inputs, **fields)
    return (await engine.stub.TestVersion(request, metadata=as_caller(caller))).run


async def test_a_version_runs_alone_as_a_run_like_any_other(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    version = peers.registry.component("shout")
    given = {
        'a "strange} name': "${{ not an expression }}",
        "deep": {"list": [1, None, True]},
        "\U0010ffff\x01\u2028\\": 1,
    }

    started = await try_out(engine, version.id, given, request_id="once")
    same = await try_out(engine, version.id, given, request_id="once")
    ended = await engine.ended(started.id)
    steps = await engine.steps(started.id)
    request = engine_pb2.ListRunsRequest(filter=f'triggered_by = "test:{version.id}"')
    listed = await engine.stub.ListRuns(request, metadata=as_caller(EDITOR))
    kinds = [one.WhichOneof("event") for one in await engine.events(started.id)]
    await until(lambda: "MCP_VERSION_TESTED" in {one.action for one in peers.audit.records.values()})

    assert same.id == started.id
    assert (ended.status, ended.workflow_id, ended.workflow_name) == (Run.SUCCESS, "", "shout")
    assert jsonvalue.from_struct(ended.outputs) == {"output": given}
    assert list(steps) == ["test"]
    assert [one.id for one in listed.runs] == [started.id]
    assert kinds[-1] == "end"


async def test_inputs_are_checked_against_what_the_version_takes(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    version = peers.registry.component("count", input_schema=jsonvalue.to_struct(SCHEMA))

    wrong = await refused(try_out(engine, version.id, {"n": "many", "note": 1}))
    unknown = await refused(try_out(engine, version.id, {"n": 1, "else": 2}))
    missing = await refused(try_out(engine, version.id, {}))
    large = await refused(try_out(engine, version.id, {"n": 1, "note": "x" * 300_000}))
    fine = await engine.ended((await try_out(engine, version.id, {"n": "9007199254740993"})).id)

    assert (wrong.reason, sorted(wrong.fields)) == ("RUN_INPUT_INVALID", ["inputs.n", "inputs.note"])
    assert unknown.fields == {
        "inputs.else": "the component has no such input; it takes: n (required), any, note"
    }
    assert list(missing.fields) == ["inputs.n"]
    assert large.reason == "RUN_INPUT_INVALID"
    assert worker.assignments[-1].inputs_json == b'{"n":9007199254740993}'
    assert fine.status == Run.SUCCESS


async def test_an_unknown_input_is_told_with_all_that_there_are(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    version = peers.registry.component("count", input_schema=jsonvalue.to_struct(SCHEMA))

    wrong = await refused(try_out(engine, version.id, {"n": 1, "nn": 2}))
    fine = await engine.ended((await try_out(engine, version.id, {"n": 1})).id)

    why = "the component has no such input; did you mean 'n'? It takes: n (required), any, note"
    assert wrong.fields == {"inputs.nn": why}
    assert (fine.status, worker.assignments[-1].inputs_json) == (Run.SUCCESS, b'{"n":1}')


async def test_more_inputs_than_a_step_takes_are_refused_with_their_number(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    version = peers.registry.component("anything")

    many = await refused(try_out(engine, version.id, {f"n{number}": 1 for number in range(1001)}))
    most = await engine.ended((await try_out(engine, version.id, {f"n{n}": 1 for n in range(1000)})).id)

    assert (many.code, many.reason, list(many.fields)) == (
        "INVALID_ARGUMENT",
        "RUN_INPUT_INVALID",
        ["inputs"],
    )
    assert "1,001 names; at most 1,000" in many.fields["inputs"]
    assert most.status == Run.SUCCESS


async def test_an_input_that_is_none_of_its_values_is_refused_before_anything_starts(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    schema: dict[str, Json] = {
        "type": "object",
        "properties": {"unit": {"enum": ["c", "f", 1, None]}, "place": {"$ref": "#/$defs/Place"}},
        "$defs": {"Place": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }
    version = peers.registry.component("choose", input_schema=jsonvalue.to_struct(schema))

    wrong = await refused(try_out(engine, version.id, {"unit": "k", "place": "here"}))
    alike = await refused(try_out(engine, version.id, {"unit": True}))
    fine = [await try_out(engine, version.id, {"unit": one}) for one in ("c", 1, None)]

    assert (wrong.reason, sorted(wrong.fields)) == ("RUN_INPUT_INVALID", ["inputs.place", "inputs.unit"])
    assert 'expected one of "c", "f", 1, null, not "k"' in wrong.fields["inputs.unit"]
    assert list(alike.fields) == ["inputs.unit"]
    assert {(await engine.ended(one.id)).status for one in fine} == {Run.SUCCESS}


async def test_who_may_not_see_the_version_or_run_anything_may_not_test_it(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    version = peers.registry.component("secret")
    peers.registry.owner_id = EDITOR.id
    run = await engine.ended((await try_out(engine, version.id, {})).id)
    peers.registry.private.add(version.id)

    hidden = await refused(try_out(engine, version.id, {}, OTHER_EDITOR))
    viewer = await refused(try_out(engine, version.id, {}, VIEWER))
    others = engine_pb2.GetRunRequest(run_id=run.id)
    unseen = await refused(engine.stub.GetRun(others, metadata=as_caller(OTHER_EDITOR)))
    empty = await refused(try_out(engine, "", {}))

    assert hidden.code == "NOT_FOUND"
    assert (viewer.code, viewer.metadata["permission"]) == ("PERMISSION_DENIED", "runs.start")
    assert unseen.reason == "RUN_NOT_FOUND"
    assert list(empty.fields) == ["version_id"]


async def test_without_a_worker_of_its_type_a_version_is_not_tested(engine: Engine, peers: Peers) -> None:
    version = peers.registry.component("lonely")

    refusal = await refused(try_out(engine, version.id, {}))

    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "NO_WORKER_FOR_TYPE")


async def test_a_tested_version_is_repeated_with_the_same_or_other_inputs(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    version = peers.registry.component("again")
    first = await engine.ended((await try_out(engine, version.id, {"n": 1})).id)
    other = struct_pb2.Struct()
    other.update({"n": 2})

    second = await engine.ended((await rerun(engine, first.id, inputs=other)).id)

    assert second.triggered_by == f"test:{version.id}"
    assert jsonvalue.from_struct(second.outputs) == {"output": {"n": 2}}
