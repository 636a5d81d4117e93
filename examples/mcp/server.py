"""An MCP server that measures: it converts temperatures and sums up series."""

import statistics
import sys

from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel, Field

server = MCPServer("measures", log_level="ERROR")
TO_KELVIN = {
    "celsius": lambda value: value + 273.15,
    "fahrenheit": lambda value: (value + 459.67) * 5 / 9,
    "kelvin": float,
}
FROM_KELVIN = {
    "celsius": lambda value: value - 273.15,
    "fahrenheit": lambda value: value * 9 / 5 - 459.67,
    "kelvin": float,
}


class Series(BaseModel):
    """Values in a unit."""

    values: list[float]
    unit: str


class Summary(BaseModel):
    """What a series is like."""

    count: int
    mean: float
    median: float
    spread: float = Field(description="The standard deviation")


@server.tool()
async def convert(values: list[float], unit: str, to: str, context: Context) -> Series:
    """Converts temperatures between celsius, fahrenheit and kelvin."""
    found = []
    for number, value in enumerate(values, 1):
        found.append(round(FROM_KELVIN[to](TO_KELVIN[unit](value)), 2))
        await context.report_progress(number, len(values), f"{value:g} {unit} is {found[-1]:g} {to}")
    return Series(values=found, unit=to)


@server.tool()
def summarise(values: list[float]) -> Summary:
    """Says what a series is like."""
    return Summary(
        count=len(values),
        mean=round(statistics.fmean(values), 2),
        median=statistics.median(values),
        spread=round(statistics.pstdev(values), 2),
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:  # an address: there, over HTTP
        host, _, port = sys.argv[1].rpartition(":")
        server.run("streamable-http", host=host, port=int(port))
    else:
        server.run("stdio")
