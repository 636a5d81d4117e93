"""Seeing what runs do, and who runs them, through the door's REST side."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

from tests.system.console import Console, fresh

RUNS = "/api/v1/workflow-runs"


def named(field: str, value: str) -> str:
    """A filter, as it stands in an address."""
    return quote(f'{field} = "{value}"')


async def talking(admin: Console) -> tuple[dict[str, Any], str]:
    code = await admin.python("def main(n: int) -> int:\n    print('item', n)\n    return n")
    workflow = await admin.workflow(
        f"""
        name: NAME
        steps:
          - {{id: each, component: {code}, for_each: [1, 2, 3], with: {{n: "${{{{ item }}}}"}}}}
        """
    )
    run = await admin.start(workflow["name"])
    await admin.finish(run)
    return workflow, run


async def test_steps_timelines_logs_and_counts_are_told_over_rest(admin: Console) -> None:
    workflow, run = await talking(admin)

    item = await admin.call("GET", f"{RUNS}/{run}/steps/{quote('each[1]', safe='')}")
    items = await admin.call("GET", f"{RUNS}/{run}/steps?prefix=each%5B&pageSize=2&statuses=SUCCESS")
    axis = await admin.call("GET", f"{RUNS}/{run}/timeline")
    lines = await admin.call("GET", f"{RUNS}/{run}/logs?text=ITEM&stream=stdout&newestFirst=true")
    wanted = named("workflow_id", workflow["id"])
    counts = await admin.call("GET", f"{RUNS}:count?byWorkflow=true&filter={wanted}")

    assert (item["stepExecution"]["inputs"], item["stepExecution"]["output"]) == ({"n": 2}, 2)
    assert item["timeline"]["attempts"][0]["queuedAt"]
    assert [one["stepId"] for one in items["stepExecutions"]] == ["each[0]", "each[1]"]
    assert items["nextPageToken"]
    assert [one["stepId"] for one in axis["steps"]] == ["each", "each[0]", "each[1]", "each[2]"]
    assert axis["criticalPath"][0].startswith("each[")
    assert sorted(one["message"] for one in lines["lines"]) == ["item 1", "item 2", "item 3"]
    assert counts["total"]["statuses"] == {"SUCCESS": 1}
    assert counts["workflows"][0]["workflowName"] == workflow["name"]
    assert counts["total"]["p95"].endswith("s")


async def test_workers_are_listed_drained_and_let_work_again_by_administrators(
    admin: Console, editor: Console
) -> None:
    (worker, *_) = (await admin.call("GET", "/api/v1/workers"))["workers"]
    path = f"/api/v1/workers/{worker['id']}"

    refused = await editor.http.post(f"{path}:drain", json={})
    unknown = await admin.http.post("/api/v1/workers/nobody:drain", json={})
    drained = await admin.call("POST", f"{path}:drain", json={"requestId": fresh("drain")})
    listed = await editor.call("GET", "/api/v1/workers?filter=drained%20%3D%20true")
    free = await admin.call("POST", f"{path}:undrain", json={})

    assert worker["alive"]
    assert worker["version"]
    assert worker["slots"] > 0
    assert (refused.status_code, unknown.status_code) == (403, 404)
    assert drained["worker"]["drained"]
    assert [one["id"] for one in listed["workers"]] == [worker["id"]]
    assert not free["worker"]["drained"]


async def test_a_version_is_tried_out_without_a_workflow(admin: Console, viewer: Console) -> None:
    name = await admin.python("def main(n: int, word: str = 'x') -> str:\n    return word * n")
    found = await admin.call("GET", f"/api/v1/mcp-definitions?filter={named('name', name)}")
    versions = await admin.call("GET", f"/api/v1/mcp-definitions/{found['definitions'][0]['id']}/versions")
    path = f"/api/v1/mcp-versions/{versions['versions'][0]['id']}:test"

    run = (await admin.call("POST", path, json={"inputs": {"n": 3, "word": "ho"}}))["run"]
    ended = await admin.finish(run["id"])
    wrong = await admin.http.post(path, json={"inputs": {"n": "three"}})
    forbidden = await viewer.http.post(path, json={"inputs": {"n": 3}})

    assert (ended["workflowName"], ended["outputs"]) == (name, {"output": "hohoho"})
    assert (wrong.status_code, forbidden.status_code) == (400, 403)


async def test_the_runs_are_streamed_through_the_door_and_go_on_from_the_last_event_id(
    admin: Console,
) -> None:
    workflow, first = await talking(admin)
    path = f"{RUNS}/stream?filter={named('workflow_id', workflow['id'])}"
    names: list[str] = []
    seen: list[tuple[str, str, dict[str, Any]]] = []

    async def read(after: str, until: Any) -> None:
        headers = {"last-event-id": after} if after else {}
        async with admin.http.stream("GET", path, headers=headers, timeout=20) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            name = number = ""
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    name, number = line[7:], ""
                elif line.startswith("id: "):
                    number = line[4:]
                elif line.startswith("data: "):
                    seen.append((name, number, json.loads(line[6:])))
                    names.append(name)
                    if until():
                        return

    starting = asyncio.create_task(started_when(lambda: "live" in names, admin, workflow["name"]))
    await read("", lambda: any(data.get("status") == "SUCCESS" and number for _, number, data in seen))
    second = await starting
    last = next(number for _, number, _ in reversed(seen) if number)
    names.clear()
    await read(last, lambda: "live" in names)
    anonymous = await admin.http.get(path, headers={"authorization": ""})
    wrong = await admin.http.get(f"{RUNS}/stream?filter=colour%20%3D%201")

    assert [(name, data.get("id")) for name, _, data in seen[:1]] == [("run", first)]
    assert seen[-1][2]["runIds"] == [second, first]
    assert (anonymous.status_code, wrong.status_code) == (401, 400)


async def started_when(ready: Any, admin: Console, name: str) -> str:
    while not ready():
        await asyncio.sleep(0.05)
    return await admin.start(name)


async def test_what_is_shared_no_more_starts_no_run_until_it_is_shared_again(
    admin: Console, editor: Console, other_editor: Console
) -> None:
    source = {"type": "POSTGRESQL", "host": "127.0.0.1", "port": 1, "database": "d", "username": "u"}
    body = {"dataSource": source | {"name": fresh("ds")}}
    source_id = (await other_editor.call("POST", "/api/v1/external-db-configs", json=body))["dataSource"][
        "id"
    ]
    lent = await private_data(other_editor)
    me = (await editor.call("GET", "/auth/me"))["user"]["id"]
    shares = [
        f"/api/v1/templates/{lent}/shares",
        f"/api/v1/external-db-configs/{source_id}/shares",
    ]

    async def share() -> list[str]:
        given = {"share": {"userId": me, "permission": "VIEW"}}
        made = [await other_editor.call("POST", path, json=given) for path in shares]
        return [f"{path}/{one['share']['id']}" for path, one in zip(shares, made, strict=True)]

    given = await share()
    reading = await private_data(editor, dataSourceIds=[source_id])
    steps = f"[{{id: a, component: {lent}}}, {{id: b, component: {reading}}}]"
    flow = await editor.workflow(f"{{name: NAME, visibility: PUBLIC, steps: {steps}}}")
    schedule = {"name": fresh("sc"), "workflow": flow["name"], "interval": {"every": "1s"}}
    await editor.call("POST", "/api/v1/schedules", json={"schedule": schedule})

    async def refused(somebody: Console) -> dict[str, Any]:
        answer = await somebody.http.post(RUNS, json={"workflow": flow["name"]})
        return {} if answer.status_code == 200 else answer.json()

    async def last_fire() -> dict[str, Any]:
        found = await editor.call("GET", f"/api/v1/schedules/{schedule['name']}")
        return dict(found["schedule"]["lastFire"] or {})

    assert await refused(other_editor) == {}
    for path in given:
        await other_editor.call("DELETE", path)
    async with asyncio.timeout(20):
        while not (error := await refused(editor)):
            await asyncio.sleep(0.2)
        while not (noted := (await last_fire()).get("error")):
            await asyncio.sleep(0.2)

    assert "PARTS_NOT_SHARED" in str(error)
    assert f"component '{lent}' is private and not shared with '{me}'" in str(error)
    assert f"data source '{body['dataSource']['name']}' is private and not shared with '{me}'" in str(error)
    assert {(await refused(one))["message"] for one in (admin, other_editor)} == {error["message"]}
    assert noted.startswith("PARTS_NOT_SHARED: ")
    await share()
    assert [await refused(one) for one in (editor, admin)] == [{}, {}]
    await editor.call("DELETE", f"/api/v1/schedules/{schedule['name']}")


async def private_data(somebody: Console, **version: Any) -> str:
    """A private component that needs no worker; its name."""
    name = fresh("data")
    body = {"definition": {"name": name, "type": "DATA"}, "initialVersion": {"version": "1.0.0", **version}}
    await somebody.call("POST", "/api/v1/mcp-definitions", json=body)
    return name
