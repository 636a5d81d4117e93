"""What a program tells of a call: read as from a stranger, for what runs in a cell may have been taken over."""

import json
import os
from typing import Any

import pytest

from tests.worker.support.cells import Remembering, job
from worker.cells import calls
from worker.cells.attempt import Attempt
from worker.cells.calls import ToolCall
from worker.cells.limits import Limits
from worker.cells.pipes import ProtocolError
from worker.inside import frames


def told(**more: Any) -> dict[str, Any]:
    """What a program tells."""
    return {
        "call": 1,
        "tool": "query_sales",
        "status": "ALLOWED",
        "message": "",
        "seconds": None,
        "omitted": False,
        "started_run_id": "",
        **more,
    }


def test_what_is_told_is_bounded() -> None:
    call = calls.read(told(tool="t" * 500, message="m" * 5000), b'{"a":[1,"x",null]}')

    assert (len(call.tool), len(call.message)) == (100, 1000)
    assert call.arguments == {"a": [1, "x", None]}
    assert call.size > 1000


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "MAYBE"},
        {"call": 0},
        {"call": calls.MOST + 1},
        {"seconds": -1},
        {"seconds": float("inf")},
        {"seconds": float("nan")},
        {"started_run_id": "'; --"},
    ],
)
def test_a_call_that_there_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="cannot be"):
        calls.read(told(**wrong), b"")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (b'"' + b"x" * 8192 + b'"', "too large"),
        (b"{", "not JSON"),
        (b"[NaN]", "not JSON"),
        (b"[1e999]", "not JSON"),
        (b'"\\ud800"', "not JSON"),
        (b"[" * 4000 + b"]" * 4000, "not JSON"),
        (b"[" * 22 + b"]" * 22, "too deeply"),
    ],
)
def test_arguments_that_no_event_takes_are_refused(arguments: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        calls.read(told(), arguments)


def test_without_arguments_a_call_says_that_it_had_some() -> None:
    short = calls.read(told(), json.dumps({"sql": "select 1"}).encode()).without_arguments()

    assert short == ToolCall(1, "query_sales", "ALLOWED", "", None, True, size=short.size)
    assert not calls.read(told(status="SUCCESS"), b"").without_arguments().arguments_omitted


async def test_calls_count_as_output_and_beyond_its_limit_they_are_told_of_without_arguments() -> None:
    to_step, from_step, stdout, stderr = (os.pipe() for _ in range(4))
    attempt = Attempt(
        [to_step[1], from_step[0], stdout[0], stderr[0]], Limits(log_bytes=200), lambda _: None, counts=True
    )
    sink = Remembering()
    for number in (1, 2, 3):
        message = frames.pack_json({"t": "tool_call", **told(call=number)})
        os.write(from_step[1], message + frames.pack(frames.BYTES, b'{"sql":"select 1"}'))
    os.write(stdout[1], b"a line\n")
    for fd in (from_step[1], stdout[1], stderr[1]):
        os.close(fd)

    await attempt.converse(job(""), sink)
    attempt.finish()
    attempt.close()
    os.close(to_step[0])

    assert [(one.call, one.arguments_omitted) for one in sink.calls] == [(1, False), (2, False), (3, True)]
    assert sink.lines == [
        ("stdout", "INFO", "a line"),
        (
            "log",
            "WARNING",
            "53 bytes of output were dropped, 0 lines: a step keeps 20,000 lines and 200 bytes",
        ),
    ]
