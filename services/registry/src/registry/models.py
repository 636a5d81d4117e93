"""What configs that ask a language model bring along: the model's host, and the shape of the answer."""

import json
from collections.abc import Mapping
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


def tools(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the data sources that an assistant's tools read, in their order."""
    return tuple(one["data_source"] for one in config.get("tools", ()) if one.get("data_source"))


def output_schema(field: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of what a step with this config answers."""
    count = {"type": "integer", "minimum": 0}
    usage = {
        "type": "object",
        "properties": {"input_tokens": count, "output_tokens": count, "cost": {"type": ["number", "null"]}},
        "required": ["input_tokens", "output_tokens", "cost"],
    }
    text = {"type": "string"}
    properties: dict[str, Any] = {"completion": text, "usage": usage, "model": text, "finish_reason": text}
    wanted = config.get("response_schema")
    if wanted is not None:
        properties["data"] = {} if "$ref" in json.dumps(wanted) else wanted  # which is from another root here
    if field == "ai_assistant":
        properties |= {"turns": count, "tool_calls": {"type": "array", "items": {"type": "object"}}}
    return {"type": "object", "properties": properties, "required": sorted(properties)}
