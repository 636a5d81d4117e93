"""`make run`: the example runs on the whole suite, and running it again changes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from stack.examples import FOLDER
from tests.support.stack import Stack

CAPABILITIES = sorted(
    path.parent.name for path in FOLDER.glob("*/example.yaml") if path.parent.name != "weather"
)


def run_example(stack: Stack, name: str = "weather") -> subprocess.CompletedProcess[str]:
    """`python -m stack run <name>` beside a stack that is up."""
    environment = {**os.environ, "MCPANEL_HOME": str(stack.home.path), "MCPANEL_ENV_FILE": os.devnull}
    command = [sys.executable, "-m", "stack", "run", name, "--once"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_example_shows_its_steps_its_report_and_where_its_chart_is(stack: Stack) -> None:
    done = run_example(stack)

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for step in ("extract", "aggregate", "report"):
        states = [line.split()[-1] for line in lines if len(line.split()) == 3 and line.split()[1] == step]
        assert states[-2:] == ["RUNNING", "SUCCESS"]
    assert "# The weather in Seattle, 2012 to 2015" in done.stdout
    (chart,) = [line.split()[0] for line in lines if "chart.svg" in line]
    assert Path(chart).read_text().startswith("<svg ")
    assert [line.split()[0] for line in lines[lines.index("go on with") + 1 :][:3]] == [
        "curl",
        "curl",
        "grpcurl",
    ]
    assert any(line.startswith("SUCCESS in ") for line in lines)


@pytest.mark.parametrize("name", CAPABILITIES)
def test_every_other_example_does_what_it_says(stack: Stack, name: str) -> None:
    done = run_example(stack, name)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS in " in done.stdout
    assert f"[{name}]({name})" in (FOLDER / "README.md").read_text()


def test_a_rerun_runs_only_what_had_not_succeeded(stack: Stack) -> None:
    done = run_example(stack, "rerun")

    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["train", "SUCCESS", "copied", "rerun-train@1.0.0"] in lines, done.stdout
    assert sum(line[1:] == ["train", "|", "training"] for line in lines) == 1


def test_what_was_steered_is_shown_and_the_runs_beside_are_cancelled(stack: Stack) -> None:
    lines = run_example(stack, "steering").stdout.splitlines()

    states = [line.split()[2] for line in lines if line.split()[1:2] == ["run"] and len(line.split()) == 3]
    assert states[-4:] == ["RUNNING", "PAUSED", "RUNNING", "SUCCESS"]
    assert any("explain: " in line and "paused" in line for line in lines)
    assert any(":resume" in line for line in lines)
    assert 'workflow_name = "steering" AND status = "PENDING": 3 runs to cancel, 3 cancelled' in lines


def test_running_it_again_registers_nothing_new_and_leaves_the_stack_up(stack: Stack) -> None:
    run_example(stack)

    again = run_example(stack)

    assert again.returncode == 0
    registered = [
        line for line in again.stdout.splitlines() if line.startswith(("  component", "  workflow"))
    ]
    assert len(registered) == 4
    assert all(line.endswith("unchanged") for line in registered)
    assert httpx.get(f"{stack.base_url}/health", trust_env=False).status_code == 200
