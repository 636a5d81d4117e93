"""kill -9 of the worker while a step of each type runs: the run ends in SUCCESS, and no process of theirs is left."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.fake_models import FakeModels, Reply
from tests.support.stack import Stack
from tests.system.console import Console, fresh
from tests.worker.support.cells import gone, processes_below

WAITS = "import time\nimport mcpanel_step as step\nprint('waiting', flush=True)\n"
ONCE = "time.sleep(60 if step.context.attempt == 1 else 0)\n"
TOOL = """
import time
from mcp.server.mcpserver import MCPServer

server = MCPServer("slow", log_level="ERROR")


@server.tool()
def wait(seconds: float) -> str:
    time.sleep(seconds)
    return "waited"


server.run()
"""


@pytest.fixture
async def console(doomed: Stack) -> AsyncIterator[Console]:
    """The administrator of that stack."""
    async with doomed.http() as http:
        yield Console(http, patience=15)


def components(models: str) -> dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """By step: the type, its config's field, the config, and the step's inputs. Each is at work for seconds."""
    typescript = (
        'import * as step from "mcpanel:step";\n'
        "export async function main() {\n"
        "  if (step.context.attempt === 1) await new Promise((done) => setTimeout(done, 60_000));\n"
        "  return 1;\n}\n"
    )
    app = f"{WAITS}import streamlit\nstreamlit.title('app')\n"
    return {
        "python": (
            "PYTHON_SCRIPT",
            "pythonScript",
            {"codeContent": f"def main():\n    {_in(WAITS + ONCE)}"},
            {},
        ),
        "typescript": ("TYPESCRIPT_SCRIPT", "typescriptScript", {"codeContent": typescript}, {}),
        "notebook": (
            "JUPYTER_NOTEBOOK",
            "jupyterNotebook",
            {"notebookCells": [{"type": "code", "content": WAITS + ONCE}]},
            {},
        ),
        "prompt": (
            "LLM_PROMPT_AGENT",
            "llmPromptAgent",
            {"model": "m", "baseUrl": f"http://{models}/v1", "userPromptTemplate": "Say something"},
            {},
        ),
        "tool": (
            "MCP",
            "mcp",
            {
                "mcpConfiguration": '{"mcpServers": {"slow": {"command": "python", "args": ["slow.py"]}}}',
                "files": [{"path": "slow.py", "content": TOOL}],
                "tool": "wait",
            },
            {"seconds": 8},
        ),
        "data": (
            "DATA",
            "data",
            {"sql": "SELECT count(*) AS n FROM data, range(1500000000) AS numbers"},
            {"rows": [{"a": 1}]},
        ),
        "app": (
            "STREAMLIT_APP",
            "streamlitApp",
            {
                "mainScriptPath": "app.py",
                "files": [{"path": "app.py", "content": app}],
                "idleTimeout": "6s",
            },
            {},
        ),
    }


def _in(text: str) -> str:
    return text.replace("\n", "\n    ").rstrip() + "\n"


async def test_a_worker_killed_with_a_step_of_each_type_leaves_nothing_behind_and_the_run_succeeds(
    doomed: Stack, console: Console
) -> None:
    models = FakeModels([Reply(["one"], hang=True), Reply(["one", " two"])])
    steps = []
    try:
        for step, (kind, field, config, given) in components(models.address).items():
            name = fresh(step)
            version = {"version": "1.0.0", field: config}
            body = {"definition": {"name": name, "type": kind}, "initialVersion": version}
            await console.call("POST", "/api/v1/mcp-definitions", json=body)
            steps.append(f"  - {{id: {step}, component: {name}, with: {given}}}")
        workflow = await console.workflow("name: NAME\nsteps:\n" + "\n".join(steps))
        run = await console.start(workflow["name"])
        for step in components(""):
            await console.until_running(run, step)
        async with asyncio.timeout(60):
            while not models.heard:
                await asyncio.sleep(0.1)
        worker = doomed.pid("worker")
        left = processes_below(worker)

        doomed.wait_restarted("worker", doomed.kill("worker"))
        ended = await console.finish(run, seconds=120)
    finally:
        models.close()

    assert await gone(left)
    assert ended["status"] == "SUCCESS", ended["error"]
    found = await console.steps(run)
    for step in ("python", "typescript", "notebook", "prompt", "app"):
        attempts = found[step]["attempts"]
        assert attempts[0]["error"]["kind"] == "WORKER_LOST", (step, attempts)
        assert attempts[-1]["status"] == "SUCCESS"
    assert {found[step]["status"] for step in found} == {"SUCCESS"}
