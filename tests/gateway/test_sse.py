"""Runs as Server-Sent Events."""

import json
import re

import grpc
import httpx
import pytest

from mcpanel.engine.v1 import run_pb2
from tests.gateway.conftest import Gateway
from tests.gateway.scripted_engine import LIVE, end, event

RUN = "/api/v1/workflow-runs/r/stream"


def frames(text: str) -> list[tuple[str, int, dict[str, object]]]:
    """The events of a stream: name, id, data."""
    found = re.findall(r"event: (\w+)\n(?:id: (\d+)\n)?data: (.*)\n\n", text)
    return [(name, int(number or 0), json.loads(data)) for name, number, data in found]


async def test_a_stream_replays_marks_live_and_ends(gateway: Gateway) -> None:
    running = run_pb2.StepStatusChange(step_id="extract", status=run_pb2.StepExecution.RUNNING, attempt=1)
    gateway.engine.scripts = [[event(1, step_status_change=running), LIVE, event(2), end(3)]]

    text = await gateway.stream(RUN)

    assert frames(text) == [
        (
            "status_change",
            1,
            {
                "runId": "r",
                "seq": 1,
                "time": "2026-01-02T03:04:05Z",
                "stepId": "extract",
                "status": "RUNNING",
                "attempt": 1,
            },
        ),
        ("log", 2, {"runId": "r", "seq": 2, "time": "2026-01-02T03:04:05Z", "message": "line 2"}),
        (
            "end",
            3,
            {"runId": "r", "seq": 3, "time": "2026-01-02T03:04:05Z", "status": "SUCCESS", "eventCount": 3},
        ),
    ]
    assert text.index("id: 1\n") < text.index(": live\n\n") < text.index("id: 2\n")


async def test_a_call_of_a_tool_is_an_event_with_what_it_is_called_with_and_how_it_ended(
    gateway: Gateway,
) -> None:
    call = {"step_id": "answer", "attempt": 1, "call": 1, "tool": "query_sample"}
    allowed = run_pb2.ToolCall(**call, status=run_pb2.ToolCall.ALLOWED)  # type: ignore[arg-type]
    allowed.arguments.struct_value.update({"sql": "select 1", "max_rows": 200})
    ended = run_pb2.ToolCall(**call, status=run_pb2.ToolCall.SUCCESS, message="12 characters")  # type: ignore[arg-type]
    ended.duration.FromMilliseconds(12)
    ended.started_run_id = "another"
    gateway.engine.scripts = [[event(1, tool_call=allowed), event(2, tool_call=ended), end(3)]]

    text = await gateway.stream(RUN)
    told = frames(text)[:2]

    always = {"runId": "r", "time": "2026-01-02T03:04:05Z", "stepId": "answer", "attempt": 1, "call": 1}
    always["tool"] = "query_sample"
    assert told == [
        (
            "tool_call",
            1,
            {**always, "seq": 1, "status": "ALLOWED", "arguments": {"sql": "select 1", "max_rows": 200}},
        ),
        (
            "tool_call",
            2,
            {
                **always,
                "seq": 2,
                "status": "SUCCESS",
                "message": "12 characters",
                "duration": "0.012s",
                "startedRunId": "another",
            },
        ),
    ]
    assert "200.0" not in text


async def test_last_event_id_names_the_position(gateway: Gateway) -> None:
    gateway.engine.scripts = [[event(6), end(7)], [event(4), end(5)]]

    await gateway.stream(RUN, **{"last-event-id": "5"})
    await gateway.stream(RUN + "?after_seq=3")

    assert [request.after_seq for request in gateway.engine.requests] == [5, 3]


async def test_an_engine_that_restarts_is_only_a_pause(gateway: Gateway) -> None:
    gateway.engine.scripts = [
        [LIVE, event(1), event(2), grpc.StatusCode.UNAVAILABLE],
        [event(2), LIVE, event(3)],
        [end(4)],
    ]

    text = await gateway.stream(RUN)

    assert [number for _, number, _ in frames(text)] == [1, 2, 3, 4]
    assert [request.after_seq for request in gateway.engine.requests] == [0, 2, 3]
    assert text.count(": live\n\n") == 1


