"""What the runner does to an example's run while it runs, and to the runs beside it."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from stack import visits
from stack.edge import Edge, Json
from stack.errors import StackError
from stack.examples import Example
from stack.starts import later, until

Say = Callable[[str], None]

_RUNS: Final = "/api/v1/workflow-runs"
_AN_HOUR: Final = 3600.0
_VERBS: Final = ("pause", "resume", "cancel")


class Helmsman:
    """Does what `steer` says, each once, when an event says that a step or the run has come to a state."""

    def __init__(self, edge: Edge, example: Example, say: Say, *, leaves: bool = True) -> None:
        """Who `leaves` visits an app only for a moment."""
        self._leaves = leaves
        self._edge = edge
        self._say = say
        self._open = [(str(one["when"]), list(one["do"])) for one in example.steer]

    def heard(self, run_id: str, event: str, data: Json) -> None:
        """An event of the run has come."""
        if event not in ("status_change", "result_preview"):
            return
        state = data.get("status", "") if event == "status_change" else "PREVIEW"
        found = f"{data.get('stepId') or 'run'} {state}"
        for due in [one for one in self._open if one[0] == found]:
            self._open.remove(due)
            for what in due[1]:
                self._do(run_id, str(data.get("stepId", "")), what)

    def left(self) -> list[str]:
        """The states that never came, and what was to be done then."""
        return [f"{when}: {', '.join(what)}" for when, what in self._open]

    def _do(self, run_id: str, step_id: str, what: str) -> None:
        if what == "open":
            visits.visit(self._edge, run_id, step_id, self._say, leaves=self._leaves)
        elif what == "explain":
            for line in explained(self._edge, run_id):
                self._say(line)
        elif what in _VERBS:
            self._say(f"  {'':<12}  {what}")
            self._edge.call("POST", f"{_RUNS}/{run_id}:{what}", {})
        else:
            raise StackError(f"steer: there is {', '.join((*_VERBS, 'explain', 'open'))}, not {what!r}")


def explained(edge: Edge, run_id: str) -> Iterator[str]:
    """What a run waits for, and the calls that would move it on, in lines."""
    for reason in edge.call("GET", f"{_RUNS}/{run_id}:explain").get("reasons", []):
        yield f"  {'':<12}  explain: {reason['message']}"
        for action in reason.get("actions", []):
            yield f"  {'':<12}           {action['title']}: {action['http']}"


def start_beside(edge: Edge, example: Example, say: Say) -> list[str]:
    """Starts as many runs as `beside` says, for in an hour; their ids."""
    body: Json = {
        "workflow": example.workflow_name,
        "inputs": example.inputs,
        "startAt": later(_AN_HOUR),
    }
    started = [str(edge.call("POST", _RUNS, body)["run"]["id"]) for _ in range(example.beside)]
    if started:
        say(f"{len(started)} runs of {example.workflow_name} are to start in an hour")
        for line in explained(edge, started[0]):
            say(line)
    return started


def cancel_beside(edge: Edge, example: Example, started: list[str], say: Say) -> None:
    """Cancels them all with one call. Raises StackError when one of them is not."""
    if not started:
        return
    wanted: Json = {"filter": f'workflow_name = "{example.workflow_name}" AND status = "PENDING"'}
    asked = edge.call("POST", f"{_RUNS}:cancel", wanted | {"validateOnly": True})["runIds"]
    cancelled = edge.call("POST", f"{_RUNS}:cancel", wanted | {"reason": "as the example says"})["runIds"]
    say(f"\n{wanted['filter']}: {len(asked)} runs to cancel, {len(cancelled)} cancelled")
    for run_id in started:
        until(partial(_is_aborted, edge, run_id), f"run {run_id} to be cancelled")


def _is_aborted(edge: Edge, run_id: str) -> bool:
    return bool(edge.call("GET", f"{_RUNS}/{run_id}")["run"]["status"] == "ABORTED")
