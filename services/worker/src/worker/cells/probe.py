"""Finds out, at start, whether this machine can have cells, and says in one sentence why not."""

import logging
import os
from pathlib import Path

from worker.cells.bubblewrap import Sandbox, compile_inside
from worker.cells.cell import Cell, CellError
from worker.cells.limits import Limits
from worker.cells.seccomp import UnsupportedMachineError

log = logging.getLogger(__name__)


class IsolationError(Exception):
    """This machine cannot isolate steps as configured; the message is one sentence for its operator."""


async def sandbox(level: str, limits: Limits, deno: Path | None) -> Sandbox:
    """The sandbox for `level`, tried by starting one cell. Raises IsolationError."""
    compile_inside()
    complaint = ""
    for drop in (True, False) if level == "cell" and os.geteuid() == 0 else (False,):
        try:
            found = Sandbox(level=level, limits=limits, deno=deno, drop=drop)
            cell = await Cell.start(found)
        except (CellError, UnsupportedMachineError, OSError) as error:
            complaint = complaint or str(error)
            continue
        landlock = cell.landlock
        await cell.close()
        if complaint:
            log.warning(
                "cells run as root's own user because they cannot be given another; process counts are not limited",
                extra={"error": complaint},
            )
        if not landlock:
            log.warning("the kernel has no Landlock: cells do without this second wall")
        if level == "limits":
            log.warning("MCPANEL_ISOLATION=limits: steps share this machine's files, network and processes")
        return found
    if level == "limits":
        raise IsolationError(f"a step's process cannot be started: {complaint}")
    raise IsolationError(
        f"this machine refuses to build cells ({complaint}); allow unprivileged user namespaces "
        "(sysctl kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0), "
        "or accept weaker isolation with MCPANEL_ISOLATION=limits"
    )
