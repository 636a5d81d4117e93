"""`/context`: MCP components under the address that older clients know."""

from typing import Any

from tests.support.stack import Stack
from tests.system.console import Console, fresh

SERVER = '{"mcpServers": {"clock": {"command": "clock"}}}'


async def test_a_server_is_created_read_changed_and_deleted_under_context(stack: Stack) -> None:
    name = fresh("clock")
    source = f"name: {name}\ndescription: Tells the time\ntypeSpecificData: {{mcpConfiguration: '{SERVER}'}}"
    async with stack.http() as http:
        console = Console(http)

        made: dict[str, Any] = await console.call("POST", "/context", json={"source": source})
        at = f"/context/{made['definition']['id']}"
        read = await console.call("GET", f"/context/{name}")
        await console.call("PUT", at, json={"definition": {"description": "Tells time"}})
        listed = (await console.call("GET", "/context?pageSize=1000"))["definitions"]
        await console.call("DELETE", at)

        assert made["definition"]["type"] == "MCP"
        assert made["initialVersion"]["version"] == "1.0.0"
        assert read["definition"] == made["definition"]
        assert {one["name"]: one["description"] for one in listed}[name] == "Tells time"
        assert (await http.get(at)).status_code == 404


async def test_under_context_there_is_nothing_but_mcp(stack: Stack) -> None:
    name = fresh("value")
    async with stack.http() as http:
        console = Console(http)
        await console.call(
            "POST", "/api/v1/mcp-definitions", json={"definition": {"name": name, "type": "DATA"}}
        )

        listed = (await console.call("GET", "/context?pageSize=1000")).get("definitions", [])
        read = await http.get(f"/context/{name}")
        made = await http.post("/context", json={"definition": {"name": fresh("value"), "type": "DATA"}})

        assert name not in [one["name"] for one in listed]
        assert read.json()["details"][0]["reason"] == "DEFINITION_NOT_FOUND"
        assert (made.status_code, made.json()["details"][0]["reason"]) == (400, "INVALID_FIELD")
