"""An MCP server that converts weights."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("units", log_level="ERROR")


@server.tool()
def pounds(kilos: float) -> float:
    """Converts kilos to pounds."""
    return round(kilos / 0.45359237, 2)


if __name__ == "__main__":
    server.run()