async def test_a_refusal_is_an_answer_and_not_a_stream(gateway: Gateway) -> None:
    gateway.engine.scripts = [[grpc.StatusCode.PERMISSION_DENIED], [grpc.StatusCode.NOT_FOUND]]

    denied = await gateway.http.get(RUN)
    missing = await gateway.http.get(RUN)

    assert (denied.status_code, denied.json()["code"]) == (403, 7)
    assert (missing.status_code, missing.json()["code"]) == (404, 5)


async def test_a_failure_midway_is_an_error_event(gateway: Gateway) -> None:
    gateway.engine.scripts = [[event(1), grpc.StatusCode.RESOURCE_EXHAUSTED]]

    events = frames(await gateway.stream(RUN))

    assert [name for name, _, _ in events] == ["log", "error"]
    assert events[-1][2]["code"] == 8


@pytest.mark.parametrize("position", ["-1", "x", "1.5", "99999999999", "²"])
async def test_a_position_that_is_no_number_is_refused(gateway: Gateway, position: str) -> None:
    answer = await gateway.http.get(RUN, params={"after_seq": position})

    assert answer.status_code == 400
    assert "after_seq" in answer.json()["message"]


async def test_the_callers_own_credential_travels_on_and_nothing_else(gateway: Gateway) -> None:
    gateway.engine.scripts = [[end(1)]]

    await gateway.stream(RUN, authorization="Bearer t", **{"x-mcpanel-on-behalf-of": "somebody"})

    assert gateway.engine.metadata[0]["authorization"] == "Bearer t"
    assert "x-mcpanel-on-behalf-of" not in gateway.engine.metadata[0]


async def test_of_the_cookies_only_our_own_travels_on(gateway: Gateway) -> None:
    gateway.engine.scripts = [[end(1)]]

    cookies = "tracker=1; __Host-mcpanel=ours; other=\u00fc".encode()
    await gateway.http.get(RUN, headers=[(b"cookie", cookies)])

    assert gateway.engine.metadata[0]["cookie"] == "__Host-mcpanel=ours"


@pytest.mark.parametrize("name", ["x-api-key", "authorization", "cookie"])
@pytest.mark.parametrize("value", ["mcp_\u00fc", "mcp_\x7f"])
async def test_a_credential_that_no_call_can_carry_is_refused(
    gateway: Gateway, name: str, value: str
) -> None:
    shown = {"cookie": f"__Host-mcpanel={value}"}.get(name, value).encode("latin-1")

    answer = await gateway.http.get(RUN, headers=[(name.encode(), shown)])

    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (401, "CREDENTIALS_INVALID")


@pytest.mark.parametrize(
    ("peer", "claimed", "told"),
    [
        ("127.0.0.1", {"x-forwarded-for": "10.0.0.9, 203.0.113.7"}, "203.0.113.7"),
        ("127.0.0.1", {}, "127.0.0.1"),
        ("203.0.113.66", {"x-forwarded-for": "198.51.100.1"}, "203.0.113.66"),
    ],
)
async def test_only_the_edge_says_where_a_request_came_from(
    gateway: Gateway, peer: str, claimed: dict[str, str], told: str
) -> None:
    gateway.engine.scripts = [[end(1)]]
    transport = httpx.ASGITransport(gateway.app, client=(peer, 1234))

    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        await http.get(RUN, headers=claimed)

    assert gateway.engine.metadata[0]["x-forwarded-for"] == told


async def test_a_draining_gateway_ends_its_streams(gateway: Gateway) -> None:
    gateway.engine.scripts = [[LIVE, event(1)]]
    gateway.draining.set()

    text = await gateway.stream(RUN)

    assert "event: end" not in text
