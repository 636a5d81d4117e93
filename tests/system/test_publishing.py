"""Drafts where runs come in, and who owned what in the action log."""

from typing import Any

from tests.support.stack import Stack
from tests.system.console import Console, fresh


async def test_a_draft_runs_as_a_test_and_where_a_step_of_its_owner_writes_it_out(stack: Stack) -> None:
    name = fresh("value")
    source = f"{{name: {name}, type: Data, version: 0.1.0, draft: true, data: {{value: tried}}}}"
    async with stack.http() as http:
        console = Console(http)
        made = await console.call("POST", "/api/v1/mcp-definitions", json={"source": source})
        draft: dict[str, Any] = made["initialVersion"]
        flow = await console.workflow(
            f"""
            name: NAME
            steps: [{{id: a, component: {name}@0.1.0}}]
            outputs: {{got: "${{{{ steps.a.output }}}}"}}
            """
        )

        tested = (await console.call("POST", f"/api/v1/mcp-versions/{draft['id']}:test", json={}))["run"]
        ended = await console.finish(tested["id"])
        pinned = await console.finish(await console.start(flow["name"]))

        assert draft["status"] == "DRAFT"
        assert ended["status"] == "SUCCESS"
        assert pinned["outputs"] == {"got": "tried"}


async def test_the_action_log_knows_who_owned_something_before_and_after(stack: Stack) -> None:
    email = f"{fresh('heir')}@example.com"
    async with stack.http() as http:
        console = Console(http)
        body = {"definition": {"name": fresh("given"), "type": "DATA"}}
        made = (await console.call("POST", "/api/v1/mcp-definitions", json=body))["definition"]
        user = {"email": email, "password": "a long enough password", "roleName": "Editor"}
        heir = (await console.call("POST", "/auth/register", json=user))["user"]

        at = f"/api/v1/mcp-definitions/{made['id']}"
        await console.call("POST", f"{at}:transfer", json={"newOwner": email})
        (entry,) = await console.action_logs(f'entity_id = "{made["id"]}" AND action = "MCP_TRANSFERRED"')

        details = entry["details"]
        assert (details["old"]["owner_id"], details["new"]["owner_id"]) == (made["ownerId"], heir["id"])
