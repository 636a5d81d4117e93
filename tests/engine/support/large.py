"""Steps whose outputs are over 256 KiB."""

from typing import Any

from google.protobuf.json_format import MessageToDict

from chassis import jsonvalue
from mcpanel.engine.v1 import run_pb2
from tests.engine.support.worker import Attempt

ROWS: list[Any] = [{"id": number, "text": "x" * 10_000} for number in range(40)]


async def make_rows(attempt: Attempt) -> Any:
    """The rows, and how many they are."""
    return {"rows": ROWS, "count": len(ROWS)}


async def sizes(attempt: Attempt) -> Any:
    """The length of every input's JSON."""
    return {key: len(jsonvalue.canonical(value)) for key, value in (await attempt.whole()).items()}


def outputs(run: run_pb2.Run) -> Any:
    """The run's, as JSON."""
    return MessageToDict(run.outputs)
