"""Scripts and documents that are wrong: a clear error at the right place, nothing lost, nothing left running."""

import psutil
import pytest

from tests.support.stack import Stack
from tests.system.console import Console, Json, assert_gapless


async def outcome(admin: Console, code: str, timeout: str = "20s", **with_: object) -> Json:
    """The one step of a run of this code, when the run has ended."""
    name = await admin.python(code)
    workflow = await admin.workflow(
        f"name: NAME\nsteps:\n  - {{id: a, component: {name}, timeout: {timeout}, with: {with_ or {}}}}\n"
    )
    run = await admin.start(workflow["name"])
    ended = await admin.finish(run)
    step = (await admin.steps(run))["a"]
    events = await admin.events(run)
    assert_gapless(events)
    return {"run": ended, "step": step, "events": events}


async def test_a_script_that_raises_shows_its_own_lines(admin: Console) -> None:
    found = await outcome(
        admin, "def main():\n    inner()\n\ndef inner():\n    raise ValueError('no such city')\n"
    )

    error = found["step"]["error"]
    assert found["run"]["status"] == "FAILED"
    assert error["kind"] == "USER_ERROR"
    assert "ValueError: no such city" in error["message"]
    assert "line 5" in error["traceback"]
    assert "site-packages" not in error["traceback"]


@pytest.mark.parametrize(
    "statement",
    [
        "raise ValueError('nul \\0 here')",
        "raise ValueError('lone \\udcff surrogate')",
        "raise ValueError('x' * 10_000_000)",
        "import mcpanel_step as step; step.datasource('a\\0b').query('select 1')",
        "import mcpanel_step as step; step.progress(0.5, 'nul \\0'); step.log.info('nul \\0'); raise KeyError('\\0')",
    ],
)
async def test_a_failure_no_message_can_carry_as_it_is_fails_that_step_alone(
    admin: Console, statement: str
) -> None:
    found = await outcome(admin, f"def main():\n    {statement}\n")
    after = await outcome(admin, "def main(): return 'fine'")

    assert found["run"]["status"] == "FAILED"
    assert found["step"]["error"]["kind"] == "USER_ERROR"
    assert after["step"]["output"] == "fine"


async def test_a_script_that_sleeps_past_its_timeout_is_stopped(admin: Console) -> None:
    found = await outcome(admin, "import time\ndef main():\n    time.sleep(600)\n", timeout="1s")

    assert found["run"]["status"] == "FAILED"
    assert found["step"]["error"]["kind"] == "TIMED_OUT"


async def test_a_script_that_prints_100_mb_is_cut_with_a_word(admin: Console) -> None:
    code = """
    import sys
    def main():
        for _ in range(100_000):
            sys.stdout.write("x" * 999 + "\\n")
        return "done"
    """

    found = await outcome(admin, code, timeout="60s")

    lines = [event["log"]["message"] for event in found["events"] if "log" in event]
    assert found["run"]["status"] == "SUCCESS"
    assert found["step"]["output"] == "done"
    assert sum(map(len, lines)) < 11 * 1024 * 1024
    assert "dropped" in lines[-1]


async def test_children_and_leftovers_are_gone_when_the_step_is(stack: Stack, admin: Console) -> None:
    code = """
    import os, subprocess, sys
    def main():
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(987)"], start_new_session=True)
        if os.fork() == 0:
            os.setsid()
            os.execv("/bin/sleep", ["sleep", "987"])
        return "left two behind"
    """

    found = await outcome(admin, code)

    assert found["run"]["status"] in ("SUCCESS", "FAILED")
    running = [p.info["cmdline"] or [""] for p in psutil.process_iter(["cmdline"])]
    assert [one for one in running if one[-1] in ("987", "import time; time.sleep(987)")] == []
    assert (await outcome(admin, "def main(): return 'fine'"))["step"]["output"] == "fine"


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("float('nan')", "NaN"),
        ("object()", "object"),
        ("{1: 2}", "key"),
        ("'a\\0b'", "NUL"),
    ],
)
async def test_a_result_that_is_no_json_value_is_named(admin: Console, value: str, word: str) -> None:
    found = await outcome(admin, f"def main():\n    return {value}\n")

    assert found["step"]["error"]["kind"] == "INVALID_OUTPUT"
    assert word.lower() in found["step"]["error"]["message"].lower()


@pytest.mark.parametrize(
    ("steps", "line", "words"),
    [
        ("- {id: a, component: nope}", 3, ["nope", "component"]),
        ("- {id: a, component: CODE, needs: [b]}\n  - {id: b, component: CODE, needs: [a]}", 3, ["cycle"]),
        ("- {id: a, component: CODE, needs: [z]}", 3, ["z"]),
        ("- {id: a, component: CODE, if: '${{ inputs.x ==== 1 }}'}", 3, ["expression"]),
        ("- {id: a, component: CODE, with: {n: '${{ steps.b.output }}'}}", 3, ["b"]),
        ("- {id: a, component: CODE, with: {n: '${{ inputs.missing }}'}}", 3, ["missing"]),
        ("- {id: a, component: CODE, with: {n: text}}", 3, ["integer"]),
        ("- {id: a, component: CODE@9}", 3, ["9", "1.0.0"]),
        ("- {id: a, komponent: CODE}", 3, ["komponent", "component"]),
        ("- {id: a, component: CODE}\n  - {id: a, component: CODE}", 4, ["a"]),
    ],
)
async def test_a_workflow_that_cannot_run_is_refused_with_the_place_and_the_fix(
    admin: Console, steps: str, line: int, words: list[str]
) -> None:
    code = await admin.python("def main(n: int = 1) -> int:\n    return n\n")
    source = f"name: broken\nsteps:\n  {steps}\n".replace("CODE", code)

    found = await admin.call("POST", "/api/v1/workflows:validate", json={"source": source})
    refused = await admin.http.post("/api/v1/workflows", json={"source": source})

    assert not found["valid"]
    problem = found["problems"][0]
    assert problem["line"] == line
    assert problem["fix"]
    text = " ".join(str(value) for value in problem.values()).lower()
    assert all(word.lower() in text for word in words), text
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("inputs", "word"),
    [({}, "city"), ({"city": 1}, "city"), ({"city": "x", "citi": "y"}, "citi"), ({"city": "a\0b"}, "NUL")],
)
async def test_a_runs_inputs_are_checked_before_it_starts(
    admin: Console, inputs: dict[str, object], word: str
) -> None:
    code = await admin.python("def main(city: str) -> str:\n    return city\n")
    workflow = await admin.workflow(
        f"name: NAME\ninputs:\n  city: {{type: string}}\nsteps:\n"
        f"  - {{id: a, component: {code}, with: {{city: '${{{{ inputs.city }}}}'}}}}\n"
    )

    answer = await admin.http.post(
        "/api/v1/workflow-runs", json={"workflow": workflow["name"], "inputs": inputs}
    )

    assert answer.status_code == 400
    assert word.lower() in answer.text.lower()
