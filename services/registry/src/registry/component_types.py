"""What a form needs for each component type, derived from the contract."""

import re
from functools import cache
from typing import Final

from chassis import contracts, jsonvalue
from chassis.jsonvalue import Json
from mcpanel.registry.v1 import component_pb2
from registry import forms
from registry.inference import DIALECT
from registry.kinds import CONFIG_FIELDS, DISPLAY_NAMES, ICONS, INFERRED, WITHOUT_CONFIG

EXAMPLES: Final[dict[str, dict[str, Json]]] = {
    "LLM_PROMPT_AGENT": {
        "model": "llama3.2",
        "systemPrompt": "You summarise weather data in plain words.",
        "userPromptTemplate": "Summarise these daily temperatures: {{rows}}",
        "temperature": 0.2,
        "maxTokens": 500,
        "provider": "openai",
        "baseUrl": "https://models.example.com/v1",
        "responseSchema": {
            "type": "object",
            "properties": {"summary": {"type": "string"}, "warmest": {"type": "number"}},
            "required": ["summary"],
        },
        "inputPrice": 0.15,
        "outputPrice": 0.6,
    },
    "JUPYTER_NOTEBOOK": {
        "notebookCells": [
            {"id": "title", "type": "markdown", "content": "# Mean temperature"},
            {
                "id": "mean",
                "type": "code",
                "content": "outputs = {'mean': sum(temperatures) / len(temperatures)}",
            },
        ],
        "parameters": {"temperatures": [12.8, 10.6, 11.7]},
        "timeout": "300s",
    },
    "PYTHON_SCRIPT": {
        "codeContent": (
            "def main(celsius: list[float]) -> dict[str, float]:\n"
            '    """Describe temperatures."""\n'
            '    return {"mean": sum(celsius) / len(celsius), "max": max(celsius)}\n'
        ),
        "requirements": "",
        "timeout": "60s",
    },
    "TYPESCRIPT_SCRIPT": {
        "codeContent": (
            "export function main(inputs: { celsius: number[] }) {\n"
            "  return { fahrenheit: inputs.celsius.map((c) => c * 1.8 + 32) };\n"
            "}\n"
        ),
        "timeout": "60s",
    },
    "STREAMLIT_APP": {
        "files": [
            {
                "path": "app.py",
                "content": (
                    "import streamlit as st\n\n"
                    "celsius = st.slider('Degrees Celsius', -30, 50, 20)\n"
                    "st.metric('Degrees Fahrenheit', celsius * 1.8 + 32)\n"
                ),
            }
        ],
        "mainScriptPath": "app.py",
        "idleTimeout": "900s",
    },
    "MCP": {
        "mcpConfiguration": (
            "mcpServers:\n  thermometer:\n    command: python\n    args: [thermometer.py]\n"
        ),
        "files": [
            {
                "path": "thermometer.py",
                "content": (
                    "from mcp.server.mcpserver import MCPServer\n\n"
                    'server = MCPServer("thermometer")\n\n\n'
                    "@server.tool()\n"
                    "def fahrenheit(celsius: float) -> float:\n"
                    '    """Converts degrees Celsius to degrees Fahrenheit."""\n'
                    "    return celsius * 1.8 + 32\n\n\n"
                    "server.run()\n"
                ),
            }
        ],
        "tool": "fahrenheit",
        "timeout": "300s",
        "callTimeout": "30s",
    },
    "AI_ASSISTANT": {
        "model": "llama3.2",
        "systemPrompt": "You help people to read weather reports.",
        "userPromptTemplate": "{{message}}",
        "baseUrl": "https://models.example.com/v1",
        "maxTurns": 6,
        "maxTokensTotal": 20000,
    },
    "DATA": {
        "file": {"content": "day,high\n2024-07-01,24.5\n2024-07-02,31.0\n2024-07-03,33.2\n", "format": "csv"},
        "sql": "SELECT day, high FROM data WHERE high > 30 ORDER BY high DESC",
    },
    "UTILITY": {"expression": "inputs.rows.filter(row, row.temp_max > 30.0)"},
    "OUTPUT": {
        "report": {
            "template": (
                "# {{ title }}\n\nThere were **{{ rows | length }}** hot days.\n\n{{ rows | table(['day', 'high']) }}\n"
            ),
            "name": "hot-days",
        }
    },
}
"""A config of each type that is valid, shows the idea, and runs as it is. (Where a model is asked, at its URL.)"""


@cache
def component_types() -> tuple[component_pb2.ComponentType, ...]:
    """All types, in the contract's order. The messages are shared: don't change them."""
    return tuple(_component_type(name) for name in DISPLAY_NAMES)


def _component_type(name: str) -> component_pb2.ComponentType:
    field = component_pb2.Version.DESCRIPTOR.fields_by_name[CONFIG_FIELDS[name]]
    if field.message_type is None:
        raise TypeError(f"the config {field.name} is no message")
    comment = contracts.comments()[f"mcpanel.registry.v1.Definition.Type.{name}"]
    schema: dict[str, Json] = {"$schema": DIALECT, **forms.schema_of(field.message_type.full_name)}
    return component_pb2.ComponentType(
        type=name,
        name=DISPLAY_NAMES[name],
        description=re.sub(r' \("[^"]*"\)', "", comment),
        config_field=field.json_name,
        config_schema=jsonvalue.to_struct(schema),
        example=jsonvalue.to_struct(EXAMPLES[name]),
        icon=ICONS[name],
        inputs_inferred=name in INFERRED,
        config_required=name not in WITHOUT_CONFIG,
    )
