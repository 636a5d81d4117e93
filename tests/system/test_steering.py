"""Everything people do to runs, through the door's REST side, with real components in real cells."""

from urllib.parse import quote

from tests.system.console import Console, assert_gapless, fresh

RUNS = "/api/v1/workflow-runs"
FLAKY = """
import pathlib
def main(n: int, broken: bool) -> int:
    if broken and n == 2:
        raise ValueError("two is broken")
    return n * 10
"""


async def test_a_run_of_many_parts_is_decided_paused_repeated_compared_and_explained(admin: Console) -> None:
    code = await admin.python(FLAKY)
    inner = await admin.workflow(
        f"""
        name: NAME
        inputs:
          n: {{type: integer}}
          broken: {{type: boolean, default: false}}
        steps:
          - {{id: compute, component: {code}, with: {{n: "${{{{ inputs.n }}}}", broken: "${{{{ inputs.broken }}}}"}}}}
        outputs:
          value: "${{{{ steps.compute.output }}}}"
        """
    )
    outer = await admin.workflow(
        f"""
        name: NAME
        timeout: 5m
        inputs:
          broken: {{type: boolean, default: true}}
        steps:
          - id: gate
            approval: {{message: "shall it?", timeout: 1h}}
          - id: each
            needs: [gate]
            workflow: {inner["name"]}
            for_each: [1, 2, 3]
            max_parallel: 2
            with: {{n: "${{{{ item }}}}", broken: "${{{{ inputs.broken }}}}"}}
        outputs:
          values: "${{{{ steps.each.output.map(one, one.value) }}}}"
        """
    )
    run = await admin.start(outer["name"])

    waiting = await admin.call("GET", f"{RUNS}/{run}:explain")
    inbox = await admin.call("GET", "/api/v1/approvals")
    paused = await admin.call("POST", f"{RUNS}/{run}:pause", json={})
    resumed = await admin.call("POST", f"{RUNS}/{run}:resume", json={})
    decided = await admin.call(
        "POST", f"{RUNS}/{run}/steps/gate:decide", json={"decision": "approve", "comment": "go"}
    )
    failed = await admin.finish(run)
    why = await admin.call("GET", f"{RUNS}/{run}:explain")

    assert waiting["reasons"][0]["kind"] == "APPROVAL"
    assert waiting["reasons"][0]["actions"][0]["http"] == f"POST {RUNS}/{run}/steps/gate:decide"
    assert (run, "gate", "shall it?") in [
        (one["runId"], one["stepId"], one["message"]) for one in inbox["approvals"]
    ]
    assert (paused["run"]["status"], resumed["run"]["status"]) == ("PAUSED", "PENDING")
    assert decided["stepExecution"]["decision"]["comment"] == "go"
    assert (failed["status"], failed["error"]["stepId"]) == ("FAILED", "each[1]/compute")
    assert "two is broken" in why["summary"]

    body = {"inputs": {"broken": False}, "requestId": fresh("rerun")}
    again = (await admin.call("POST", f"{RUNS}/{run}:rerun", json=body))["run"]
    same = (await admin.call("POST", f"{RUNS}/{run}:rerun", json=body))["run"]
    asked = await admin.call("POST", f"{RUNS}/{again['id']}/steps/gate:decide", json={"decision": "approve"})
    ended = await admin.finish(again["id"])
    compared = await admin.call("GET", f"{RUNS}/{again['id']}:compare")
    steps = await admin.steps(again["id"])

    assert same["id"] == again["id"]
    assert again["rerunOf"] == run
    assert asked["stepExecution"]["status"] == "SUCCESS"
    assert (ended["status"], ended["outputs"]) == ("SUCCESS", {"values": [10, 20, 30]})
    assert [one["name"] for one in compared["inputs"]] == ["broken"]
    assert compared["other"]["id"] == run
    assert list(steps)[:3] == ["gate", "each", "each[0]"]
    events = await admin.events(again["id"])
    assert_gapless(events)
    names = {event.name async for event in admin.stream(again["id"])}
    assert {"approval", "status_change", "end"} <= names


async def test_an_item_is_decided_by_its_path(admin: Console) -> None:
    code = await admin.python("def main() -> int:\n    return 1")
    inner = await admin.workflow(
        f"""
        name: NAME
        steps:
          - {{id: ask, component: {code}, approval: {{message: "may it?"}}}}
        """
    )
    outer = await admin.workflow(
        f"""
        name: NAME
        steps:
          - {{id: each, workflow: {inner["name"]}, for_each: [1]}}
        """
    )
    run = await admin.start(outer["name"])
    path = quote("each[0]/ask", safe="/")

    rejected = await admin.call("POST", f"{RUNS}/{run}/steps/{path}:decide", json={"decision": "reject"})
    ended = await admin.finish(run)

    assert rejected["stepExecution"]["error"]["kind"] == "REJECTED"
    assert (ended["status"], ended["error"]["stepId"]) == ("FAILED", "each[0]/ask")


async def test_runs_are_cancelled_and_repeated_by_a_filter(admin: Console) -> None:
    code = await admin.python("import time\ndef main(seconds: float = 60):\n    time.sleep(seconds)")
    workflow = await admin.workflow(
        f"""
        name: NAME
        inputs:
          seconds: {{type: number, default: 60}}
        steps:
          - {{id: sleep, component: {code}, with: {{seconds: "${{{{ inputs.seconds }}}}"}}}}
        """
    )
    runs = sorted([await admin.start(workflow["name"]) for _ in range(3)])
    wanted = f'workflow_name = "{workflow["name"]}"'

    cancelled = await admin.call("POST", f"{RUNS}:cancel", json={"filter": wanted, "reason": "enough"})
    ended = [await admin.finish(run) for run in runs]
    would = await admin.call("POST", f"{RUNS}:rerun", json={"filter": wanted, "validateOnly": True})

    assert cancelled["runIds"] == runs
    assert {one["status"] for one in ended} == {"ABORTED"}
    assert [one["runId"] for one in would["reruns"]] == runs
