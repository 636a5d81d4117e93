"""An MCP server that converts weights."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("units", log_level="ERROR")


@server.tool()
def convert(kilos: list[float]) -> dict[str, float]:
    """The sum of the kilos, in tons and in pounds."""
    total = sum(kilos)
    return {"tons": round(total / 1000, 1), "pounds": round(total * 2.2046, 1)}


if __name__ == "__main__":
    server.run()
