"""An assistant's calls as events, from the model that asks for them to whoever watches the run."""

import json

from tests.support.fake_models import INPUT_TOKENS, OUTPUT_TOKENS, FakeModels, Reply
from tests.support.stack import Stack
from tests.system.console import Console, fresh
from tests.system.test_example import run_example

SQL = "select fruit from harvest limit 1"
STEP = "{id: answer, component: ANALYST, with: {message: Which fruit?}}"


async def calls(console: Console, run: str) -> list[tuple[int, str, str]]:
    """Number, tool and status of the calls that whoever streams a run is told of."""
    return [
        (one.data["call"], one.data["tool"], one.data["status"])
        async for one in console.stream(run)
        if one.name == "tool_call"
    ]


async def test_every_call_is_shown_as_it_is_decided_about_and_as_it_ends(
    stack: Stack, admin: Console
) -> None:
    done = run_example(stack, "assistant")
    models = FakeModels(
        [
            Reply(calls=[("query_sample", json.dumps({"sql": SQL})), ("drop_table", "{}")]),
            Reply(calls=[("query_sample", json.dumps({"sql": "select nothing from nowhere"}))]),
            Reply(["A fruit."]),
        ]
    )
    name = fresh("analyst")
    config = {"model": "m", "baseUrl": f"{models.url}/v1", "tools": [{"dataSource": "sample"}]}
    body = {
        "definition": {"name": name, "type": "AI_ASSISTANT"},
        "initialVersion": {"version": "1.0.0", "aiAssistant": config},
    }
    try:
        await admin.call("POST", "/api/v1/mcp-definitions", json=body)
        workflow = await admin.workflow("name: NAME\nsteps:\n  - " + STEP.replace("ANALYST", name))
        run = await admin.start(workflow["name"])
        ended = await admin.finish(run)
    finally:
        models.close()

    said = [line.split("| ")[1] for line in done.stdout.splitlines() if "  | " in line]
    shown = [text.split()[:3] for text in said if "query_sample" in text]
    assert shown == [["→", "calls", "query_sample"], ["←", "query_sample", "answered"]] * 2, done.stdout
    assert ended["status"] == "SUCCESS", ended["error"]
    assert await calls(admin, run) == [
        (1, "query_sample", "ALLOWED"),
        (1, "query_sample", "SUCCESS"),
        (2, "drop_table", "REFUSED"),
        (3, "query_sample", "ALLOWED"),
        (3, "query_sample", "FAILED"),
    ]


async def test_an_assistant_that_is_called_spends_what_its_caller_has_left_and_no_more(
    admin: Console,
) -> None:
    inner, outer = fresh("inner"), fresh("outer")
    ask = json.dumps({"message": "Which fruit?"})
    models = FakeModels([Reply(calls=[(inner, ask)]), Reply(calls=[("none", "{}")])])
    config = {"model": "m", "baseUrl": f"{models.url}/v1", "inputPrice": 1000, "outputPrice": 1000}
    each = (INPUT_TOKENS + OUTPUT_TOKENS) / 1000
    limited = {**config, "tools": [{"component": inner}], "maxCost": 1.5 * each}
    try:
        for name, one in ((inner, config), (outer, limited)):
            body = {
                "definition": {"name": name, "type": "AI_ASSISTANT"},
                "initialVersion": {"version": "1.0.0", "aiAssistant": one},
            }
            await admin.call("POST", "/api/v1/mcp-definitions", json=body)
        workflow = await admin.workflow("name: NAME\nsteps:\n  - " + STEP.replace("ANALYST", outer))
        run = await admin.start(workflow["name"])
        ended = await admin.finish(run)
    finally:
        models.close()
    [step] = (await admin.steps(run)).values()

    told = [one.data for one in [one async for one in admin.stream(run)] if one.name == "tool_call"]

    assert ended["cost"] == f"${2 * each:.2f}"
    assert "is used up ($0.036, $0.018 of it by components that it called)" in ended["error"]["message"]
    assert (step["usage"]["costUsd"], step["usage"]["called"]["costUsd"]) == (each, each)
    assert [(one["call"], one["tool"], one["status"]) for one in told] == [
        (1, inner, "ALLOWED"),
        (1, inner, "FAILED"),
    ]
    assert "what the assistant's caller had left of its budget, $0.009, is used up" in told[1]["message"]
    assert len(models.heard) == 2
