"""Files, of the input `content` or of a template."""

import json
from typing import Any

import mcpanel_step as step
from programs import templates
from programs.failures import Failed


def write(settings: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Writes the file; its artifact's record. Raises Failed."""
    if template := settings.get("template"):
        text = templates.render(template, inputs)
    elif "content" in inputs:
        content = inputs["content"]
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=2)
    else:
        raise Failed("the file needs the input 'content', or a template in its config", "INVALID_INPUT")
    stored = step.artifact(settings["name"], text.encode(), settings.get("media_type") or None)
    return {"artifacts": [stored]}
