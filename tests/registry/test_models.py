"""Versions that ask a language model: what they bring along, and what is refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf import json_format

from chassis.config import Address, ServiceConfig
from chassis.server import Server
from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import Sources, Start, World
from tests.support.callers import SERVICE, TestAuthenticator


@pytest.fixture(scope="module")
async def world(start: Start, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A registry that finds the data source `sample` and the secret `models-key`."""
    folder = tmp_path_factory.mktemp("models")
    address = f"unix:{folder}/ds"
    peer = Server(
        ServiceConfig(listen=Address(address)),
        Sources(ids={"sample": "0198-sample"}, secrets={"models-key": "0198-key"}).services,
        authenticator=TestAuthenticator(),
    )
    await peer.start()
    (folder / "key").write_text(SERVICE.credential)
    yield await start(MCPANEL_DATASOURCES_ADDRESS=address, MCPANEL_KEY_FILE=str(folder / "key"))
    await peer.stop()


def creating(definition: str, kind: str, **config: Any) -> pb.CreateVersionRequest:
    """A request for a version with a config of this kind."""
    body = {"version": "1.0.0", kind: {"model": "small", **config}}
    return pb.CreateVersionRequest(
        definition_id=definition, version=json_format.ParseDict(body, component_pb2.Version())
    )


@pytest.mark.parametrize(
    ("config", "host"),
    [
        ({}, "api.openai.com"),
        ({"provider": "anthropic"}, "api.anthropic.com"),
        ({"provider": "google"}, "generativelanguage.googleapis.com"),
        ({"base_url": "https://Models.example.com/v1"}, "models.example.com"),
        ({"base_url": "http://127.77.0.1:9000/v1"}, "127.77.0.1:9000"),
        ({"base_url": "http://models.example.com"}, "models.example.com:80"),
    ],
)
async def test_the_models_host_is_one_of_the_versions_hosts(
    world: World, config: dict[str, Any], host: str
) -> None:
    made = await world.definition(type="LLM_PROMPT_AGENT")

    answer = await world.call("CreateVersion", creating(made.id, "llmPromptAgent", **config))

    assert list(answer.version.network_hosts) == [host]


async def test_what_a_prompt_answers_is_known_before_it_runs(world: World) -> None:
    made = await world.definition(type="LLM_PROMPT_AGENT")
    wanted = {"type": "object", "properties": {"days": {"type": "integer"}}}

    answer = await world.call("CreateVersion", creating(made.id, "llmPromptAgent", responseSchema=wanted))

    schema = json_format.MessageToDict(answer.version.output_schema)
    assert schema["properties"]["data"] == wanted
    assert schema["properties"]["completion"] == {"type": "string"}


async def test_the_data_sources_of_an_assistants_tools_are_linked(world: World) -> None:
    made = await world.definition(type="AI_ASSISTANT")

    answer = await world.call(
        "CreateVersion", creating(made.id, "aiAssistant", tools=[{"dataSource": "sample"}])
    )

    assert [link.name for link in answer.version.data_sources] == ["sample"]


async def test_the_secret_with_the_key_is_linked_once(world: World) -> None:
    made = await world.definition(type="LLM_PROMPT_AGENT")
    request = creating(made.id, "llmPromptAgent", secret="models-key")
    request.version.secret_ids.append("0198-key")

    answer = await world.call("CreateVersion", request)

    assert [(link.id, link.name) for link in answer.version.secrets] == [("0198-key", "models-key")]


async def test_a_tool_whose_data_source_is_not_there_is_refused(world: World) -> None:
    made = await world.definition(type="AI_ASSISTANT")

    refused = await world.refused(
        "CreateVersion", creating(made.id, "aiAssistant", tools=[{"dataSource": "nowhere"}])
    )

    assert refused.reason == "DATA_SOURCE_NOT_FOUND"


@pytest.mark.parametrize(
    ("kind", "config", "field"),
    [
        ("llmPromptAgent", {"baseUrl": "https://127.1/v1"}, "llm_prompt_agent.base_url"),
        ("llmPromptAgent", {"baseUrl": "ftp://models.example.com"}, "llm_prompt_agent.base_url"),
        ("llmPromptAgent", {"baseUrl": "https://key@models.example.com"}, "llm_prompt_agent.base_url"),
        (
            "llmPromptAgent",
            {"responseSchema": {"type": "number of days"}},
            "llm_prompt_agent.response_schema.type",
        ),
        ("aiAssistant", {"maxCost": 0.5}, "ai_assistant.max_cost"),
        (
            "aiAssistant",
            {"tools": [{"dataSource": "sample"}, {"dataSource": "sample"}]},
            "ai_assistant.tools[1].data_source",
        ),
    ],
)
async def test_what_cannot_be_asked_is_named(
    world: World, kind: str, config: dict[str, Any], field: str
) -> None:
    made = await world.definition(type="LLM_PROMPT_AGENT" if kind == "llmPromptAgent" else "AI_ASSISTANT")

    refused = await world.refused("CreateVersion", creating(made.id, kind, **config))

    assert refused.code == "INVALID_ARGUMENT"
    assert [one.field for one in refused.fields] == [f"version.{field}"]
