"""What an assistant tells of its calls: what was decided before anything happens, and how each ended."""

import json
import time
from typing import Any

import mcpanel_step
from inside import jsonvalues  # type: ignore[import-not-found]  # its name in a cell

_MOST_ARGUMENTS = 8 * 1024
_MOST_LEVELS = 20


class Told:
    """A call that is told of. Each of these is an event of the run, told before the next thing happens."""

    def __init__(self, number: int, tool: str) -> None:
        """`number` among the attempt's calls, from 1."""
        self._number = number
        self._tool = tool
        self._began = 0.0

    def allowed(self, arguments: dict[str, Any]) -> None:
        """It is made next."""
        self._tell("ALLOWED", arguments=arguments)
        self._began = time.monotonic()

    def refused(self, arguments: Any, why: str) -> None:
        """It is not made."""
        self._tell("REFUSED", why, arguments=arguments)

    def answered(self, what: str, run_id: str) -> None:
        """The tool has answered, in short; `run_id` is the run that it started, if any."""
        self._ended("SUCCESS", what, run_id)

    def failed(self, why: str, run_id: str = "") -> None:
        """The tool was called and came to nothing."""
        self._ended("FAILED", why, run_id)

    def _ended(self, status: str, message: str, run_id: str) -> None:
        self._tell(status, message, seconds=time.monotonic() - self._began, run_id=run_id)

    def _tell(
        self,
        status: str,
        message: str = "",
        *,
        arguments: Any = None,
        seconds: float | None = None,
        run_id: str = "",
    ) -> None:
        data = b"" if arguments is None else _bounded(arguments)
        told = {
            "call": self._number,
            "tool": self._tool,
            "status": status,
            "message": message[:1000],
            "seconds": seconds,
            "omitted": arguments is not None and not data,
            "started_run_id": run_id,
        }
        mcpanel_step._tool_call(told, data)


def _bounded(arguments: Any) -> bytes:
    """The arguments as JSON, empty when they are too large, too deep, or hold what JSON cannot."""
    if jsonvalues.is_deeper(arguments, _MOST_LEVELS):
        return b""
    try:
        text = json.dumps(arguments, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return b""
    data = text.encode("utf-8", "replace")
    return data if len(data) <= _MOST_ARGUMENTS else b""
