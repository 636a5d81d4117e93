"""What a stack uses of the processor: nearly the same however busy the machine is."""

import os
from contextlib import suppress
from pathlib import Path

from stack.memory import descendants
from tests.support.stack import Stack


def used(stack: Stack) -> dict[str, float]:
    """The seconds of processor that each process of the stack has used, its children's with it."""
    tick = os.sysconf("SC_CLK_TCK")
    found = {}
    for name, pid in stack.pids().items():
        ticks = 0
        for member in (pid, *descendants(pid)):
            with suppress(OSError):
                fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))  # its own, and that of children which have ended
        found[name] = ticks / tick
    return found
