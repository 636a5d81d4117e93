"""What was used of language models: read from what a cell says, and told to the engine."""

from typing import Any

import pytest

from mcpanel.engine.v1 import run_pb2
from worker import used
from worker.cells.pipes import ProtocolError
from worker.cells.usage import CalledUsage, Usage, counted, with_called

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
