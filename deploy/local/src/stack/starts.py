"""How an example's run starts: when asked for, by a schedule, by a signed message, or after another run."""

import base64
import hmac
import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from stack.edge import Edge, Json, Refused
from stack.errors import StackError
from stack.examples import Example

T = TypeVar("T")

_PATIENCE = 30.0
_RUNS = "/api/v1/workflow-runs"
_SCHEDULES = "/api/v1/schedules"
_TRIGGERS = "/api/v1/triggers"


def start(edge: Edge, example: Example) -> Json:
    """Has the example's run start, in the way it shows; the run."""
    if example.schedule:
        return _by_schedule(edge, example.schedule)
    if "webhook" in example.trigger:
        return _by_message(edge, example.trigger, example.send)
    if example.trigger:
        return _after_another(edge, example)
    return _by_request(edge, example.workflow_name, example.inputs, example.start_in)


def _by_request(edge: Edge, workflow: str, inputs: Json, start_in: float = 0.0) -> Json:
    body: Json = {"workflow": workflow, "inputs": inputs}
    if start_in:
        body["startAt"] = later(start_in)
    started: Json = _with_a_worker(lambda: edge.call("POST", _RUNS, body)["run"])
    return started


def _by_schedule(edge: Edge, schedule: Json) -> Json:
    """Lets the schedule fire once more, and pauses it again."""
    path = f"{_SCHEDULES}/{schedule['name']}"
    found = edge.find(path)
    if found is None:
        before = ""
        edge.call("POST", _SCHEDULES, {"schedule": schedule})
    else:
        before = found["schedule"].get("lastFire", {}).get("runId", "")
        edge.call("PATCH", path, {"schedule": schedule})
        edge.call("POST", f"{path}:resume", {})
    try:
        fired: str = until(lambda: _fired(edge, path, before), "the schedule to fire")
    finally:
        edge.call("POST", f"{path}:pause", {})
    return _run(edge, fired)


def _fired(edge: Edge, path: str, before: str) -> str:
    """The run of the newest fire time, once it is another than `before`."""
    last = edge.call("GET", path)["schedule"].get("lastFire", {})
    if last.get("error"):
        raise StackError(f"the schedule could not start its run: {last['error']}")
    found = str(last.get("runId", ""))
    return "" if found == before else found


def _by_message(edge: Edge, trigger: Json, message: Json) -> Json:
    """Signs the message as Standard Webhooks says, and sends it."""
    path = f"{_TRIGGERS}/{trigger['name']}"
    if edge.find(path) is None:
        made = edge.call("POST", _TRIGGERS, {"trigger": trigger})
    else:  # nobody knows the old secret any more
        made = edge.call("POST", f"{path}:rotate", {})
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    body, message_id, now = json.dumps(message).encode(), f"msg_{uuid.uuid4().hex}", str(int(time.time()))
    digest = hmac.digest(key, f"{message_id}.{now}.".encode() + body, "sha256")
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": now,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
    url = made["trigger"]["webhook"]["path"]
    answer: Json = _with_a_worker(lambda: edge.send(url, body, headers))
    return _run(edge, answer["runId"])


def _after_another(edge: Edge, example: Example) -> Json:
    """Starts the run that comes first; the run that follows it."""
    trigger = example.trigger
    if edge.find(f"{_TRIGGERS}/{trigger['name']}") is None:
        edge.call("POST", _TRIGGERS, {"trigger": trigger})
    first = _by_request(edge, trigger["runEnd"]["workflow"], example.inputs)
    query = {"filter": f'triggered_by = "run:{first["id"]}"'}
    found: Json = until(
        lambda: next(iter(edge.call("GET", _RUNS, query=query).get("runs", [])), None), "the run that follows"
    )
    return found


def later(seconds: float) -> str:
    """The moment in so many seconds, as REST takes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def _run(edge: Edge, run_id: str) -> Json:
    found: Json = edge.call("GET", f"{_RUNS}/{run_id}")["run"]
    return found


def _with_a_worker(call: Callable[[], T]) -> T:
    """What the call answers; right after the stack's start the worker may need a moment to report."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return call()
        except Refused as error:
            if error.reason != "NO_WORKER_FOR_TYPE" or time.monotonic() > end:
                raise
            time.sleep(0.1)


def until(look: Callable[[], T | None], what: str) -> T:
    """What `look` finds, as soon as it finds something. Raises StackError when that takes too long."""
    end = time.monotonic() + _PATIENCE
    while not (found := look()):
        if time.monotonic() > end:
            raise StackError(f"waited {_PATIENCE:.0f} s for {what}")
        time.sleep(0.05)
    return found
