"""What a form needs to create each type."""

from typing import Any

import pytest
from google.protobuf import json_format
from jsonschema import Draft202012Validator

from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from registry import forms, schemas
from registry.component_types import component_types
from registry.kinds import DISPLAY_NAMES, WITHOUT_CONFIG
from tests.registry.conftest import World
from tests.support.callers import VIEWER

TYPES = {component_pb2.Definition.Type.Name(one.type): one for one in component_types()}


def schema_of(name: str) -> dict[str, Any]:
    """The config schema of a type."""
    return json_format.MessageToDict(TYPES[name].config_schema)


async def test_every_type_is_listed_in_the_contracts_order(world: World) -> None:
    answer = await world.call("ListComponentTypes", pb.ListComponentTypesRequest(), VIEWER)

    assert [one.type for one in answer.component_types] == component_pb2.Definition.Type.values()[1:]
    assert [one.name for one in answer.component_types] == list(DISPLAY_NAMES.values())
    assert all(one.description and one.config_field for one in answer.component_types)


@pytest.mark.parametrize("name", TYPES)
def test_every_schema_is_sound_and_its_example_matches(name: str) -> None:
    schema = schema_of(name)

    assert schemas.problems(schema) == []
    assert (
        list(Draft202012Validator(schema).iter_errors(json_format.MessageToDict(TYPES[name].example))) == []
    )


@pytest.mark.parametrize("name", TYPES)
async def test_every_example_makes_a_version(world: World, name: str) -> None:
    made = await world.definition(type=name)
    config = {TYPES[name].config_field: json_format.MessageToDict(TYPES[name].example)}
    version = json_format.ParseDict({"version": "1.0.0", **config}, component_pb2.Version())

    answer = await world.call(
        "CreateVersion", pb.CreateVersionRequest(definition_id=made.id, version=version)
    )

    assert answer.version.WhichOneof("config") == name.lower()
    assert TYPES[name].inputs_inferred or not answer.version.HasField("input_schema")
    shown = json_format.MessageToDict(answer.version)[TYPES[name].config_field]
    assert shown == {
        key: value for key, value in json_format.MessageToDict(TYPES[name].example).items() if value
    }


def test_a_schema_says_what_the_contract_says() -> None:
    schema = schema_of("LLM_PROMPT_AGENT")

    assert schema["required"] == ["model"]
    assert schema["additionalProperties"] is False
    temperature = schema["properties"]["temperature"]
    assert (temperature["type"], temperature["minimum"], temperature["maximum"]) == ("number", 0, 2)
    assert "0 to 2" in temperature["description"]
    cells = schema_of("JUPYTER_NOTEBOOK")["properties"]["notebookCells"]
    assert cells["maxItems"] == 1000


@pytest.mark.parametrize("name", TYPES)
def test_a_form_can_be_drawn_of_every_schema(name: str) -> None:
    schema = schema_of(name)
    for one in (schema, *(found for found in schema.get("$defs", {}).values() if "properties" in found)):
        properties = one.get("properties", {})
        assert sorted(one["x-order"]) == sorted(properties)
        assert all(field["title"] for field in properties.values())
        for field in properties.values():
            if "default" in field:
                assert list(Draft202012Validator(field).iter_errors(field["default"])) == []
    assert TYPES[name].icon


def test_a_schema_says_how_to_draw_a_field_and_what_goes_without_saying() -> None:
    prompt = schema_of("LLM_PROMPT_AGENT")["properties"]
    script = schema_of("PYTHON_SCRIPT")["properties"]
    server = schema_of("MCP")["properties"]

    assert (prompt["temperature"]["default"], prompt["maxTokens"]["default"]) == (0.7, 1024)
    assert (prompt["topP"]["title"], prompt["systemPrompt"]["title"]) == ("Top P", "System prompt")
    assert (prompt["systemPrompt"]["format"], prompt["userPromptTemplate"]["format"]) == (
        "textarea",
        "textarea",
    )
    assert (script["codeContent"]["format"], script["timeout"]["default"]) == ("code", "600s")
    assert server["mcpConfiguration"]["format"] == "yaml"
    assert schema_of("OUTPUT")["x-choices"] == [["report", "chart", "file", "table", "webhook"]]


def test_a_form_offers_the_kinds_of_tools_that_an_assistant_may_have() -> None:
    schema = schema_of("AI_ASSISTANT")
    tool = schema["$defs"]["mcpanel.registry.v1.AssistantTool"]

    assert tool["x-choices"] == [["dataSource", "component"]]
    assert "`name@1`" in tool["properties"]["component"]["description"]


@pytest.mark.parametrize("name", sorted(WITHOUT_CONFIG))
async def test_a_type_that_needs_no_config_says_so(world: World, name: str) -> None:
    made = await world.definition(type=name)
    bare = pb.CreateVersionRequest(definition_id=made.id, version={"version": "1.0.0"})

    assert not TYPES[name].config_required
    assert (await world.call("CreateVersion", bare)).version.version == "1.0.0"


@pytest.mark.parametrize(
    ("comment", "schema", "default"),
    [
        ("How long. Default one hour.", {"type": "string", "pattern": "s$"}, "3600s"),
        ("How long. Default 90 seconds, or so.", {"type": "string", "pattern": "s$"}, "90s"),
        ("Rows. Default 100,000.", {"type": "integer"}, 100_000),
        ("Rows. Default 100, or fewer.", {"type": "integer"}, 100),
        ("Heat. Default 0.7.", {"type": "number"}, 0.7),
        ("Whether. Default true.", {"type": "boolean"}, True),
        ("A word. Default `b`.", {"type": "string", "enum": ["a", "b"]}, "b"),
        ("Heat. Default: the model's own.", {"type": "number"}, None),
        ("A name. Default that of the step.", {"type": "string"}, None),
        ("Heat.", {"type": "number"}, None),
    ],
)
def test_a_default_is_read_from_the_comment(comment: str, schema: dict[str, Any], default: Any) -> None:
    assert forms.default_of(comment, schema) == default


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("LLM_PROMPT_AGENT", {"model": "m", "temperature": 3}),
        ("LLM_PROMPT_AGENT", {}),
        ("LLM_PROMPT_AGENT", {"model": "m", "temprature": 1}),
        ("JUPYTER_NOTEBOOK", {"notebookCells": [{"type": "kode"}]}),
        ("PYTHON_SCRIPT", {"codeContent": "x", "timeout": "soon"}),
    ],
)
def test_what_the_contract_refuses_the_schema_refuses(name: str, config: dict[str, Any]) -> None:
    assert list(Draft202012Validator(schema_of(name)).iter_errors(config))
