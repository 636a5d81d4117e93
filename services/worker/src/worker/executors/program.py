"""A component version, ready for a cell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chassis.jsonschema import Schema


class BadComponentError(Exception):
    """The version cannot be run; the message says why, to its author."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """The packages a program needs, as PEP 508 lines; and the Python it asks for, a PEP 440 specifier."""

    packages: tuple[str, ...] = ()
    python: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """What a cell runs for one component version."""

    version_id: str
    component: str
    kind: str
    """The kind of cell: python or deno."""
    code: str = ""
    """The component's own code; empty where one of the worker's programs runs."""
    program: str = ""
    """The module of `worker.programs` that runs; empty: the component's own code."""
    toolbox: str = ""
    """The program's packages, by their name in `worker.toolboxes`."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """What the program is told beside the inputs."""
    listens: bool = False
    """Whether its processes listen on the cell's own loopback."""
    grace: float = 0.0
    """Seconds that it gets, when its time is up, to keep what it has made. The engine waits for ten."""
    reserves: bool = False
    """Whether its processes reserve much more address space than they use."""
    idle_seconds: float = 0.0
    """Of an app, after how long without a visitor it is stopped; 0: it is none."""
    deno: bool = False
    """Whether its processes start Deno."""
    requirements: Requirements = Requirements()
    modules: tuple[str, ...] = ()
    """The npm: and jsr: packages that TypeScript code imports, as it writes them."""
    ahead: tuple[str, ...] = ()
    """The modules that its code imports first, of which those of its packages are imported ahead of a step."""
    data_sources: Mapping[str, str] = field(default_factory=dict)
    """The ids of the linked data sources by the names the step uses."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """The ids of the linked secrets by the names the step asks for."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """The ids of the component versions that an assistant may call, by the names its model calls them."""
    takes: Schema | None = None
    """What its inputs have to be; None: anything."""
    gives: Schema | None = None
    """What its output has to be; None: anything."""
    network_hosts: tuple[str, ...] = ()
    """The hosts its steps may reach, as `chassis.hosts` writes them. Every type has them from its version."""
