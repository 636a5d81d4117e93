"""The page about workflows: its examples are right, and it leaves nothing out."""

import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from mcpanel.registry.v1 import component_pb2, workflow_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from registry.document import durations, fields
from tests.registry.conftest import Start, World

PAGE = (Path(__file__).parents[2] / "docs" / "workflows.md").read_text()
BLOCKS = re.findall(r"^```(.*)\n((?:.*\n)*?)^```$", PAGE, re.MULTILINE)
WORKFLOWS = [text for marked, text in BLOCKS if marked == "yaml workflow"]
STEPS = [text for marked, text in BLOCKS if marked == "yaml step"]
CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
ROWS: dict[str, Any] = {"type": "array", "items": {"type": "object"}}
COMPONENTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "weather-extract": ("PYTHON_SCRIPT", CITY, {"type": "object", "properties": {"rows": ROWS}}),
    "summarise": (
        "PYTHON_SCRIPT",
        {
            "type": "object",
            "properties": {"rows": ROWS, "title": {"type": "string"}},
            "required": ["rows"],
            "additionalProperties": False,
        },
        {"type": "object", "properties": {"text": {"type": "string"}}},
    ),
    "send-mail": (
        "PYTHON_SCRIPT",
        {"type": "object", "properties": {"to": {"type": "string"}, "text": {"type": "string"}}},
        {},
    ),
    "warmest": ("UTILITY", {"type": "object", "properties": {"rows": ROWS}}, {}),
}
CITY_REPORT = """name: city-report
visibility: PUBLIC
inputs: {city: {type: string}}
steps: [{id: extract, component: weather-extract, with: {city: "${{ inputs.city }}"}}]
outputs: {rows: "${{ steps.extract.output.rows }}"}
"""


@pytest.fixture(scope="module")
async def documented(start: Start) -> World:
    """A registry with what the examples run."""
    world = await start()
    for name, (kind, takes, answers) in COMPONENTS.items():
        await world.definition(name=name, type=kind, visibility="PUBLIC")
        code = {"pythonScript": {"codeContent": "x = 1"}} if kind == "PYTHON_SCRIPT" else {"utility": {}}
        body = {"version": "1.2.0", "inputSchema": takes, "outputSchema": answers, **code}
        version = json_format.ParseDict(body, component_pb2.Version())
        await world.call("CreateVersion", pb.CreateVersionRequest(definition_id=name, version=version))
    await world.workflow(CITY_REPORT)
    return world


def around(step: str) -> str:
    """The page's own workflow with one step more."""
    head, outputs = str(WORKFLOWS[0]).split("outputs:")
    return head + "".join(f"  {line}\n" for line in step.splitlines()) + "outputs:" + outputs


@pytest.mark.parametrize("source", [*WORKFLOWS, *map(around, STEPS)])
async def test_every_example_is_a_right_workflow(documented: World, source: str) -> None:
    answer = await documented.call("ValidateWorkflow", pb.ValidateWorkflowRequest(source=source))

    assert [(one.field, one.line, one.message) for one in answer.problems] == []
    assert answer.valid


def test_no_example_goes_unchecked() -> None:
    assert {marked for marked, _ in BLOCKS} == {"yaml workflow", "yaml step"}
    assert (len(WORKFLOWS), len(STEPS)) == (2, 11)


PARTS = {
    "": fields.WORKFLOW.keys() | fields.STEP.keys() | fields.INPUT.keys(),
    "concurrency.": fields.CONCURRENCY.keys(),
    "approval.": fields.APPROVAL.keys(),
    "retry.": fields.RETRY.keys(),
    "cache.": fields.CACHE.keys(),
    "rate_limit.": fields.RATE_LIMIT.keys(),
    "resources.": fields.RESOURCES.keys(),
}
NAMES = [f"{record}{name}" for record, names in PARTS.items() for name in sorted(names)]


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_on_the_page_with_an_example(name: str) -> None:
    examples = "\n".join(text for _, text in BLOCKS)

    assert re.search(rf"`{name}[`.:]", PAGE)
    assert re.search(rf"\b{name.rpartition('.')[2]}:", examples) or name == "etag"


def test_every_duration_that_it_writes_can_be_written() -> None:
    (line,) = [one for one in PAGE.splitlines() if one.startswith("Durations are")]

    written = re.findall(r"`([^`]+)`", line)
    assert len(written) > 3
    assert all(durations.parse(one) for one in written)


def test_it_names_no_step_field_that_there_is_not() -> None:
    known = set(workflow_pb2.Step.DESCRIPTOR.fields_by_name)

    written = {name for text in STEPS for name in re.findall(r"^(?:- |  )(\w+):", text, re.MULTILINE)}
    assert written <= known
