"""Runs from StartRun to their end, over the real API and the real work stream."""

from mcpanel.engine.v1 import run_pb2
from tests.engine.conftest import Engine
from tests.engine.support.peers import Peers
from tests.engine.support.worker import FakeWorker


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

    assert ended.status == run_pb2.Run.SUCCESS
    assert dict(ended.outputs) == {"answer": 42, "text": "it is 42"}
    steps = await engine.steps(run.id)
    assert [one.status for one in steps.values()] == [run_pb2.StepExecution.SUCCESS] * 2
    assert steps["b"].attempts[0].worker_id == worker.id
