"""What configs that ask a language model bring along: the model's host, and the shape of the answer."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from chassis import hosts

FIELDS: Final = ("llm_prompt_agent", "ai_assistant")
"""The members of a version's config that ask one."""
_OWN: Final = {
    "": "api.openai.com",
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "google": "generativelanguage.googleapis.com",
}


def host(config: Mapping[str, Any]) -> str:
    """The host of the model's server, in the one form of `chassis.hosts`. Raises HostError."""
    url = config.get("base_url", "")
    return str(hosts.of_url(url)) if url else _OWN.get(config.get("provider", ""), "")


def components(config: Mapping[str, Any]) -> dict[str, str]:
    """The components that an assistant may call, as they are written, by where they are: `tools[1].component`."""
    return {
        f"tools[{index}].component": one["component"]
        for index, one in enumerate(config.get("tools", ()))
        if one.get("component")
    }


def renamed(config: Mapping[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    """The config of an assistant that calls the components which `name` makes of those it may call."""
    found = [
        {**one, "component": name(one["component"])} if one.get("component") else one
        for one in config.get("tools", ())
    ]
    return {**config, "tools": found}


def output_schema(field: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of what a step with this config answers."""
    count = {"type": "integer", "minimum": 0}
    counts = {"input_tokens": count, "output_tokens": count, "cost": {"type": ["number", "null"]}}
    usage: dict[str, Any] = {"type": "object", "properties": counts, "required": list(counts)}
    text = {"type": "string"}
    properties: dict[str, Any] = {"completion": text, "usage": usage, "model": text, "finish_reason": text}
    wanted = config.get("response_schema")
    if wanted is not None:
        properties["data"] = {} if "$ref" in json.dumps(wanted) else wanted  # which is from another root here
    if field == "ai_assistant":
        properties["usage"] = {**usage, "properties": {**counts, "called": usage}}
        properties |= {"turns": count, "tool_calls": {"type": "array", "items": {"type": "object"}}}
    return {"type": "object", "properties": properties, "required": sorted(properties)}
