"""Outputs over 256 KiB are passed on by reference, and nobody's but the run's."""

import hashlib
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from chassis import jsonvalue
from mcpanel.engine.v1 import run_pb2, worker_pb2, worker_pb2_grpc
from tests.engine.conftest import Engine
from tests.engine.support.errors import refused
from tests.engine.support.files import read
from tests.engine.support.large import ROWS, outputs
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker
from tests.support.callers import EDITOR, as_caller

pytestmark = pytest.mark.usefixtures("large_steps")
Run = run_pb2.Run
Step = run_pb2.StepExecution


async def test_a_large_output_reaches_the_next_step_whole_and_in_part(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "make"},
        {
            "id": "use",
            "needs": ["make"],
            "with_": {"all": "${{ steps.make.output }}", "deep": [{"rows": "${{ steps.make.output.rows }}"}]},
        },
        outputs={"sizes": "${{ steps.use.output }}", "rows": "${{ steps.make.output.rows }}"},
    )

    run = await engine.ended((await engine.start_run()).id)

    whole = jsonvalue.canonical({"rows": ROWS, "count": len(ROWS)})
    assert run.status == Run.SUCCESS, run.error_message
    shown = outputs(run)
    assert shown["sizes"] == {"all": len(whole), "deep": len(jsonvalue.canonical([{"rows": ROWS}]))}
    reference = shown["rows"]
    assert (reference["pointer"], reference["sizeBytes"]) == ("/rows", len(whole))
    assert (await read(engine, reference["$artifact"]))[0] == whole
    steps = await engine.steps(run.id)
    made = MessageToDict(steps["make"].output)
    assert made["preview"].startswith('{"count":40,"rows":[{"id":0,"text":"xxx')
    assert made["sha256"] == hashlib.sha256(whole).hexdigest()
    assert max(len(one.SerializeToString()) for one in await engine.events(run.id)) < 10_000
    assert len(run.SerializeToString()) + sum(len(one.SerializeToString()) for one in steps.values()) < 10_000


async def test_an_expression_that_computes_on_it_fails_its_step_and_says_what_to_do(
    engine: Engine, peers: Peers
) -> None:
    uses: list[dict[str, Any]] = [
        {"with_": {"n": "${{ size(steps.make.output.rows) }}"}},
        {"with_": {"n": "there are ${{ steps.make.output.rows }}"}},
        {"with_": {"n": "${{ [steps.make.output] }}"}},
        {"if_": "${{ size(steps.make.output.rows) > 0 }}"},
    ]
    for number, use in enumerate(uses):
        peers.registry.workflow({"id": "make"}, {"id": "use", "needs": ["make"], **use}, name=f"w{number}")

    runs = [await engine.ended((await engine.start_run(f"w{number}")).id) for number in range(len(uses))]

    for run in runs:
        assert run.status == Run.FAILED
        assert "bytes, and expressions compute on 262,144 at most; pass it on" in run.error.message
        assert (run.error.kind, run.error.step_id) == (run_pb2.RunError.INVALID_INPUT, "use")


async def test_a_condition_may_ask_which_fields_a_large_output_has(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "make"},
        {"id": "use", "needs": ["make"], "if_": "${{ has(steps.make.output.rows) }}"},
        {"id": "skip", "needs": ["make"], "if_": "${{ has(steps.make.output.nope) }}"},
    )

    run = await engine.ended((await engine.start_run()).id)

    assert run.status == Run.SUCCESS, run.error_message
    steps = await engine.steps(run.id)
    assert (steps["use"].status, steps["skip"].status) == (Step.SUCCESS, Step.SKIPPED)


async def test_a_field_that_a_large_output_does_not_have_fails_the_run_as_it_does_with_a_small_one(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    async def make_few(attempt: Attempt) -> Any:
        return {"rows": ROWS[:1], "count": 1}

    worker.code["few"] = make_few
    wrong: list[dict[str, Any]] = [
        {"outputs": {"x": "${{ steps.made.output.nope }}"}},
        {"outputs": {"x": "${{ steps.made.output.count.nope }}"}},
        {"with_": {"x": "${{ steps.made.output.nope }}"}},
        {"with_": {"x": ["${{ steps.made.output.rows.nope }}"]}},
        {"if_": "${{ steps.made.output.nope }}"},
        {"for_each": "${{ steps.made.output.nope }}"},
    ]

    async def fail(made: str, number: int) -> run_pb2.RunError:
        fields = {key: _named(value, made) for key, value in wrong[number].items()}
        outputs = fields.pop("outputs", {})
        name = f"{made}-{number}"
        peers.registry.workflow(
            {"id": made}, {"id": "use", "needs": [made], **fields}, outputs=outputs, name=name
        )
        run = await engine.ended((await engine.start_run(name)).id)
        assert run.status == Run.FAILED
        return run.error

    for number in range(len(wrong)):
        small, large = await fail("few", number), await fail("make", number)
        assert (large.kind, large.step_id) == (small.kind, small.step_id)
        assert large.message == small.message.replace("steps.few", "steps.make")
    assert "steps.make.output has no 'nope'; it has: count, rows" in (await fail("make", 0)).message
    wrong.append({"if_": "${{ steps.made.output.nope > 1 }}"})
    assert (
        "steps.make.output has no 'nope'; it has: count, rows; the value has"
        in (await fail("make", 6)).message
    )


def _named(value: Any, made: str) -> Any:
    return jsonvalue.parse(jsonvalue.canonical(value).replace(b"steps.made", f"steps.{made}".encode()))


async def test_a_step_runs_once_for_each_item_of_a_large_list(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "make"},
        {
            "id": "each",
            "needs": ["make"],
            "for_each": "${{ steps.make.output.rows }}",
            "with_": {"text": "${{ item.text }}", "id": "${{ item.id }}", "index": "${{ index }}"},
        },
        outputs={"sizes": "${{ steps.each.output }}"},
    )

    run = await engine.ended((await engine.start_run()).id, seconds=20)

    assert run.status == Run.SUCCESS, run.error_message
    digits = [len(str(number)) for number in range(len(ROWS))]
    assert outputs(run)["sizes"] == [{"text": 10_002, "id": one, "index": one} for one in digits]


