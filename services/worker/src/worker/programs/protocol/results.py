"""What a tool answered, as the step's output: in the protocol's own words, large binaries as artifacts."""

import base64
import binascii
import mimetypes
import re
from typing import Any

import mcpanel_step as step
from mcp.types import CallToolResult
from programs import harmless

_INLINE = 64 * 1024
_BINARY = {"image": "data", "audio": "data"}


def text(answer: CallToolResult) -> str:
    """The words of an answer."""
    words = [one.text for one in answer.content if one.type == "text"]
    return "\n".join(words).strip() or "it said no word"


def output(tool: str, answer: CallToolResult) -> dict[str, Any]:
    """`content`, a list of what was answered; `structured`, an object or null; `is_error`, which is false."""
    content = [
        harmless.value(one.model_dump(by_alias=True, mode="json", exclude_none=True))
        for one in answer.content
    ]
    for number, one in enumerate(content, 1):
        name = f"{re.sub(r'[^A-Za-z0-9_.-]', '_', tool)}-{number}"
        if one["type"] in _BINARY:
            _outside(one, "data", name)
        elif one["type"] == "resource" and "blob" in one["resource"]:
            _outside(one["resource"], "blob", name)
    return {"content": content, "structured": harmless.value(answer.structured_content), "is_error": False}


def _outside(one: dict[str, Any], field: str, name: str) -> None:
    """Puts what is large into an artifact, whose record takes its place."""
    if len(one[field]) * 3 // 4 <= _INLINE:
        return
    try:
        content = base64.b64decode(one[field], validate=True)
    except binascii.Error:
        return  # it is no binary; as it came, then
    media_type = one.get("mimeType") or "application/octet-stream"
    one["artifact"] = step.artifact(
        f"{name}{mimetypes.guess_extension(media_type) or ''}", content, media_type
    )
    del one[field]
