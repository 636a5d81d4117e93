"""The server that a step talks to: its process, with all it needs, or its address."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mcpanel_step as step
from programs.failures import Failed
from programs.place import PLACE
from programs.protocol import commands, processes
from programs.protocol.processes import Process

_SECRET = re.compile(r"\$\{secret:([^}]*)\}")


@dataclass
class Server:
    """A server that was started, or is somewhere."""

    name: str
    process: Process | None = None
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    answered: str = ""
    """What it, or what stands before it, answered over HTTP when it last refused."""


@contextmanager
def opened(config: dict[str, Any]) -> Iterator[Server]:
    """The config's server; started, where it has a command. Raises Failed."""
    given = config["server"]
    if given.get("url"):
        yield Server(given["name"], url=given["url"], headers=_filled(given.get("headers", {})))
        return
    files = [one["path"] for one in config.get("files", ())]
    for one in config.get("files", ()):
        path = Path(PLACE.work) / one["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one["content"], encoding="utf-8")
    environment = _environment(_filled(given.get("env", {})))
    start = commands.resolve(given["command"], given.get("args", []), files, given.get("env", {}))
    process = processes.start(start, environment)
    try:
        yield Server(given["name"], process=process)
    finally:
        process.close()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """What the server's process is told: as a step's own code, and what the config says."""
    found = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(folder for folder in (PLACE.site, PLACE.toolbox) if folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        **PLACE.deno_environment,
    }
    if PLACE.site:
        found["PATH"] = f"{PLACE.site}/bin{os.pathsep}{found.get('PATH', '')}"
    return {**found, **own}


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    """The values with linked secrets in their places. Raises Failed."""

    def value(match: "re.Match[str]") -> str:
        try:
            return str(step.secret(match.group(1)))
        except step.StepError as error:
            raise Failed(str(error)) from None

    return {name: _SECRET.sub(value, text) for name, text in values.items()}
