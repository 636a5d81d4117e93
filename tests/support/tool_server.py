"""An MCP server for tests, written with the SDK: over standard input and output; `made()` for HTTP."""

import asyncio
import os
import sys

from mcp.server.mcpserver import Context, Image, MCPServer
from pydantic import BaseModel


class Sum(BaseModel):
    """What `add` answers."""

    sum: float


def add(a: float, b: float) -> Sum:
    """Adds two numbers."""
    return Sum(sum=a + b)


def told(name: str) -> str:
    """An environment variable."""
    return os.environ.get(name, "nothing")


async def slowly(context: Context, parts: int) -> str:
    """Works in parts and tells how far it is."""
    for part in range(parts):
        await context.report_progress(part + 1, parts, f"part {part + 1}")
    sys.stderr.write("on standard error\n")
    return "done"


async def hang(context: Context) -> str:
    """Never answers, and says so when it is told that nobody waits any more."""
    await context.report_progress(0, 1, "begun")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        sys.stderr.write("told that nobody waits\n")
        raise
    return "never"


def fail(reason: str) -> str:
    """Fails."""
    raise ValueError(reason)


def die(status: int) -> str:
    """Ends the server."""
    os._exit(status)


def odd(how: str) -> str:
    """A word that is no text."""
    return {"nul": "a \0 b", "lone": "a \ud800 b"}[how]


def picture(size: int) -> Image:
    """Bytes that are called a picture."""
    return Image(data=bytes(size), format="png")


def header(name: str, context: Context) -> str:
    """A header of the request, over HTTP."""
    return str((context.headers or {}).get(name, "nothing"))


def made() -> MCPServer:
    """The server."""
    server = MCPServer("tools", log_level="ERROR")
    for tool in (add, told, slowly, hang, fail, die, odd, picture, header):
        server.add_tool(tool)
    return server


if __name__ == "__main__":
    made().run("stdio")
