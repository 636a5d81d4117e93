"""What a form needs to create each type."""

from typing import Any

import pytest
from google.protobuf import json_format
from jsonschema import Draft202012Validator

from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from registry import schemas
from registry.component_types import component_types
from registry.kinds import DISPLAY_NAMES
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
