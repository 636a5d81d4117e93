"""What a cell is made for: cells of the same profile are alike until they are bound."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Environment:
    """A set of packages: a folder that is mounted read-only. `digest` is empty for the bare one."""

    digest: str = ""
    site: Path | None = None


BARE: Final = Environment()


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of cell, with all that is fixed when it starts."""

    kind: str = "python"
    """What its processes run: python or deno."""
    environment: Environment = BARE
    """The component's own packages, at /mcpanel/site."""
    toolbox: Environment = BARE
    """The packages of one of the worker's programs, at /mcpanel/toolbox."""
    program: str = ""
    """The module of `worker.programs` that runs in it, imported before the fork; empty: the component's own code."""
    listens: bool = False
    """Whether its processes may listen, and connect, on the cell's own loopback."""
    reserves: bool = False
    """Whether they reserve much more address space than they use, as V8 does: then only what they hold is limited."""
    network: bool = False
    """Whether its processes find a proxy on the cell's own loopback, through which an attempt reaches its hosts."""
    hosts: tuple[str, ...] = ()
    """With kind deno, what Deno itself lets through; the proxy decides, by the attempt's own list."""
    deno: bool = False
    """Whether a program finds Deno in it, for what it starts."""

    @property
    def has_deno(self) -> bool:
        """Whether Deno is in it."""
        return self.kind == "deno" or self.deno


PYTHON: Final = Profile("python")
DENO: Final = Profile("deno", reserves=True)
