"""Named places at which a test lets a process die.

`MCPANEL_FAILPOINTS=commit.before=kill` kills the process with SIGKILL when it gets there; `commit.before=kill@3` at the
third time. Off unless set, and refused in production. Each process has one list of its names.
"""

import os
import signal
from collections.abc import Iterable, Mapping


class FailpointError(Exception):
    """The setting cannot be used; the message says why."""


class Failpoints:
    """The failpoints of one process."""

    def __init__(self, places: Iterable[str]) -> None:
        """Each of the places has a failpoint just before it and one just after: `<place>.before`, `<place>.after`."""
        self.names = frozenset(f"{place}.{moment}" for place in places for moment in ("before", "after"))
        self._armed: dict[str, int] = {}

    def arm(self, environ: Mapping[str, str]) -> None:
        """Reads `MCPANEL_FAILPOINTS`. Raises FailpointError for unknown names, and for any in production."""
        self._armed.clear()
        text = environ.get("MCPANEL_FAILPOINTS", "")
        for one in filter(None, (part.strip() for part in text.split(","))):
            name, _, action = one.partition("=")
            what, _, count = action.partition("@")
            if name not in self.names or what != "kill" or not (count or "1").isdecimal():
                raise FailpointError(
                    f"MCPANEL_FAILPOINTS: '{one}' is none of {', '.join(sorted(self.names))} =kill[@count]"
                )
            self._armed[name] = int(count or "1")
        if self._armed and environ.get("MCPANEL_PROFILE") == "production":
            raise FailpointError("MCPANEL_FAILPOINTS is refused in production")

    def reach(self, name: str) -> None:
        """Says that the process is at a failpoint."""
        if self._armed and name in self._armed:
            self._armed[name] -= 1
            if self._armed[name] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
