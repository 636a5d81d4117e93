"""What packages cost a step that is not its environment's first: start to first line, beside one without."""

import asyncio
import statistics
from typing import Final

from tests.bench import workloads

PACKAGES: Final = ("tabulate", "pandas")
"""A small one and a heavy one, each with a wheel on the index."""
_SCRIPT: Final = """
# /// script
# dependencies = ["{package}"]
# ///
import {package}

def main():
    print("first line")
"""
_PAUSE: Final = 1.0
"""Seconds between two runs, as between two of a person's: the process that waits has imported the package by then."""


async def measured(client: workloads.Client, package: str, repeats: int) -> tuple[float, float]:
    """The median seconds from start to first line, with the package and without, taken in turns."""
    plain = await workloads.one_step(client)
    code = await client.console.python(_SCRIPT.format(package=package))
    source = f"name: NAME\nsteps:\n  - {{id: only, component: {code}}}\n"
    workflow = str((await client.console.workflow(source))["name"])
    taken: dict[str, list[float]] = {plain: [], workflow: []}
    for name in taken:
        await workloads.timed(client, name)  # the first installs the packages, and does not count
    for _ in range(repeats):
        for name, seconds in taken.items():
            await asyncio.sleep(_PAUSE)
            seconds.append(await workloads.timed_to_first_line(client, name))
    return statistics.median(taken[workflow]), statistics.median(taken[plain])
