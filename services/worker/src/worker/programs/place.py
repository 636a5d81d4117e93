"""Where things are in the cell a program runs in. Set before `run` is called."""

from dataclasses import dataclass, field


@dataclass
class Place:
    """Paths, each without a slash at its end."""

    work: str = "/work"
    """Where the step may write; the current folder."""
    temp: str = "/tmp"  # noqa: S108  # the cell's own
    site: str = ""
    """The component's own packages; empty without any."""
    toolbox: str = ""
    """This program's packages."""
    steplib: str = "/mcpanel/steplib"
    """The folder of `mcpanel_step`, for processes that the program starts."""
    deno: str = ""
    """The Deno binary; empty where the cell has none."""
    deno_environment: dict[str, str] = field(default_factory=dict)
    """What Deno is told where the cell has it, and where the packages are that its code imports."""


PLACE = Place()