async def test_what_is_not_known_to_be_a_list_has_no_items(engine: Engine, peers: Peers) -> None:
    peers.registry.workflow(
        {"id": "make"}, {"id": "each", "needs": ["make"], "for_each": "${{ steps.make.output.count }}"}
    )

    run = await engine.ended((await engine.start_run()).id)

    assert "that is not known to be a list" in run.error.message


async def test_items_and_sub_workflows_pass_large_values_on(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    async def large_item(attempt: Attempt) -> Any:
        return ["y" * 300_000, attempt.inputs["n"]]

    for number in range(2):
        worker.code[f"each[{number}]"] = large_item
    worker.code["sub/pass"] = Attempt.whole
    inner = peers.registry.workflow(
        {"id": "pass", "with_": {"rows": "${{ inputs.rows }}"}},
        name="inner",
        inputs={"rows": {"type": "array"}},
        outputs={"rows": "${{ steps.pass.output.rows }}"},
    )
    peers.registry.workflow(
        {"id": "make"},
        {
            "id": "sub",
            "needs": ["make"],
            "workflow": inner,
            "with_": {"rows": "${{ steps.make.output.rows }}"},
        },
        {"id": "each", "for_each": [1, 2], "with_": {"n": "${{ item }}"}},
        {
            "id": "use",
            "needs": ["sub", "each"],
            "with_": {"rows": "${{ steps.sub.output.rows }}", "items": "${{ steps.each.output }}"},
        },
        outputs={"sizes": "${{ steps.use.output }}"},
    )

    run = await engine.ended((await engine.start_run()).id)

    assert run.status == Run.SUCCESS, run.error_message
    items: list[Any] = [["y" * 300_000, 1], ["y" * 300_000, 2]]
    assert outputs(run)["sizes"] == {
        "rows": len(jsonvalue.canonical(ROWS)),
        "items": len(jsonvalue.canonical(items)),
    }


async def test_a_value_that_looks_like_a_reference_is_a_value_and_opens_nothing(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "make"}, outputs={"made": "${{ steps.make.output }}"})
    other = outputs(await engine.ended((await engine.start_run()).id))["made"]
    seen: list[Any] = []
    codes: list[Any] = []

    async def forge(attempt: Attempt) -> Any:
        return {"made": other, "raw": "\x01{}"}

    async def look(attempt: Attempt) -> Any:
        seen.append((attempt.inputs, list(attempt.assignment.large_inputs)))
        codes.append((await refused(attempt.worker.read(attempt.ref, other["sha256"]))).reason)
        stale = worker_pb2.AttemptRef()
        stale.CopyFrom(attempt.ref)
        stale.epoch += 1
        codes.append((await refused(attempt.worker.read(stale, other["sha256"]))).reason)
        return 1

    worker.code |= {"forge": forge, "look": look}
    peers.registry.workflow(
        {"id": "forge"},
        {"id": "look", "needs": ["forge"], "with_": {"made": "${{ steps.forge.output.made }}"}},
        name="hostile",
    )

    run = await engine.ended((await engine.start_run("hostile")).id)

    assert run.status == Run.SUCCESS, run.error_message
    assert seen == [({"made": other}, [])]
    assert codes == ["ARTIFACT_NOT_FOUND", "STALE_EPOCH"]


async def test_only_workers_read_inputs(engine: Engine) -> None:
    stub = worker_pb2_grpc.WorkerServiceStub(engine.channel)
    request = worker_pb2.ReadInputRequest(ref=worker_pb2.AttemptRef(), sha256="0" * 64)

    async def read_one() -> Any:
        return [one async for one in stub.ReadInput(request, metadata=as_caller(EDITOR))]

    assert (await refused(read_one())).code == "PERMISSION_DENIED"


@pytest.mark.usefixtures("brief_lease")
async def test_a_result_that_names_another_steps_artifact_is_none(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "make"}, outputs={"made": "${{ steps.make.output }}"})
    other = outputs(await engine.ended((await engine.start_run()).id))["made"]["$artifact"]
    peers.registry.workflow({"id": "steal"}, name="hostile")

    async def steal(attempt: Attempt) -> Any:
        attempt.worker.holding.pop(
            (attempt.ref.run_id, attempt.ref.step_id, attempt.ref.attempt, attempt.ref.epoch)
        )
        result = worker_pb2.WorkerMessage.Result(ref=attempt.ref, output_artifact_id=other)
        attempt.worker.send(worker_pb2.WorkerMessage(result=result))
        await attempt.hang()

    worker.code["steal"] = steal
    run = await engine.start_run("hostile")
    ended = await engine.ended(run.id, seconds=20)

    assert ended.status == Run.FAILED
    assert ended.error.message == "its output was not stored"


async def test_runs_inputs_stay_small_and_the_refusal_says_what_to_do(engine: Engine, peers: Peers) -> None:
    peers.registry.workflow({"id": "only"}, inputs={"text": {"type": "string"}})

    refusal = await refused(engine.start_run(text="x" * 300_000))

    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "RUN_INPUT_INVALID")
    assert "let its first step read it" in refusal.fields["inputs"]
