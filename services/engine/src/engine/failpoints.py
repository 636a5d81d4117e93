"""Named places at which a test lets this process die.

`MCPANEL_FAILPOINTS=commit.before=kill` kills the process with SIGKILL when it gets there; `commit.before=kill@3` at the
third time. Off unless set, and refused in production.
"""

import os
import signal
from collections.abc import Mapping
from typing import Final

NAMES: Final = frozenset(
    f"{place}.{moment}"
    for place in ("start", "cancel", "commit", "publish", "send", "fire", "follow", "upload")
    for moment in ("before", "after")
)
_armed: Final[dict[str, int]] = {}


class FailpointError(Exception):
    """The setting cannot be used; the message says why."""


def arm(environ: Mapping[str, str]) -> None:
    """Reads `MCPANEL_FAILPOINTS`. Raises FailpointError for unknown names, and for any in production."""
    _armed.clear()
    text = environ.get("MCPANEL_FAILPOINTS", "")
    for one in filter(None, (part.strip() for part in text.split(","))):
        name, _, action = one.partition("=")
        what, _, count = action.partition("@")
        if name not in NAMES or what != "kill" or not (count or "1").isdecimal():
            raise FailpointError(
                f"MCPANEL_FAILPOINTS: '{one}' is none of {', '.join(sorted(NAMES))} =kill[@count]"
            )
        _armed[name] = int(count or "1")
    if _armed and environ.get("MCPANEL_PROFILE") == "production":
        raise FailpointError("MCPANEL_FAILPOINTS is refused in production")


def reach(name: str) -> None:
    """Says that the process is at a failpoint."""
    if _armed and name in _armed:
        _armed[name] -= 1
        if _armed[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
