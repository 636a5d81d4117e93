"""Where a component comes from and goes into, and who changed it, as a console shows it through the edge."""

import asyncio

from tests.system.console import Console, Json, fresh


async def history(admin: Console, workflow: str, count: int) -> list[Json]:
    """The workflow's history, once the action log has so much of it."""
    while True:
        entries: list[Json] = (await admin.call("GET", f"/api/v1/workflows/{workflow}/history"))["entries"]
        if len(entries) >= count:
            return entries
        await asyncio.sleep(0.05)


async def test_a_run_is_in_the_lineage_of_what_it_ran_and_bundles_take_that_elsewhere(admin: Console) -> None:
    code = await admin.python("def main() -> int:\n    return 1\n")
    workflow = (await admin.workflow(f"name: NAME\nsteps: [{{id: one, component: {code}}}]"))["name"]
    run = await admin.start(workflow)
    await admin.finish(run)

    versions = (await admin.call("GET", f"/api/v1/mcp-definitions/{code}/versions"))["versions"]
    lineage = await admin.call("GET", f"/api/v1/mcp-versions/{versions[0]['id']}/lineage-graph")
    parts = await admin.call("GET", f"/api/v1/workflows/{workflow}/dependency-graph?version=1")
    (created,) = await history(admin, workflow, 1)
    bundle = await admin.call("POST", "/api/v1/bundles:export", json={"workflows": [workflow]})
    copies = {code: fresh("copy"), workflow: fresh("copy")}
    taken = await admin.call(
        "POST", "/api/v1/bundles:import", json={"source": bundle["source"], "rename": copies}
    )

    (ran,) = [node for node in lineage["nodes"] if node["type"] == "RUN"]
    assert ran["id"] == f"run:{run}"
    assert ran["data"]["status"] == "SUCCESS"
    assert lineage["runsUnavailable"] == ""
    assert parts["nodes"][0]["position"] == {"x": 0, "y": 0}
    ids = {node["id"] for node in parts["nodes"]}
    assert {edge[end] for edge in parts["edges"] for end in ("source", "target")} == ids
    assert (created["action"], created["new"]["name"]) == ("WORKFLOW_CREATED", workflow)
    assert [item["action"] for item in taken["items"]] == ["CREATE"] * 3
    assert (await admin.call("GET", f"/api/v1/workflows/{copies[workflow]}"))["workflow"]["version"] == 1
