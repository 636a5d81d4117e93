"""Components that are sent as documents, in the contract's words or in the console's."""

import json
from typing import Any

import pytest
from google.protobuf import json_format

from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import World
from tests.support.callers import OTHER_EDITOR

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
PROMPT = {
    "systemPrompt": "Be brief.",
    "userPromptTemplate": "{{inputText}}",
    "model": "m",
    "temperature": 0.3,
    "maxTokens": 100,
    "topP": 0.9,
    "topK": 40,
}
APP = {"gitRepoUrl": "https://example.com/app.git", "mainScriptPath": "app.py", "requirements": "pandas"}
TYPESCRIPT = "export function main() {}"
SERVER = '{"mcpServers": {"clock": {"command": "clock"}}}'
CONSOLE: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    (
        "Python Script",
        {"codeContent": "def main(): pass"},
        "python_script",
        {"code_content": "def main(): pass"},
    ),
    ("TypeScript Script", {"codeContent": TYPESCRIPT}, "typescript_script", {"code_content": TYPESCRIPT}),
    (
        "Jupyter Notebook",
        {"notebookCells": [{"id": "a", "type": "code", "content": "1"}]},
        "jupyter_notebook",
        {"notebook_cells": [{"id": "a", "type": "code", "content": "1"}]},
    ),
    (
        "LLM Prompt Agent",
        {"llmPrompt": PROMPT},
        "llm_prompt_agent",
        {
            "system_prompt": "Be brief.",
            "user_prompt_template": "{{inputText}}",
            "model": "m",
            "temperature": 0.3,
            "max_tokens": 100,
            "top_p": 0.9,
            "top_k": 40,
        },
    ),
    (
        "Streamlit App",
        {"streamlitAppData": APP},
        "streamlit_app",
        {"git_repo_url": APP["gitRepoUrl"], "main_script_path": "app.py", "requirements": "pandas"},
    ),
    ("MCP", {"mcpConfiguration": SERVER}, "mcp", {"mcp_configuration": SERVER}),
]


async def created(world: World, source: str) -> pb.CreateDefinitionResponse:
    answer: pb.CreateDefinitionResponse = await world.call(
        "CreateDefinition", pb.CreateDefinitionRequest(source=source)
    )
    return answer


@pytest.mark.parametrize(("kind", "data", "member", "config"), CONSOLE, ids=[one[0] for one in CONSOLE])
async def test_what_the_console_sends_makes_a_component_of_every_type(
    world: World, kind: str, data: dict[str, Any], member: str, config: dict[str, Any]
) -> None:
    name = world.name("console")
    sent = {
        "id": "temporary",
        "name": name,
        "type": kind,
        "description": "Made in a form",
        "version": "1.2.0",
        "tags": ["form"],
        "inputSchema": json.dumps(SCHEMA),
        "outputSchema": "",
        "compliance": ["PCI DSS"],
        "costTier": "Medium",
        "visibility": "Public",
        "isCustom": True,
        "typeSpecificData": data,
    }

    answer = await created(world, json.dumps(sent))

    definition, version = answer.definition, answer.initial_version
    assert (definition.visibility, definition.cost_tier) == (
        component_pb2.Definition.PUBLIC,
        component_pb2.Definition.MEDIUM,
    )
    assert (list(definition.tags), list(definition.compliance)) == (["form"], ["PCI DSS"])
    assert (version.version, version.WhichOneof("config")) == ("1.2.0", member)
    fields: dict[str, Any] = {member: config}
    wanted = component_pb2.Version(**fields)
    assert getattr(version, member) == getattr(wanted, member)
    assert dict(version.input_schema)["type"] == "object"


