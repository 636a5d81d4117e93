"""Runs an example on a stack that is up, and shows the run as it happens."""

import json
import shlex
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stack import examples, starts, steering
from stack.edge import Edge, Json
from stack.errors import StackError
from stack.home import Home
from stack.ports import Ports
from stack.postgres import Postgres
from stack.serving import serving

Say = Callable[[str], None]


def run(name: str, home: Home, ports: Ports, say: Say, *, stops: bool = False, leaves: bool = False) -> int:
    """Register the example, start a run, show it live and what came of it; 0 when it did what it should.

    `stops` tells that the stack will be stopped afterwards; who `leaves` visits an app only for a moment.
    """
    example = examples.load(name)
    key_file = home.keys / "admin.key"
    edge = Edge(f"http://127.0.0.1:{ports.edge}", key_file.read_text().strip())
    try:
        say(f"registering examples/{name}")
        examples.register(
            example, edge, Postgres(home.path, ports.postgres), lambda what, how: say(f"  {what:<34} {how}")
        )
        with serving(example, home):
            others = steering.start_beside(edge, example, say)
            started = starts.start(edge, example)
            finished = _followed(edge, example, started, say, leaves=leaves)
            if example.rerun:
                finished = _rerun(edge, example, finished, say)
            steering.cancel_beside(edge, example, others, say)
        _show(edge, home, finished, example.output_names, say)
        say("\n" + "\n  ".join(commands(edge.base_url, key_file, finished["id"], stops=stops)))
        return _verdict(example, finished, say)
    finally:
        edge.close()


def _followed(edge: Edge, example: examples.Example, started: Json, say: Say, *, leaves: bool = True) -> Json:
    """Show the run as it happens; the run once it has ended."""
    say(f"run {started['id']} of {example.workflow_name} version {started.get('workflowVersion', 1)}")
    helmsman = steering.Helmsman(edge, example, say, leaves=leaves)
    for event, data in edge.events(started["id"]):
        if line := describe(event, data):
            say(line)
        helmsman.heard(started["id"], event, data)
        if event == "approval" and "decision" not in data and data["stepId"] in example.decide:
            _decide(edge, data, example.decide[data["stepId"]])
    if left := helmsman.left():
        raise StackError(f"what was to be steered never came: {'; '.join(left)}")
    finished: Json = edge.call("GET", f"/api/v1/workflow-runs/{started['id']}")["run"]
    return finished


def _rerun(edge: Edge, example: examples.Example, failed: Json, say: Say) -> Json:
    """Repeat a run that failed, and say what differs; the new run."""
    if failed.get("status") != "FAILED":
        raise StackError(f"the run was to fail, and is {failed.get('status')}")
    say(
        f"\nFAILED, as it should: {failed.get('errorMessage')}\nrepeating it with {json.dumps(example.rerun)}"
    )
    path = f"/api/v1/workflow-runs/{failed['id']}:rerun"
    again = _followed(edge, example, edge.call("POST", path, example.rerun)["run"], say)
    compared = edge.call("GET", f"/api/v1/workflow-runs/{again['id']}:compare")
    for one in compared.get("inputs", []):
        say(f"  input {one['name']}: {json.dumps(one.get('other'))} became {json.dumps(one.get('value'))}")
    return again


def _decide(edge: Edge, asked: Json, decision: str) -> None:
    """Answer a step that waits for a decision."""
    step = quote(asked["stepId"], safe="/")
    path = f"/api/v1/workflow-runs/{asked['runId']}/steps/{step}:decide"
    edge.call("POST", path, {"decision": decision, "comment": "as the example says"})


def describe(event: str, data: Json) -> str:
    """One line for an event; empty for those that say nothing to a person."""
    clock = str(data.get("time", ""))[11:23].rstrip("Z")
    step = data.get("stepId", "")
    match event:
        case "log":
            text = data.get("message", "")
        case "progress":
            text = f"{data.get('fraction', 0):.0%} {data.get('message', '')}"
        case "result_preview":
            text = f"preview {json.dumps(data.get('value'), ensure_ascii=False)[:200]}"
        case "tool_call":
            text = _call(data)
        case "status_change" | "end":
            text = data.get("status", "")
            if data.get("attempt", 0) > 1:
                text += f" (attempt {data['attempt']})"
            if error := data.get("error"):
                text += f": {error.get('message') or error.get('kind', '')}"
            step = step or "run"
            if event == "end":
                return ""
        case "approval" if decision := data.get("decision"):
            verb = "approved" if decision.get("approved") else "rejected"
            text = f"{verb} by {decision.get('decidedByName')}"
        case "approval":
            text = f"waits for a decision: {data.get('message', '')}"
        case "error":
            raise StackError(f"the run's stream: {data.get('message', data)}")
        case _:
            return ""
    return f"  {clock:<12}  {step:<12}  {'| ' if event != 'status_change' else ''}{text}"


