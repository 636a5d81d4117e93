"""States of live runs in memory: a shortcut, valid only while the locked row has the same version."""

from collections import OrderedDict
from typing import Final

from engine.dispatch.unit import Unit
from engine.records import RunInfo
from engine.state import RunState

_MOST_RUNS: Final = 4000
_MOST_BYTES: Final = 64 * 1024 * 1024


class Cache:
    """The newest states that this process knows, least recently used first."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[int, RunInfo, RunState, int]] = OrderedDict()
        self._bytes = 0

    def get(self, run_id: str, version: int) -> tuple[RunInfo, RunState] | None:
        """The run at exactly this version."""
        known = self._known.get(run_id)
        if known is None or known[0] != version:
            return None
        self._known.move_to_end(run_id)
        return known[1], known[2]

    def peek(self, run_id: str) -> RunState | None:
        """The run as it was when last seen, for guesses."""
        known = self._known.get(run_id)
        return None if known is None else known[2]

    def older(self, run_id: str) -> tuple[int, RunState] | None:
        """The version last seen of a run of which later changes can be read by themselves, and its state."""
        known = self._known.get(run_id)
        return None if known is None or not known[2].plan.has_fan else (known[0], known[2])

    def put(self, unit: Unit) -> None:
        """Keeps what was committed; ended runs are forgotten."""
        self.drop(unit.info.id)
        if unit.state.status.ended:
            return
        size = _size(unit.state)
        self._known[unit.info.id] = (unit.version, unit.info, unit.state, size)
        self._bytes += size
        while len(self._known) > _MOST_RUNS or (self._bytes > _MOST_BYTES and len(self._known) > 1):
            _, (_, _, _, gone) = self._known.popitem(last=False)
            self._bytes -= gone

    def drop(self, run_id: str) -> None:
        """Forgets a run."""
        known = self._known.pop(run_id, None)
        if known is not None:
            self._bytes -= known[3]


def _size(state: RunState) -> int:
    size = len(state.inputs.raw)
    for one in state.steps:
        if one.inputs is not None:
            size += len(one.inputs.raw)
        if one.output is not None:
            size += len(one.output.raw)
    return size