async def test_the_contracts_own_words_are_taken_in_yaml_and_a_version_is_the_first(world: World) -> None:
    name = world.name("yaml")
    source = f"""
name: {name}
type: PYTHON_SCRIPT
display_name: Weather
draft: false
effect: pure
python_script:
  timeout: 1m30s
  code_content: |
    def main(city: str) -> str:
        return city
"""

    answer = await created(world, source)

    assert (answer.definition.display_name, answer.definition.latest_version) == ("Weather", "1.0.0")
    assert answer.initial_version.python_script.timeout.seconds == 90
    assert answer.initial_version.effect == "pure"
    assert answer.initial_version.HasField("input_schema")


async def test_a_document_without_anything_of_a_version_makes_a_definition(world: World) -> None:
    answer = await created(world, f"{{name: {world.name('bare')}, type: Data}}")

    assert answer.definition.latest_version == ""
    assert not answer.HasField("initial_version")


async def test_what_a_form_leaves_empty_is_not_there(world: World) -> None:
    script = {"codeContent": "def main(): pass", "llmPrompt": None, "notebookCells": None}
    sent = {"name": world.name("form"), "type": "Python Script", "icon": None, "inputSchema": None}

    answer = await created(world, json.dumps({**sent, "typeSpecificData": script}))

    assert answer.initial_version.python_script.code_content == script["codeContent"]
    assert answer.definition.icon == ""


async def test_every_problem_of_a_document_is_named_with_its_place(world: World) -> None:
    source = """name: Weather Extract
type: Python Script
costTeir: Low
visibility: secret
typeSpecificData:
  codeContnt: x
  timeout: soon
"""

    refused = await world.refused("CreateDefinition", pb.CreateDefinitionRequest(source=source))

    told = [one.description for one in refused.fields]
    assert refused.reason == "INVALID_DOCUMENT"
    assert [one.partition(":")[0] for one in told] == [
        "line 1, column 7",
        "line 3, column 1",
        "line 4, column 13",
        "line 6, column 3",
        "line 7, column 12",
    ]
    assert "write name: weather-extract" in told[0]
    assert "did you mean cost_tier?" in told[1]
    assert "did you mean code_content?" in told[3]


@pytest.mark.parametrize(
    ("rest", "place", "said"),
    [
        ("type: LLM Prompt Agent\ntypeSpecificData:\n  llmPrompt: {model: m, temperature: 3}", "line 4", "2"),
        ("type: Robot", "line 2", "no component type"),
        ("typeSpecificData: {codeContent: x}", "line 2", "without a type"),
        ("type: Data\ninputSchema: '{'", "line 3", "no JSON"),
        ("type: Data\ninputSchema: '[]'", "line 3", "a list"),
        ("type: Data\nversion: 1.5", "line 3", 'put it in quotes: "1.5"'),
        ("type: Data\nversion: '1'", "line 3", "pattern"),
        ("type: Data\ndraft: 'yes'", "line 3", "true or false"),
        ("type: Data\ndata: {}\nutility: {}", "line 4", "one config"),
        ("type: Data\ndata: {value: 1}\ntypeSpecificData: {value: 1}", "line 3", "twice"),
        ("type: [", "line", ""),
    ],
)
async def test_what_a_document_gets_wrong_is_refused_where_it_is(
    world: World, rest: str, place: str, said: str
) -> None:
    source = f"name: {world.name('wrong')}\n{rest}"

    refused = await world.refused("CreateDefinition", pb.CreateDefinitionRequest(source=source))

    assert refused.reason == "INVALID_DOCUMENT"
    assert refused.fields[0].description.startswith(place)
    assert said in refused.fields[0].description


async def test_a_config_of_another_type_is_refused_like_in_a_message(world: World) -> None:
    source = f"name: {world.name('other')}\ntype: Python Script\nutility: {{expression: inputs}}"

    refused = await world.refused("CreateDefinition", pb.CreateDefinitionRequest(source=source))

    assert refused.reason == "CONFIG_TYPE_MISMATCH"
    assert refused.fields[0].field == "source.utility"


