"""Packages of components run as sub-workflows do: their steps are steps of the run."""

from typing import Any

from chassis import jsonvalue
from mcpanel.engine.v1 import engine_pb2, run_pb2
from mcpanel.registry.v1 import component_pb2
from tests.engine.conftest import Engine
from tests.engine.support.calls import rerun
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import FakeWorker
from tests.support.callers import EDITOR, as_caller

Run = run_pb2.Run
Type = component_pb2.Definition


def utility(peers: Peers, name: str, expression: str) -> component_pb2.Version:
    version = peers.registry.component(name, Type.UTILITY)
    version.utility.expression = expression
    return version


def doubled(peers: Peers, **more: Any) -> component_pb2.Version:
    """A package that doubles `n`, which nobody but the engine runs, and adds `by`, which is 1 unless given."""
    times, plus = utility(peers, "times", "inputs.n * 2"), utility(peers, "plus", "inputs.a + inputs.by")
    given = {"a": '${{ steps["times"]["output"] }}', "by": '${{ inputs["by"] }}'}
    return peers.registry.package(
        "doubled",
        {"id": "times", "component": times, "with_": {"n": '${{ inputs["n"] }}'}},
        {"id": "plus", "component": plus, "with_": given},
        inputs={"n": {"type": "integer"}, "by": {"type": "integer", "default": jsonvalue.to_value(1)}},
        outputs={"plus": '${{ steps["plus"]["output"] }}'},
        **more,
    )


async def test_a_package_runs_as_a_sub_workflow_without_a_worker(engine: Engine, peers: Peers) -> None:
    package = doubled(peers)
    peers.registry.workflow(
        {"id": "p", "component": package, "with_": {"n": "${{ inputs.n }}"}},
        inputs={"n": {}},
        outputs={"result": "${{ steps.p.output.plus }}"},
    )

    run = await engine.start_run(n=20)

    assert run.status == Run.SUCCESS
    assert jsonvalue.from_struct(run.outputs) == {"result": 41}
    steps = await engine.steps(run.id)
    assert list(steps) == ["p", "p/times", "p/plus"]
    assert steps["p"].component_version_id == package.id


async def test_a_package_runs_once_for_each_item(engine: Engine, peers: Peers) -> None:
    peers.registry.workflow(
        {"id": "p", "component": doubled(peers), "for_each": [1, 2], "with_": {"n": "${{ item }}"}},
        outputs={"result": "${{ steps.p.output.map(one, one.plus) }}"},
    )

    run = await engine.start_run()

    assert jsonvalue.from_struct(run.outputs) == {"result": [3, 5]}
    assert "p[1]/times" in await engine.steps(run.id)


async def test_the_scripts_of_a_package_are_a_workers(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    inner = peers.registry.package("inner", {"id": "code"}, outputs={"code": "${{ steps.code.output }}"})
    outer = peers.registry.package(
        "outer", {"id": "inner", "component": inner}, outputs={"in": "${{ steps.inner.output }}"}
    )
    peers.registry.workflow({"id": "p", "component": outer}, outputs={"result": "${{ steps.p.output }}"})

    run = await engine.ended((await engine.start_run()).id)

    assert run.status == Run.SUCCESS
    assert jsonvalue.from_struct(run.outputs) == {"result": {"in": {"code": {}}}}
    assert (await engine.steps(run.id))["p/inner/code"].attempts[0].isolation != "engine"


async def test_a_failure_inside_names_the_step_and_the_expression(engine: Engine, peers: Peers) -> None:
    broken = utility(peers, "broken", "inputs.rows.size()")
    package = peers.registry.package("p", {"id": "count", "component": broken, "with_": {"rows": 1}})
    peers.registry.workflow({"id": "p", "component": package})

    run = await engine.start_run()

    assert run.status == Run.FAILED
    assert run.error.step_id == "p/count"
    assert "its expression cannot be evaluated" in run.error.message
    assert "inputs.rows.size()" in run.error.message


async def test_a_package_is_tried_out_alone(engine: Engine, peers: Peers) -> None:
    package = doubled(peers)
    package.input_schema.CopyFrom(
        jsonvalue.to_struct({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    )
    request = engine_pb2.TestVersionRequest(version_id=package.id, inputs={"n": 4})
    none = engine_pb2.TestVersionRequest(version_id=package.id)

    started = (await engine.stub.TestVersion(request, metadata=as_caller(EDITOR))).run
    run = await engine.ended(started.id)
    refusal = await refused(engine.stub.TestVersion(none, metadata=as_caller(EDITOR)))

    assert jsonvalue.from_struct(run.outputs) == {"output": {"plus": 9}}
    assert list(await engine.steps(run.id)) == ["test", "test/times", "test/plus"]
    assert refusal.reason == "RUN_INPUT_INVALID"


async def test_a_rerun_takes_over_what_a_package_answered(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    package = doubled(peers)
    peers.registry.workflow(
        {"id": "p", "component": package, "with_": {"n": 3}},
        {"id": "after", "with_": {"n": "${{ steps.p.output.plus }}"}},
        outputs={"result": "${{ steps.after.output }}"},
    )
    first = await engine.ended((await engine.start_run()).id)

    again = await rerun(engine, first.id, from_steps=["after"])
    run = await engine.ended(again.id)

    assert jsonvalue.from_struct(run.outputs) == {"result": {"n": 7}}
    steps = await engine.steps(run.id)
    assert (steps["p"].copied_from, steps["after"].copied_from) == (first.id, "")
