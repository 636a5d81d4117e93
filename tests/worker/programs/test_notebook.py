"""Notebooks in real cells: parameters, outputs as they come, what is kept, and how they fail."""

import asyncio
import json
from typing import Any

import nbformat
import pytest

from tests.worker.programs.conftest import Open
from tests.worker.support.cells import Bench, Remembering, gone, job, processes_of


@pytest.fixture
async def notebook(benches: Open) -> Bench:
    """Runs notebooks."""
    return await benches("notebook", toolbox="notebook", listens=True)


def cells(*sources: str, **more: Any) -> dict[str, Any]:
    """A config of code cells; one that begins with `#` and a name has that id."""
    made = []
    for source in sources:
        first, _, rest = source.partition("\n")
        name = first.removeprefix("#:") if first.startswith("#:") else ""
        made.append({"id": name, "type": "code", "content": rest if name else source})
    return {"cells": made, "ipynb": "", "parameters": {}, **more}


async def output(bench: Bench, config: dict[str, Any], inputs: Any = None) -> Any:
    """The output of a notebook that succeeds."""
    outcome = await bench.run("", inputs, config=config)
    assert outcome.failure is None, (outcome.failure, bench.sink.text("stderr"))
    assert outcome.output_json is not None
    return json.loads(outcome.output_json)


async def failure(bench: Bench, config: dict[str, Any], inputs: Any = None) -> tuple[str, str, str]:
    """Kind, message and traceback of a notebook that fails."""
    outcome = await bench.run("", inputs, config=config)
    assert outcome.failure is not None, outcome
    return outcome.failure.kind, outcome.failure.message, outcome.failure.traceback


async def test_a_notebook_runs_with_its_inputs_and_keeps_what_it_showed(notebook: Bench) -> None:
    page = {
        "cells": [
            {"id": "title", "type": "markdown", "content": "# Temperatures"},
            {"id": "parameters", "type": "code", "content": "city = 'Oslo'\ndegrees = [1.0]\nunit = 'C'"},
            {"id": "say", "type": "code", "content": "print('in', city)\nsum(degrees)"},
            {
                "id": "table",
                "type": "code",
                "content": (
                    "from IPython.display import HTML, SVG\nHTML('<table><tr><td>1</td></tr></table>')"
                ),
            },
            {
                "id": "picture",
                "type": "code",
                "content": "SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')",
            },
            {
                "id": "last",
                "type": "code",
                "content": "outputs = {'city': city, 'unit': unit, 'n': len(degrees)}",
            },
        ],
        "parameters": {"unit": "F", "degrees": [5]},
    }

    answer = await output(notebook, page, {"city": "Bergen", "degrees": [1.5, 2.5]})

    assert answer == {"city": "Bergen", "unit": "F", "n": 2}
    sink = notebook.sink
    assert "in Bergen" in sink.text("stdout")
    shown = {cell["name"]: cell for cell in sink.previews[-1]["cells"]}
    assert shown["cell 3 ('say')"]["outputs"] == [
        {"type": "stdout", "text": "in Bergen\n"},
        {"type": "text/plain", "text": "4.0"},
    ]
    assert "<table>" in shown["cell 4 ('table')"]["outputs"][0]["data"]
    assert shown["cell 5 ('picture')"]["outputs"][0]["type"] == "image/svg+xml"
    assert {cell["state"] for cell in shown.values()} == {"SUCCESS"}
    media, content = sink.artifacts["notebook.ipynb"]
    kept = nbformat.reads(content.decode(), as_version=4)
    assert kept.cells[2].metadata["tags"] == ["injected-parameters"]
    assert media == "application/x-ipynb+json"
    assert b"Temperatures" in sink.artifacts["notebook.html"][1]


