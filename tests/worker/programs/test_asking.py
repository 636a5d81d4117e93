"""A prompt and an assistant from assignment to result, by a worker as it is started."""

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
KEY = "a-key-that-nobody-sees"
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


async def test_calls_of_tools_are_masked_and_repeated_on_a_new_stream(
    engine: Engine, start: Start, models: FakeModels
) -> None:
    engine.secrets = {"id-of-models-key": KEY}
    engine.acknowledge = False
    asked = json.dumps({"sql": f"select '{KEY}' as \"\u0065\""})
    models.script = [Reply(calls=[("query_sales", asked), ("leak", f'{{"key": "{KEY}"}}')]), Reply(["Done."])]
    wanted = component_pb2.Version(
        id="v1",
        definition_name="analyst",
        type=component_pb2.Definition.AI_ASSISTANT,
        network_hosts=[models.address],
    )
    wanted.ai_assistant.CopyFrom(
        component_pb2.AiAssistantConfig(model="small", base_url=f"{models.url}/v1", secret="models-key")
    )
    wanted.ai_assistant.tools.add(data_source="sales")
    wanted.data_sources.add(id="id-of-sales", name="sales")
    wanted.secrets.add(id="id-of-models-key", name="models-key")
    await start(**NETWORKS)
    await engine.hears("hello")

    engine.assign(wanted, {"message": "Who?"}, data_source_token="token-of-the-run")
    await engine.hears("result")
    before = len(engine.messages("logs"))
    engine.drop_stream()
    (_, result) = await engine.hears("result", 2)

    first, *repeated = (
        [line for logs in part for line in logs.lines]
        for part in (engine.messages("logs")[:before], engine.messages("logs")[before:])
    )
    assert not result.HasField("error"), result.error
    told = [(one.number, one.tool_call.call, one.tool_call.tool, one.tool_call.status) for one in first]
    assert told == [
        (1, 1, "query_sales", run_pb2.ToolCall.ALLOWED),
        (2, 1, "query_sales", run_pb2.ToolCall.SUCCESS),
        (3, 2, "leak", run_pb2.ToolCall.REFUSED),
    ]
    assert repeated == [first]
    assert first[0].tool_call.arguments.struct_value["sql"] == "select '***' as \"e\""
    assert first[2].tool_call.arguments.string_value == '{"key": "***"}'
    assert KEY not in str(engine.messages("logs"))


async def test_a_components_own_code_cannot_tell_of_calls(python: Bench) -> None:
    code = "import mcpanel_step\ndef main():\n    mcpanel_step._tool_call({'status': 'ALLOWED'}, b'{}')"

    outcome = await python.run(code)

    assert python.sink.calls == []
    assert outcome.failure is not None
    assert "broke its connection" in outcome.failure.message


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
