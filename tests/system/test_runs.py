"""Runs through the door: started, watched live, watched again, resumed."""

import asyncio

from tests.system.console import Console, assert_gapless, fresh

SLOW = """
import time
import mcpanel_step as step

def main(n: int) -> dict:
    for i in range(n):
        print("line", i)
        step.progress((i + 1) / n, f"{i + 1} of {n}")
        time.sleep(0.05)
    return {"n": n}
"""


async def slow_run(admin: Console, n: int = 5) -> str:
    """A run of two steps that takes a moment."""
    code = await admin.python(SLOW)
    workflow = await admin.workflow(
        f"""
        name: NAME
        inputs:
          n: {{type: integer, default: {n}}}
        steps:
          - id: first
            component: {code}
            with: {{n: "${{{{ inputs.n }}}}"}}
          - id: second
            component: {code}
            with: {{n: "${{{{ steps.first.output.n }}}}"}}
        outputs:
          n: "${{{{ steps.second.output.n }}}}"
        """
    )
    return await admin.start(workflow["name"])


async def test_a_run_is_seen_live_and_the_same_afterwards(admin: Console) -> None:
    run = await slow_run(admin)

    live = [event async for event in admin.stream(run)]
    again = [event async for event in admin.stream(run)]
    recorded = await admin.events(run)

    assert live == again
    assert [event.id for event in live] == [event["seq"] for event in recorded]
    assert_gapless(recorded)
    assert live[-1].name == "end"
    assert live[-1].data["status"] == "SUCCESS"
    assert {"status_change", "log", "progress", "end"} <= {event.name for event in live}
    assert all(event.data["runId"] == run and event.data["time"] for event in live)
    assert (await admin.run(run))["outputs"] == {"n": 5}


async def test_a_stream_resumes_after_the_last_event_seen(admin: Console) -> None:
    run = await slow_run(admin)
    await admin.finish(run)

    resumed = [event async for event in admin.stream(run, after=5)]

    after_the_end = [event async for event in admin.stream(run, after=resumed[-1].id)]

    assert resumed[0].id == 6
    assert resumed[-1].name == "end"
    assert after_the_end == resumed[-1:]


async def test_many_watchers_see_the_same(admin: Console) -> None:
    run = await slow_run(admin)

    async def watch() -> list[int]:
        return [event.id async for event in admin.stream(run)]

    seen = await asyncio.gather(*(watch() for _ in range(20)))

    assert all(ids == seen[0] for ids in seen)
    assert seen[0] == list(range(1, len(seen[0]) + 1))


async def test_a_cancelled_run_stops_and_says_so(admin: Console) -> None:
    code = await admin.python("import time\ndef main():\n    time.sleep(600)")
    workflow = await admin.workflow(f"name: NAME\nsteps:\n  - {{id: a, component: {code}}}\n")
    run = await admin.start(workflow["name"])
    await admin.until_running(run, "a")

    await admin.call("POST", f"/api/v1/workflow-runs/{run}:cancel", json={"reason": "enough"})
    ended = await admin.finish(run, seconds=10)

    assert ended["status"] == "ABORTED"
    assert (await admin.steps(run))["a"]["status"] == "ABORTED"
    assert_gapless(await admin.events(run))


async def test_the_same_request_id_starts_one_run(admin: Console) -> None:
    code = await admin.python("def main(): return 1")
    workflow = await admin.workflow(f"name: NAME\nsteps:\n  - {{id: a, component: {code}}}\n")
    body = {"workflow": workflow["name"], "requestId": "once"}

    answers = await asyncio.gather(*(admin.http.post("/api/v1/workflow-runs", json=body) for _ in range(5)))
    reused = await admin.http.post("/api/v1/workflow-runs", json=body | {"inputs": {"x": 1}})

    assert {answer.json()["run"]["id"] for answer in answers if answer.status_code == 200}.__len__() == 1
    assert reused.status_code == 409


async def test_a_public_workflow_runs_its_owners_private_component_and_viewers_see_the_run(
    editor: Console, other_editor: Console, viewer: Console
) -> None:
    code = fresh("secret")
    version = {"version": "1.0.0", "pythonScript": {"codeContent": "def main() -> int:\n    return 42\n"}}
    definition = {"name": code, "type": "PYTHON_SCRIPT", "visibility": "PRIVATE"}
    body = {"definition": definition, "initialVersion": version}
    await editor.call("POST", "/api/v1/mcp-definitions", json=body)
    name = fresh("public")
    source = (
        f"name: {name}\nvisibility: PUBLIC\nsteps:\n  - {{id: a, component: {code}}}\n"
        "outputs:\n  answer: '${{ steps.a.output }}'\n"
    )
    await editor.call("POST", "/api/v1/workflows", json={"source": source})

    run = await other_editor.start(name)
    finished = await other_editor.finish(run)

    assert (finished["status"], finished["outputs"]) == ("SUCCESS", {"answer": 42})
    hidden = await other_editor.http.get(f"/api/v1/mcp-definitions/{code}")
    assert hidden.status_code == 404
    assert (await viewer.run(run))["outputs"] == {"answer": 42}
    assert (await viewer.http.post("/api/v1/workflow-runs", json={"workflow": name})).status_code == 403


async def test_a_step_whose_data_source_was_deleted_fails_naming_it_and_the_component(admin: Console) -> None:
    source = {"name": fresh("gone"), "type": "POSTGRESQL", "host": "127.0.0.1", "port": 5432, "database": "d"}
    source |= {"username": "u", "secretValue": "a made-up password", "tlsMode": "DISABLED"}
    await admin.call("POST", "/api/v1/external-db-configs", json={"dataSource": source})
    name = source["name"]
    code = await admin.python(
        f"""
        import mcpanel_step as step

        def main() -> list:
            return step.datasource("{name}").query("SELECT 1")
        """,
        dataSourceIds=[name],
    )
    workflow = await admin.workflow(f"name: NAME\nsteps:\n  - {{id: a, component: {code}}}\n")
    await admin.call("DELETE", f"/api/v1/external-db-configs/{name}")

    run = await admin.finish(await admin.start(workflow["name"]))

    said = f"the data source '{name}', which the component '{code}' links, was deleted"
    assert run["status"] == "FAILED"
    assert said in (await admin.steps(run["id"]))["a"]["error"]["message"]
