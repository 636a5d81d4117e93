"""What configs that ask a language model bring along: hosts, data sources, secrets, the answer's shape."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from chassis import hosts

FIELDS: Final = ("llm_prompt_agent", "ai_assistant")
"""The members of a version's config that ask one."""
_OWN: Final = {
    "": "api.openai.com",
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "google": "generativelanguage.googleapis.com",
}
_PORTS: Final = {"http": 80, "https": 443}


def host(config: Mapping[str, Any]) -> str:
    """The host of the model's server, in the one form of `chassis.hosts`. Raises HostError."""
    url = config.get("base_url", "")
    if not url:
        return _OWN.get(config.get("provider", ""), "")
    parts = urlsplit(url)
    return str(hosts.parse(parts.netloc, port=_PORTS.get(parts.scheme, hosts.HTTPS), family=False))


def network_hosts(field: str, config: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What a version with this config reaches beside the hosts it declares; what is no host is found elsewhere."""
    if field not in FIELDS or config is None:
        return ()
    try:
        found = host(config)
    except ValueError:
        return ()
    return (found,) if found else ()


def data_sources(field: str, config: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The names of the data sources that an assistant's tools read."""
    if field != "ai_assistant" or config is None:
        return ()
    return tuple(one["data_source"] for one in config.get("tools", ()) if one.get("data_source"))


def secrets(field: str, config: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The name of the secret that holds the model's key."""
    name = (config or {}).get("secret", "") if field in FIELDS else ""
    return (name,) if name else ()


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