async def test_a_version_is_sent_as_a_document_for_the_definition_it_is_of(world: World) -> None:
    made = await world.definition()
    source = "version: 1.1.0\nchangelog: Faster\ntypeSpecificData: {codeContent: 'def main(n: int): pass'}"
    request = pb.CreateVersionRequest(definition_id=made.name, source=source)

    version = (await world.call("CreateVersion", request)).version

    assert (version.version, version.changelog) == ("1.1.0", "Faster")
    assert "n" in dict(version.input_schema)["properties"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("version: 1.0.0\ntype: MCP\nmcp: {mcp_configuration: '{}'}", "but this is a version of"),
        ("version: 1.0.0\nname: another\npython_script: {code_content: x}", "but this is a version of"),
        ("version: 1.0.0\nvisibility: Public\npython_script: {code_content: x}", "use UpdateDefinition"),
    ],
)
async def test_a_versions_document_says_nothing_else_of_its_definition(
    world: World, source: str, said: str
) -> None:
    made = await world.definition()
    request = pb.CreateVersionRequest(definition_id=made.name, source=source)

    refused = await world.refused("CreateVersion", request)

    assert refused.reason == "INVALID_DOCUMENT"
    assert said in refused.message


@pytest.mark.parametrize(
    ("rest", "field", "told"),
    [
        ("typeSpecificData: {}", "model", "line 3, column 19: ai_assistant.model is required (add ai_assistant:"),
        ("typeSpecificData: {systemPrompt: hi}", "model", "or typeSpecificData: {model: …})"),
        ("ai_assistant: {model: m, max_turns: 0}", "max_turns", "line 3, column 37: ai_assistant.max_turns must be"),
        ("version: 1.0.0", "", "is required: add ai_assistant, or typeSpecificData to a document"),
    ],
)  # fmt: skip
async def test_a_config_that_lacks_something_names_it_and_says_what_to_add(
    world: World, rest: str, field: str, told: str
) -> None:
    source = f"name: {world.name('helper')}\ntype: AI Assistant\n{rest}"

    refused = await world.refused("CreateDefinition", pb.CreateDefinitionRequest(source=source))

    assert refused.fields[0].field == f"source.ai_assistant.{field}".rstrip(".")
    assert told in refused.fields[0].description
    assert "ai_assistant" in refused.message


async def test_a_document_tells_nothing_of_what_its_sender_may_not_see(world: World) -> None:
    made = await world.definition()
    request = pb.CreateVersionRequest(definition_id=made.id, source="version: 1.0.0")

    assert (await world.refused("CreateVersion", request, OTHER_EDITOR)).reason == "DEFINITION_NOT_FOUND"


async def test_either_a_message_or_a_document_is_sent(world: World) -> None:
    neither = await world.refused("CreateDefinition", pb.CreateDefinitionRequest())
    both = pb.CreateDefinitionRequest(definition={"name": "a", "type": "DATA"}, source="name: a")

    assert "give either definition or source" in neither.message
    assert "not both" in (await world.refused("CreateDefinition", both)).message


async def test_an_answer_can_be_sent_back_as_the_next_version(world: World) -> None:
    made = await world.definition()
    answer = json_format.MessageToDict(await world.version(made.name, tags=["kept"], effect="pure"))
    source = json.dumps({**answer, "version": "2.0.0"})
    request = pb.CreateVersionRequest(definition_id=made.name, source=source)

    version = (await world.call("CreateVersion", request)).version

    assert (version.version, version.config_digest) == ("2.0.0", answer["configDigest"])
    assert (list(version.tags), version.effect) == (["kept"], "pure")


async def test_a_repeated_document_is_answered_as_before(world: World) -> None:
    made = await world.definition()
    request = pb.CreateVersionRequest(
        definition_id=made.id, source="python_script: {code_content: x}\nversion: 1.0.0", request_id=made.id
    )

    first = await world.call("CreateVersion", request)

    assert await world.call("CreateVersion", request) == first
