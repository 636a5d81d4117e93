"""Tools as a server describes them: found, pinned, and what their arguments have to be."""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import mcpanel_step as step
from jsonschema import SchemaError
from jsonschema.exceptions import best_match
from jsonschema.validators import Draft202012Validator, validator_for
from mcp.types import Tool
from programs import harmless
from programs.failures import Failed
from referencing import Registry
from referencing.exceptions import Unresolvable

_PREVIEWED = 200
_SHOWN = 500


def digest(tool: Tool) -> str:
    """What stands for a tool as it was described: the SHA-256, in hexadecimal, of its description and input schema."""
    described = {"description": tool.description or "", "inputSchema": tool.input_schema}
    text = json.dumps(described, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def listing(found: Sequence[Tool]) -> dict[str, Any]:
    """The output of a step that lists them; it is kept as `tools.json`, too."""
    described = [
        {
            **harmless.value(one.model_dump(by_alias=True, mode="json", exclude_none=True)),
            "digest": digest(one),
        }
        for one in found
    ]
    step.preview({"tools": [one.name for one in found[:_PREVIEWED]]})
    content = json.dumps({"tools": described}, indent=2, ensure_ascii=False)
    step.artifact("tools.json", content.encode("utf-8", "replace"), "application/json")
    return {"tools": described}


def find(found: Sequence[Tool], name: str) -> Tool:
    """The tool of that name. Raises Failed naming those that there are."""
    for one in found:
        if one.name == name:
            return one
    names = sorted(one.name for one in found)
    close = difflib.get_close_matches(name, names, 1)
    hint = f"; did you mean '{close[0]}'?" if close else "."
    there = ", ".join(names)[:_SHOWN] or "none"
    raise Failed(f"the server has no tool '{name}'{hint} It has: {there}", "INVALID_INPUT")


def check_pin(tool: Tool, pinned: Mapping[str, str]) -> None:
    """Raises Failed when there are pins and the tool is not what was pinned."""
    if not pinned:
        return
    is_now = digest(tool)
    was = pinned.get(tool.name)
    if was is None:
        raise Failed(
            f"the tool '{tool.name}' was not called: the version pins others. Its digest is {is_now}; add it to "
            "pinned_tools if it is meant"
        )
    if was != is_now:
        raise Failed(
            f"the tool '{tool.name}' was not called: it has changed since it was pinned. The digest pinned is {was}, "
            f"that of what the server describes now {is_now}. Look at its description and schema, then pin it anew"
        )


def check_arguments(tool: Tool, arguments: Mapping[str, Any]) -> None:
    """Raises Failed with the place of the first argument that the tool's schema does not allow."""
    kind = validator_for(tool.input_schema, default=Draft202012Validator)
    try:
        kind.check_schema(tool.input_schema)
        error = best_match(kind(tool.input_schema, registry=Registry()).iter_errors(arguments))
    except (SchemaError, Unresolvable) as broken:
        text = getattr(broken, "message", str(broken))[:_SHOWN]
        raise Failed(
            f"the server describes the arguments of '{tool.name}' by a schema that is none: {text}"
        ) from None
    if error is not None:
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        raise Failed(
            f"the arguments do not fit the tool '{tool.name}': arguments{place}: {error.message[:_SHOWN]}",
            "INVALID_INPUT",
        )