async def test_an_ipynb_file_runs_as_jupyter_wrote_it_and_old_outputs_go(notebook: Bench) -> None:
    file = nbformat.v4.new_notebook()
    file.cells = [
        nbformat.v4.new_code_cell("n = 2", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("outputs = n * 21"),
    ]
    file.cells[1].outputs = [nbformat.v4.new_output("stream", text="stale")]

    answer = await output(notebook, {"ipynb": nbformat.writes(file), "parameters": {}}, {"n": 3})

    assert answer == 63
    assert b"stale" not in notebook.sink.artifacts["notebook.ipynb"][1]


async def test_a_failing_cell_is_named_with_its_traceback_and_the_notebook_is_kept(notebook: Bench) -> None:
    kind, message, traceback = await failure(
        notebook, cells("a = 1", "#:divide\ndef f():\n    return a / 0\nf()")
    )

    assert kind == "USER_ERROR"
    assert message == "cell 2 ('divide') failed: ZeroDivisionError: division by zero"
    assert "return a / 0" in traceback
    assert "\x1b" not in traceback
    assert notebook.sink.previews[-1]["cells"][-1]["state"] == "FAILED"
    assert b"ZeroDivisionError" in notebook.sink.artifacts["notebook.html"][1]


async def test_cells_use_the_step_library_of_their_step(notebook: Bench) -> None:
    notebook.sink.rows = [[1, "one"]]
    config = cells(
        "import mcpanel_step as step\nstep.log.warning('careful', n=1)\nstep.progress(0.5, 'half')\n"
        "step.artifact('a.txt', b'hello')",
        "outputs = [step.datasource('sample').query('SELECT 1'), step.context.step_id, step.secret('k')]",
    )

    answer = await output(notebook, config)

    assert answer == [[{"id": 1, "name": "one"}], "s1", "value-of-k"]
    assert ("log", "WARNING", "careful n=1") in notebook.sink.lines
    assert (0.5, "half") in notebook.sink.progressed
    assert notebook.sink.artifacts["a.txt"][1] == b"hello"


@pytest.mark.parametrize(
    ("config", "inputs", "expected"),
    [
        (
            cells("outputs = {1, 2} and object()"),
            {},
            ("INVALID_OUTPUT", "`outputs` cannot be the step's output"),
        ),
        (cells("import os\nos.kill(os.getpid(), 9)"), {}, ("USER_ERROR", "the kernel died in cell 1")),
        (cells("1"), {"a b": 1}, ("INVALID_INPUT", "'a b' cannot be a variable")),
        ({"ipynb": "{}", "parameters": {}}, {}, ("INVALID_INPUT", "not one that Jupyter reads")),
        (cells("def ("), {}, ("USER_ERROR", "cell 1 failed: SyntaxError")),
    ],
)
async def test_what_goes_wrong_is_said_clearly(
    notebook: Bench, config: dict[str, Any], inputs: dict[str, Any], expected: tuple[str, str]
) -> None:
    kind, message, _ = await failure(notebook, config, inputs)

    assert kind == expected[0]
    assert expected[1] in message


async def test_a_notebook_whose_time_is_up_gives_a_query_up_keeps_what_it_has_and_names_the_cell(
    notebook: Bench,
) -> None:
    wait = (
        "import mcpanel_step as step\nprint('begun', flush=True)\nstep.datasource('sample').query('SELECT 1')"
    )
    notebook.sink.patience = 600.0

    outcome = await notebook.run(
        "", config=cells("print('first')", f"#:wait\n{wait}", "3"), timeout=10.0, grace=60.0
    )

    assert outcome.failure is not None
    assert outcome.failure.kind == "TIMED_OUT"
    said = "the step ran longer than 10 s and was killed: cell 2 ('wait') was still running"
    assert outcome.failure.message == said
    kept = nbformat.reads(notebook.sink.artifacts["notebook.ipynb"][1].decode(), as_version=4)
    assert [cell.outputs[0].text for cell in kept.cells[:2]] == ["first\n", "begun\n"]
    assert b"begun" in notebook.sink.artifacts["notebook.html"][1]


@pytest.mark.parametrize(
    "stubborn",
    [
        "time.sleep(600)",
        "import mcpanel_step as step\nstep.datasource('sample').query('SELECT 1')",
        "while True:\n    try:\n        time.sleep(600)\n    except KeyboardInterrupt:\n        pass",
    ],
)
async def test_a_cancelled_notebook_keeps_what_it_has_and_takes_its_kernel_and_its_children_along(
    notebook: Bench, stubborn: str
) -> None:
    cell = await notebook.ready()
    sink = Remembering(patience=600.0)
    code = f"import subprocess, time\nsubprocess.Popen(['sleep', '60'])\nprint('started', flush=True)\n{stubborn}"
    running = asyncio.create_task(cell.run(job("", config=cells(code), timeout=600, grace=60), sink))
    async with asyncio.timeout(20):
        while "started" not in sink.text():
            await asyncio.sleep(0.02)
    processes = processes_of(cell)

    cell.cancel()
    outcome = await running

    assert outcome.failure is not None
    assert outcome.failure.kind == "CANCELLED"
    assert len(processes) >= 4
    assert b"started" in sink.artifacts["notebook.html"][1]
    assert await gone(processes)
