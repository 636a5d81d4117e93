"""The example of every component type, as forms get it: made a component, tried out, given inputs that are wrong.

A model's server cannot be here: `baseUrl` leads to the tests' own. All else runs as it is.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import jsonschema
import pytest

from tests.support.fake_models import FakeModels, Reply
from tests.support.stack import NO_TLS, Stack
from tests.system.console import Console, Json, fresh

MODELS = ("LLM_PROMPT_AGENT", "AI_ASSISTANT")
DAYS = [{"day": "monday", "high": 35.6}]
ROWS = [{"day": "monday", "temp_max": 35.6}, {"day": "tuesday", "temp_max": 28.1}]


@dataclass(frozen=True)
class Trial:
    """Inputs of an example and what is in its output, and inputs that are wrong and how they are called."""

    inputs: Json
    output: Any
    wrong: Json
    named: str


TRIALS = {
    "LLM_PROMPT_AGENT": Trial(
        {"rows": ROWS}, {"data": {"summary": "warm", "warmest": 35.6}}, {"row": ROWS}, "'rows' is undefined"
    ),
    "JUPYTER_NOTEBOOK": Trial(
        {"temperatures": [1, 2, 6]}, {"mean": 3}, {"2 temperatures": [1]}, "the input '2 temperatures'"
    ),
    "PYTHON_SCRIPT": Trial(
        {"celsius": [10, 20]}, {"mean": 15, "max": 20}, {"celsius": "warm"}, "inputs.celsius"
    ),
    "TYPESCRIPT_SCRIPT": Trial(
        {"celsius": [0, 100]}, {"fahrenheit": [32, 212]}, {"celsius": "warm"}, "inputs.celsius"
    ),
    "MCP": Trial({"celsius": 100}, {"structured": {"result": 212}}, {"celsius": "warm"}, "celsius"),
    "AI_ASSISTANT": Trial(
        {"message": "How warm?"}, {"turns": 1}, {"massage": "How warm?"}, "'message' is undefined"
    ),
    "DATA": Trial(
        {},
        {"rows": [{"day": "2024-07-03", "high": 33.2}, {"day": "2024-07-02", "high": 31}]},
        {},
        "",
    ),
    "UTILITY": Trial({"rows": ROWS}, ROWS[:1], {"row": ROWS}, "inputs.rows"),
    "OUTPUT": Trial({"title": "July", "rows": DAYS}, {}, {"title": "July"}, "'rows' is undefined"),
}
"""By type. An app takes any inputs and has no output: it has a test of its own."""
TAKES_ANYTHING = {"DATA", "STREAMLIT_APP"}
"""A file is what it is, and an app reads what it likes: no input of theirs is wrong."""


@pytest.fixture(scope="module")
def models() -> Any:
    """A server of models that answers as the prompt's schema asks."""
    fake = FakeModels([Reply(['{"summary": "warm", ', '"warmest": 35.6}'])])
    yield fake
    fake.close()


@pytest.fixture(scope="module")
async def versions(stack: Stack, models: FakeModels) -> AsyncIterator[dict[str, Json]]:
    """The version that every type's example makes, by type."""
    made: dict[str, Json] = {}
    async with stack.http() as http:
        admin = Console(http)
        listed = await admin.call("GET", "/api/v1/component-types")
        for one in listed["componentTypes"]:
            config = one["example"]
            if one["type"] in MODELS:
                config = {**config, "baseUrl": f"{models.url}/v1"}
            definition = {"name": fresh("example"), "type": one["type"], "visibility": "PUBLIC"}
            version = {"version": "1.0.0", one["configField"]: config}
            body = {"definition": definition, "initialVersion": version}
            answer = await admin.call("POST", "/api/v1/mcp-definitions", json=body)
            made[one["type"]] = answer["initialVersion"]
        yield made


def address(version: Json) -> str:
    """Where the version is tried out."""
    return f"/api/v1/mcp-versions/{version['id']}:test"


