"""What steps used of language models: recorded with each attempt, summed for steps and runs."""

from typing import Any

import pytest

from engine.wire.runs import dollars
from mcpanel.engine.v1 import run_pb2
from tests.engine.conftest import Engine
from tests.engine.support.peers import Peers
from tests.engine.support.worker import LARGE, Attempt, FakeWorker, StepFailed

Usage = run_pb2.ModelUsage


async def test_what_attempts_used_is_recorded_and_summed_failures_included(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    async def ask(attempt: Attempt) -> Any:
        attempt.usage = Usage(model="small", input_tokens=100, output_tokens=20, cost_usd=0.25)
        if attempt.number == 1:
            raise StepFailed("USER_ERROR", "the model answered nonsense")
        return {"completion": "x" * (LARGE + 1)}

    peers.registry.workflow(
        {"id": "ask", "retry": {"max_attempts": 2, "backoff": {"nanos": 10_000_000}}}, {"id": "other"}
    )
    worker.code["ask"] = ask

    run = await engine.ended((await engine.start_run()).id)

    steps = await engine.steps(run.id)
    assert [one.usage for one in steps["ask"].attempts] == [
        Usage(model="small", input_tokens=100, output_tokens=20, cost_usd=0.25)
    ] * 2
    assert steps["ask"].usage == Usage(model="small", input_tokens=200, output_tokens=40, cost_usd=0.5)
    assert not steps["other"].HasField("usage")
    assert run.cost == "$0.50"


async def test_without_prices_there_are_tokens_and_no_cost(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    async def ask(attempt: Attempt) -> Any:
        attempt.usage = Usage(model="local", input_tokens=5, output_tokens=1)
        return None

    peers.registry.workflow({"id": "ask"})
    worker.code["ask"] = ask

    run = await engine.ended((await engine.start_run()).id)

    steps = await engine.steps(run.id)
    assert steps["ask"].usage == Usage(model="local", input_tokens=5, output_tokens=1)
    assert run.cost == ""


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, ""),
        (0.0, "$0.00"),
        (0.534, "$0.53"),
        (1234.5, "$1,234.50"),
        (0.00123, "$0.0012"),
        (0.00000456, "$0.0000046"),
    ],
)
def test_a_cost_reads_as_people_write_it(cost: float | None, text: str) -> None:
    assert dollars(cost) == text
