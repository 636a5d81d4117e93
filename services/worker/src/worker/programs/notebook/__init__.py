"""Runs a notebook: its cells in a kernel, each cell's output shown as it comes, the executed notebook kept.

config: {"cells": [{"id", "type", "content", "tags"}] or "ipynb": "…", "parameters": {…}}. The step's inputs go before
the parameters. The output is what the notebook leaves in the variable `outputs`, an empty object without one.
Artifacts: `notebook.ipynb` and `notebook.html`, also of a notebook that failed.
"""

from typing import Any

import mcpanel_step as step
import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError
from programs.failures import Failed
from programs.notebook import document, rendering
from programs.notebook.execution import Execution, StoppedError


async def run(config: dict[str, Any], inputs: dict[str, Any]) -> Any:
    """The notebook's `outputs`. Raises Failed naming the cell that failed."""
    notebook = document.read(config)
    document.inject(notebook, {**config.get("parameters", {}), **inputs})
    execution = Execution(notebook)
    try:
        async with execution.kernel():
            for index, cell in enumerate(notebook.cells):
                if cell.cell_type == "code":
                    await execution.run(cell, index)
            return await execution.outputs()
    except StoppedError as stopped:
        name = document.name(notebook, execution.current)
        raise Failed(f"{name} was still running", "TIMED_OUT", rendering.plain(stopped.traceback)) from None
    except CellExecutionError as error:
        name = document.name(notebook, execution.current)
        kind = "OUT_OF_MEMORY" if error.ename == "MemoryError" else "USER_ERROR"
        message = f"{name} failed: {error.ename}: {error.evalue}".removesuffix(": ")
        raise Failed(message, kind, rendering.plain(error.traceback)) from None
    except DeadKernelError:
        name = document.name(notebook, execution.current)
        raise Failed(f"the kernel died in {name}: its process was ended or killed") from None
    finally:
        step.artifact("notebook.ipynb", nbformat.writes(notebook).encode(), "application/x-ipynb+json")
        step.artifact("notebook.html", rendering.html(notebook).encode(), "text/html")