async def try_out(admin: Console, version: Json, inputs: Json) -> str:
    """The run that tries it."""
    return str((await admin.call("POST", address(version), json={"inputs": inputs}))["run"]["id"])


def test_every_type_is_tried(versions: dict[str, Json]) -> None:
    assert set(versions) == {*TRIALS, "STREAMLIT_APP"}
    assert len(versions) == 10


@pytest.mark.parametrize("kind", TRIALS)
async def test_an_example_runs_as_it_is_and_answers_what_its_schema_says(
    admin: Console, versions: dict[str, Json], kind: str
) -> None:
    trial, version = TRIALS[kind], versions[kind]

    run = await try_out(admin, version, trial.inputs)
    ended = await admin.finish(run)

    output = (await admin.steps(run))["test"]["output"]
    assert ended["status"] == "SUCCESS", ended["error"]
    assert ended["outputs"] == {"output": output}
    jsonschema.validate(output, version.get("outputSchema", {}))
    shown = {name: output[name] for name in trial.output} if isinstance(trial.output, dict) else output
    assert shown == trial.output


async def test_the_report_of_the_output_example_can_be_read(
    admin: Console, versions: dict[str, Json]
) -> None:
    run = await try_out(admin, versions["OUTPUT"], TRIALS["OUTPUT"].inputs)
    await admin.finish(run)

    made = (await admin.steps(run))["test"]["output"]["artifacts"]
    page = await admin.http.get(f"/api/v1/artifacts/{made[0]['artifact_id']}")

    assert [one["name"] for one in made] == ["hot-days.md", "hot-days.html"]
    assert "| monday | 35.6 |" in page.text


async def test_the_app_of_the_example_is_opened_and_stopped(
    stack: Stack, admin: Console, versions: dict[str, Json]
) -> None:
    run = await try_out(admin, versions["STREAMLIT_APP"], {})
    path = ""
    async for event in admin.stream(run):
        if event.name == "result_preview":
            path = str(event.data["value"]["url"])
            break
    opened = await admin.call("POST", f"/api/v1/workflow-runs/{run}/steps/test:openApp", json={})
    origin = f"http://127.0.0.1:{stack.ports.apps}"
    async with httpx.AsyncClient(base_url=origin, trust_env=False, verify=NO_TLS) as browser:
        entered = await browser.get(opened["url"])
        health = await browser.get(f"{path}_stcore/health")

        await admin.call("POST", f"/api/v1/workflow-runs/{run}:cancel", json={})
        ended = await admin.finish(run)
        after = await browser.get(f"{path}_stcore/health")

    assert (entered.status_code, health.text) == (200, "ok")
    assert ended["status"] == "ABORTED"
    assert after.status_code == 400


@pytest.mark.parametrize("kind", sorted(TRIALS.keys() - TAKES_ANYTHING))
async def test_inputs_that_are_wrong_are_refused_by_their_names(
    admin: Console, versions: dict[str, Json], kind: str
) -> None:
    trial = TRIALS[kind]

    answer = await admin.http.post(address(versions[kind]), json={"inputs": trial.wrong})
    if answer.status_code == 200:
        run = await admin.finish(answer.json()["run"]["id"])
        error = (await admin.steps(run["id"]))["test"]["error"]
        assert (run["status"], error["kind"]) == ("FAILED", "INVALID_INPUT")
        said = error["message"]
    else:
        assert answer.status_code == 400
        assert answer.json()["details"][0]["reason"] == "RUN_INPUT_INVALID"
        said = answer.text

    assert trial.named in said


async def test_who_may_only_look_tries_nothing_and_is_told_what_it_takes(
    viewer: Console, versions: dict[str, Json]
) -> None:
    refused = {}
    for kind, version in versions.items():
        answer = await viewer.http.post(address(version), json={"inputs": {}})
        refused[kind] = (answer.status_code, answer.json()["details"][0]["metadata"]["permission"])

    assert refused == dict.fromkeys(versions, (403, "runs.start"))
