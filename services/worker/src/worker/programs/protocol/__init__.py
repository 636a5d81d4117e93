"""Calls a tool of an MCP server, or lists its tools. The server is started in this cell, or reached by its URL.

config: {"server": {"name", "command", "args", "env"} or {"name", "url", "headers"}, "tool", "call_timeout" (seconds),
"pinned_tools" (digests by name), "files": [{"path", "content"}]}. With "tool" the step's inputs are its arguments;
without, they are {"tool", "arguments"}. The output of a call is {"content", "structured", "is_error"}, and that of a
step without a tool {"tools"}, which is also the artifact `tools.json`.
"""

import asyncio
import signal
from typing import Any

from inside import confine, warm  # type: ignore[import-not-found]  # their names in a cell
from programs.failures import Failed
from programs.protocol import servers, tools
from programs.protocol.conversation import Conversation


def run(config: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """What the server answers. Raises Failed."""
    tool, arguments = _wanted(config, inputs)
    confine.adopt_orphans()  # what the server leaves behind
    try:
        with servers.opened(config) as server:
            answer: dict[str, Any] = asyncio.run(_converse(Conversation(server, config), tool, arguments))
            return answer
    finally:
        warm.kill_descendants()


def _wanted(config: dict[str, Any], inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The tool and its arguments; no tool: they are to be listed. Raises Failed."""
    if config.get("tool"):
        return config["tool"], inputs
    tool, arguments = inputs.get("tool", ""), inputs.get("arguments", {})
    if not isinstance(tool, str):
        raise Failed("the input 'tool' is the name of a tool, a string", "INVALID_INPUT")
    if not isinstance(arguments, dict):
        raise Failed("the input 'arguments' is an object: the tool's arguments by name", "INVALID_INPUT")
    if unknown := sorted(inputs.keys() - {"tool", "arguments"}):
        raise Failed(
            f"the inputs are 'tool' and 'arguments', not '{unknown[0]}'; for a step whose inputs are a tool's "
            "arguments, name it in the config's tool",
            "INVALID_INPUT",
        )
    return tool, arguments


async def _converse(conversation: Conversation, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Calls the tool, or lists them all; a step that is asked to stop tells the server."""
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with conversation:
        found = await conversation.tools()
        if not tool:
            listed: dict[str, Any] = tools.listing(found)
            return listed
        described = tools.find(found, tool)
        tools.check_pin(described, conversation.pinned)
        tools.check_arguments(described, arguments)
        answer: dict[str, Any] = await conversation.call(tool, arguments)
        return answer