def _call(data: Json) -> str:
    """What an event says of a call of a tool."""
    tool, why = data.get("tool", ""), data.get("message", "")
    match data.get("status"):
        case "ALLOWED":
            arguments = (
                "…" if data.get("argumentsOmitted") else json.dumps(data.get("arguments"), ensure_ascii=False)
            )
            return f"→ calls {tool} {arguments[:200]}"
        case "REFUSED":
            return f"✗ refused {tool}: {why}"
        case "FAILED":
            return f"✗ {tool} failed: {why}"
        case _:
            return f"← {tool} answered {why}"


def _show(edge: Edge, home: Home, finished: Json, names: list[str], say: Say) -> None:
    outputs = finished.get("outputs", {})
    for name in [*(name for name in names if name in outputs), *(outputs.keys() - set(names))]:
        value = outputs[name]
        say(f"\noutput {name}")
        say(indented(value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)))
    say("\nsteps")
    path = f"/api/v1/workflow-runs/{finished['id']}"
    for step in edge.pages(f"{path}/steps", "stepExecutions"):
        took = seconds(step)
        duration = "" if took is None else f"{took * 1000:,.0f} ms"
        duration = "copied" if step.get("copiedFrom") else duration
        say(f"  {step['stepId']:<16} {step.get('status', ''):<9} {duration:>10}  {step.get('component', '')}")
    chain = edge.call("GET", f"{path}/timeline").get("criticalPath", [])
    if len(chain) > 1:
        say(f"  took longest: {' → '.join(chain)}")
    artifacts = list(edge.pages(f"{path}/artifacts", "artifacts"))
    if artifacts:
        say("\nartifacts")
    for artifact in artifacts:
        target = home.path / "downloads" / finished["id"] / artifact["stepId"] / Path(artifact["name"]).name
        edge.download(f"/api/v1/artifacts/{artifact['id']}", target)
        say(f"  {target}  ({int(artifact.get('sizeBytes', 0)):,} bytes, {artifact.get('mediaType', '')})")


def commands(base_url: str, key_file: Path, run_id: str, *, stops: bool) -> list[str]:
    """A heading, and what to type into a shell to see more of a run, wherever the key's file is."""
    header = f'-H "authorization: Bearer $(cat {shlex.quote(str(key_file))})"'
    address = base_url.removeprefix("http://")
    return [
        "go on with, once `make up` has started it again" if stops else "go on with",
        f"curl {header} {base_url}/api/v1/workflow-runs/{run_id}",
        f"curl -N {header} {base_url}/api/v1/workflow-runs/{run_id}/stream",
        f'grpcurl -plaintext {header} -d \'{{"run_id": "{run_id}"}}\' {address} '
        "mcpanel.engine.v1.EngineService/ListStepExecutions",
        f'curl {header} "{base_url}/api/v1/workflow-runs/{run_id}/logs?minLevel=WARNING"',
    ]


def _verdict(example: examples.Example, finished: Json, say: Say) -> int:
    took = seconds({"startedAt": finished.get("createdAt"), "endedAt": finished.get("endedAt")})
    say(f"\n{finished.get('status')}" + (f" in {took:.2f} s" if took is not None else ""))
    if finished.get("status") != "SUCCESS":
        say(f"error: {finished.get('errorMessage') or 'the run did not succeed'}")
        return 1
    outputs = finished.get("outputs", {})
    if not examples.includes(outputs, example.expect):
        say(f"error: the outputs are not what example.yaml expects: {json.dumps(example.expect)}")
        return 1
    return 0


def seconds(thing: Json) -> float | None:
    """How long something took, from `startedAt` to `endedAt`, in seconds; None while it has not ended."""
    if not thing.get("startedAt") or not thing.get("endedAt"):
        return None
    began, ended = (datetime.fromisoformat(_shortened(thing[key])) for key in ("startedAt", "endedAt"))
    return (ended - began).total_seconds()


def indented(value: Any) -> str:
    """The text, each line moved to the right."""
    return "\n".join(f"  {line}" for line in str(value).splitlines())


def _shortened(time: str) -> str:
    """A timestamp with at most six decimals, which is all `datetime` reads."""
    head, dot, rest = time.removesuffix("Z").partition(".")
    return f"{head}{dot}{rest[:6]}+00:00"
