"""LLM prompt agents and AI assistants: a program for each provider, so that a cell imports one SDK and no other."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from chassis import jsonvalue
from mcpanel.registry.v1 import component_pb2
from worker.executors.program import BadComponentError, Program

_PROGRAMS: Final = {
    "": "llm.openai_api",
    "openai": "llm.openai_api",
    "anthropic": "llm.anthropic_api",
    "google": "llm.google_api",
}
_PLAIN: Final = ("model", "system_prompt", "user_prompt_template", "base_url", "secret")
_OPTIONAL: Final = (
    "temperature",
    "max_tokens",
    "top_p",
    "top_k",
    "input_price",
    "output_price",
    "max_retries",
)
_LIMITS: Final = ("max_turns", "max_tokens_total", "max_cost")
_SILENCE: Final = 60.0
"""Seconds a model's server may say nothing, at most."""

Config = component_pb2.LlmPromptAgentConfig | component_pb2.AiAssistantConfig


def read_prompt(version: component_pb2.Version) -> Program:
    """The program of a prompt. Raises BadComponentError."""
    return _program(version, version.llm_prompt_agent, {"task": "prompt"})


def read_assistant(version: component_pb2.Version) -> Program:
    """The program of an assistant. Raises BadComponentError when a tool's data source is not linked."""
    config = version.ai_assistant
    linked = {link.name for link in version.data_sources}
    for tool in config.tools:
        if tool.WhichOneof("tool") == "data_source" and tool.data_source not in linked:
            raise BadComponentError(
                f"the assistant's tool asks the data source '{tool.data_source}', which the version does not link; "
                "add it to dataSourceIds"
            )
    queries = [
        {"data_source": one.data_source} for one in config.tools if one.WhichOneof("tool") == "data_source"
    ]
    more = {"task": "assistant", "tools": [*queries, *map(_component, version.tools)]}
    program = _program(version, config, {**more, **_set(config, _LIMITS)})
    return replace(program, tools={one.name: one.version_id for one in version.tools})


def _component(tool: component_pb2.ComponentTool) -> dict[str, Any]:
    """What a program is told of a component that it may call."""
    schema = jsonvalue.from_struct(tool.input_schema) if tool.HasField("input_schema") else {"type": "object"}
    described = tool.description or f"The component {tool.component}."
    return {"component": tool.name, "description": described, "schema": schema}


def _program(version: component_pb2.Version, config: Config, more: Mapping[str, Any]) -> Program:
    program = _PROGRAMS.get(config.provider)
    if program is None:
        raise BadComponentError(f"this worker knows no provider '{config.provider}'")
    settings: dict[str, Any] = {name: getattr(config, name) for name in _PLAIN} | _set(config, _OPTIONAL)
    if config.HasField("response_schema"):
        settings["response_schema"] = jsonvalue.from_struct(config.response_schema)
    if config.HasField("timeout"):
        settings["silence"] = min(_SILENCE, config.timeout.ToTimedelta().total_seconds() / 2)
    return Program(
        version_id=version.id,
        component=version.definition_name,
        kind="python",
        program=program,
        toolbox="models",
        config={**settings, **more},
        data_sources={link.name: link.id for link in version.data_sources},
        secrets={link.name: link.id for link in version.secrets},
    )


def _set(config: Config, names: tuple[str, ...]) -> dict[str, Any]:
    """Those of the optional fields that are set."""
    return {name: getattr(config, name) for name in names if config.HasField(name)}
