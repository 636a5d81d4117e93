"""What was used of language models, between the engine's messages and the worker's values."""

from collections.abc import Mapping
from typing import Any

from mcpanel.engine.v1 import run_pb2, worker_pb2
from worker.cells.usage import Budget, CalledUsage, Usage
from worker.words import plain


def message(used: Usage) -> run_pb2.ModelUsage:
    """What an attempt used."""
    inner = used.called
    called = None
    if inner is not None:
        called = run_pb2.CalledUsage(
            input_tokens=inner.input_tokens, output_tokens=inner.output_tokens, cost_usd=inner.cost
        )
    return run_pb2.ModelUsage(
        model=plain(used.model),
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cost_usd=used.cost,
        called=called,
    )


def called(used: run_pb2.CalledUsage) -> CalledUsage:
    """What a component used that was called."""
    cost = used.cost_usd if used.HasField("cost_usd") else None
    return CalledUsage(used.input_tokens, used.output_tokens, cost)


def budgeted(config: Mapping[str, Any], assignment: worker_pb2.EngineMessage.Assignment) -> dict[str, Any]:
    """What a program is told: the config, and of an assistant that was called what its caller has left."""
    found = dict(config)
    if assignment.HasField("budget") and config.get("task") == "assistant":
        left = assignment.budget
        found["budget"] = {
            "tokens": left.tokens,
            "cost": left.cost_usd if left.HasField("cost_usd") else None,
        }
    return found


def budget(left: Budget | None) -> worker_pb2.Budget | None:
    """What a call may use."""
    return None if left is None else worker_pb2.Budget(tokens=left.tokens, cost_usd=left.cost)
