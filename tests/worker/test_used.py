"""What was used of language models: read from what a cell says, and told to the engine."""

from typing import Any

import pytest

from mcpanel.engine.v1 import run_pb2, worker_pb2
from worker import used
from worker.cells.pipes import ProtocolError
from worker.cells.usage import Budget, CalledUsage, Usage, counted, left, with_called

TOLD: dict[str, Any] = {"model": "small", "input": 3, "output": 4, "cost": None}


def test_what_called_components_used_adds_up_and_outlives_what_the_program_tells_next() -> None:
    first = with_called(None, CalledUsage(1, 2))
    second = with_called(counted(first, TOLD), CalledUsage(10, 20, 0.5))

    last = counted(second, {**TOLD, "output": 5})

    assert last == Usage("small", 3, 5, None, CalledUsage(11, 22, 0.5))
    assert with_called(last, None) == last


@pytest.mark.parametrize("wrong", [{"cost": -1}, {"cost": float("nan")}, {"input": -1}, {"output": 2**53}])
def test_what_there_cannot_be_is_not_counted(wrong: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="cannot be"):
        counted(None, {**TOLD, **wrong})


def test_the_engine_is_told_what_it_told_of_called_components() -> None:
    told = run_pb2.CalledUsage(input_tokens=1, output_tokens=2, cost_usd=0)

    message = used.message(Usage("small", 3, 4, None, used.called(told)))

    assert message == run_pb2.ModelUsage(model="small", input_tokens=3, output_tokens=4, called=told)
    assert used.called(run_pb2.CalledUsage(input_tokens=1)) == CalledUsage(1, 0, None)
    assert not used.message(Usage("small", 3, 4)).HasField("called")


@pytest.mark.parametrize("wrong", [{"tokens": -1, "cost": None}, {"tokens": 0, "cost": float("inf")}])
def test_a_budget_that_there_cannot_be_is_not_passed_on(wrong: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="cannot be"):
        left({"budget": wrong})


def test_an_assistant_is_told_what_its_caller_has_left_and_nothing_else_is() -> None:
    plain = worker_pb2.EngineMessage.Assignment()
    called = worker_pb2.EngineMessage.Assignment(budget=used.budget(Budget(0, 0.5)))

    assert used.budgeted({"task": "assistant"}, plain) == {"task": "assistant"}
    assert used.budgeted({"task": "prompt"}, called) == {"task": "prompt"}
    assert used.budgeted({"task": "assistant"}, called)["budget"] == {"tokens": 0, "cost": 0.5}
    assert left({"budget": {"tokens": 7, "cost": None}}) == Budget(7, None)
    assert used.budget(left({"budget": None})) is None
