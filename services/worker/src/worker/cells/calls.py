"""Calls of tools that a step's model makes: what the worker's own program tells of them, and what components answer."""

from dataclasses import dataclass, replace
from typing import Any, Final

from chassis import jsonvalue
from chassis.ids import is_uuid
from chassis.jsonvalue import Json
from worker.cells.pipes import ProtocolError
from worker.cells.usage import CalledUsage
from worker.inside.jsonvalues import is_deeper

MOST: Final = 10_000
"""How many times an attempt may tell of calls."""
_STATUSES: Final = frozenset({"ALLOWED", "REFUSED", "SUCCESS", "FAILED"})
_LONGEST_TOOL: Final = 100
_LONGEST_MESSAGE: Final = 1000
_MOST_ARGUMENTS: Final = 8 * 1024
_MOST_LEVELS: Final = 20
_MOST_SECONDS: Final = 10_000_000
_SIZE: Final = 64


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What was decided about a call, or how it ended; the fields are those of the contract's ToolCall."""

    call: int
    tool: str
    status: str
    message: str
    arguments: Json = None
    """None: they are not told."""
    arguments_omitted: bool = False
    seconds: float | None = None
    started_run_id: str = ""
    size: int = 0
    """About how many bytes it takes."""

    def without_arguments(self) -> "ToolCall":
        """The same in short."""
        omitted = self.arguments_omitted or self.arguments is not None
        return replace(self, arguments=None, arguments_omitted=omitted)


@dataclass(frozen=True, slots=True)
class Called:
    """What became of a call of a component: a run of its own."""

    run_id: str
    output_json: bytes
    """The component's output; of a large one how it begins, and `truncated`."""
    truncated: bool = False
    failure: str = ""
    """Why it did not succeed; empty when it did."""
    usage: CalledUsage | None = None
    """What the run used of language models; None when it asked none."""


def read(message: dict[str, Any], arguments_json: bytes) -> ToolCall:
    """The call that a program tells of. Raises ProtocolError, ValueError, KeyError and TypeError for what is none."""
    status, number, started = str(message["status"]), int(message["call"]), str(message["started_run_id"])
    seconds = None if message["seconds"] is None else float(message["seconds"])
    if status not in _STATUSES or not 0 < number <= MOST or (started and not is_uuid(started)):
        raise ProtocolError("a call of a tool that there cannot be")
    if seconds is not None and not 0 <= seconds < _MOST_SECONDS:
        raise ProtocolError("a duration that there cannot be")
    said = str(message["message"])[:_LONGEST_MESSAGE]
    return ToolCall(
        number,
        str(message["tool"])[:_LONGEST_TOOL],
        status,
        said,
        _arguments(arguments_json) if arguments_json else None,
        bool(message["omitted"]),
        seconds,
        started,
        len(arguments_json) + len(said) + _SIZE,
    )


def _arguments(data: bytes) -> Json:
    if len(data) > _MOST_ARGUMENTS:
        raise ProtocolError("arguments that are too large")
    try:
        value = jsonvalue.parse(data)
        jsonvalue.canonical(value)
    except (ValueError, RecursionError):
        raise ProtocolError("arguments that are not JSON") from None
    if is_deeper(value, _MOST_LEVELS):
        raise ProtocolError("arguments that are nested too deeply")
    return value
