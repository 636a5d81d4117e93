"""The runs themselves as Server-Sent Events."""

import asyncio
import json
import re
from typing import Any

import grpc

from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.gateway.conftest import Gateway

RUNS = "/api/v1/workflow-runs/stream"
Message = engine_pb2.WatchRunsResponse


def run(run_id: str, cursor: str = "") -> engine_pb2.WatchRunsResponse:
    return Message(run=run_pb2.Run(id=run_id, status=run_pb2.Run.RUNNING), cursor=cursor)


def live(cursor: str, *run_ids: str) -> engine_pb2.WatchRunsResponse:
    return Message(live=Message.Live(run_ids=run_ids), cursor=cursor)


def frames(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The events of a stream: name, id, data."""
    found = re.findall(r"event: (\w+)\n(?:id: (\d+)\n)?data: (.*)\n\n", text)
    return [(name, number, json.loads(data)) for name, number, data in found]


async def read(gateway: Gateway, path: str = RUNS, **headers: str) -> str:
    """The stream until this process drains, a moment after everything was played."""
    asyncio.get_running_loop().call_later(0.5, gateway.draining.set)
    text = await gateway.stream(path, **headers)
    gateway.draining.clear()
    return text


async def test_what_there_is_has_no_id_and_what_changes_has(gateway: Gateway) -> None:
    script = [run("a"), live("10", "a"), run("b", "10"), Message(left="a", cursor="11"), None]
    gateway.engine.scripts = [script]

    text = await read(gateway)

    assert frames(text) == [
        ("run", "", {"id": "a", "status": "RUNNING"}),
        ("live", "10", {"runIds": ["a"]}),
        ("run", "10", {"id": "b", "status": "RUNNING"}),
        ("left", "11", {"id": "a"}),
        ("end", "", {"reason": "DRAINING"}),
    ]
    assert ": keep-alive\n\n" in text


async def test_an_engine_that_ends_or_fails_is_followed_by_the_next_from_the_cursor(gateway: Gateway) -> None:
    end = Message(end=Message.End(sent=1), cursor="20")
    gateway.engine.scripts = [
        [live("10"), run("a", "15"), grpc.StatusCode.UNAVAILABLE],
        [live("16", "a"), end],
        [live("21", "a"), None],
    ]

    text = await read(gateway, RUNS + "?filter=status%20%3D%20%22RUNNING%22&page_size=7")

    assert [name for name, _, _ in frames(text)] == ["live", "run", "live", "live", "end"]
    assert [one.cursor for one in gateway.engine.wishes] == ["", "15", "20"]
    assert {(one.filter, one.page_size) for one in gateway.engine.wishes} == {('status = "RUNNING"', 7)}


async def test_the_last_event_id_is_the_cursor_and_goes_before_the_parameter(gateway: Gateway) -> None:
    gateway.engine.scripts = [[live("10"), None], [live("10"), None]]

    await read(gateway, RUNS + "?cursor=3", **{"last-event-id": "5"})
    await read(gateway, RUNS + "?cursor=3")

    assert [one.cursor for one in gateway.engine.wishes] == ["5", "3"]


async def test_refusals_are_answers_and_a_failure_in_between_is_an_event(gateway: Gateway) -> None:
    gateway.engine.scripts = [
        [grpc.StatusCode.INVALID_ARGUMENT],
        [grpc.StatusCode.UNAUTHENTICATED],
        [live("10"), grpc.StatusCode.RESOURCE_EXHAUSTED],
    ]

    refused = [(await gateway.http.get(RUNS)).status_code for _ in range(2)]
    broken = frames(await gateway.stream(RUNS))
    wrong = [
        await gateway.http.get(RUNS + query)
        for query in ("?after_seq=1", "?page_size=-1", "?page_size=1001", "?page_size=x")
    ]

    assert refused == [400, 401]
    assert [(name, data.get("code")) for name, _, data in broken] == [("live", None), ("error", 8)]
    assert [one.status_code for one in wrong] == [400, 400, 400, 400]
    assert len(gateway.engine.wishes) == 3
