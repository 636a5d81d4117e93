"""A prompt from its assignment to its result, by a worker as it is started."""

import json

import pytest

from chassis import jsonvalue
from chassis.jsonvalue import Json
from mcpanel.engine.v1 import run_pb2
from mcpanel.registry.v1 import component_pb2
from tests.support.fake_models import INPUT_TOKENS, OUTPUT_TOKENS, FakeModels, Reply
from tests.worker.conftest import Start
from tests.worker.support.cells import Bench
from tests.worker.support.engine import Engine
from worker import executors
from worker.executors import BadComponentError

SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {"days": {"type": "integer", "minimum": 1}},
    "required": ["days"],
}
NETWORKS = {"MCPANEL_WORKER_NETWORKS": "127.77.0.0/24"}


def version(models: FakeModels, **config: object) -> component_pb2.Version:
    """A version of a prompt that asks the model server."""
    one = component_pb2.Version(
        id="v1",
        definition_name="sum-up",
        type=component_pb2.Definition.LLM_PROMPT_AGENT,
        network_hosts=[models.address],
    )
    settings = {
        "model": "small",
        "base_url": f"{models.url}/v1",
        "user_prompt_template": "{{ text }}",
        **config,
    }
    one.llm_prompt_agent.CopyFrom(component_pb2.LlmPromptAgentConfig(**settings))  # type: ignore[arg-type]
    return one


async def test_a_prompts_result_says_what_it_used(engine: Engine, start: Start, models: FakeModels) -> None:
    models.script = [Reply(['{"days": 3}'])]
    wanted = version(models, response_schema=jsonvalue.to_struct(SCHEMA), input_price=1000, max_tokens=50)
    await start(**NETWORKS)
    await engine.hears("hello")

    engine.assign(wanted, {"text": "Three days of rain."})
    (result,) = await engine.hears("result")

    assert not result.HasField("error"), result.error
    assert json.loads(result.output_json)["data"] == {"days": 3}
    cost = INPUT_TOKENS / 1000
    assert result.usage == run_pb2.ModelUsage(
        model="small", input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS, cost_usd=cost
    )
    assert models.heard[0].body["max_tokens"] == 50
    assert models.heard[0].body["response_format"]["json_schema"]["schema"] == SCHEMA


def test_an_assistant_whose_tool_reads_what_is_not_linked_is_refused() -> None:
    one = component_pb2.Version(id="v1", type=component_pb2.Definition.AI_ASSISTANT)
    one.ai_assistant.tools.add(data_source="ledger")

    with pytest.raises(BadComponentError, match="'ledger', which the version does not link"):
        executors.read(one)


async def test_a_components_own_code_cannot_say_what_it_used(python: Bench) -> None:
    code = "import mcpanel_step\ndef main():\n    mcpanel_step._usage('free', 0, 0, 0.0)"

    outcome = await python.run(code)

    assert outcome.usage is None
    assert outcome.failure is not None
    assert "broke its connection" in outcome.failure.message
