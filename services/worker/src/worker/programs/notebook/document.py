"""A notebook as a document: read from a config, with parameters put in as papermill puts them in."""

import json
import keyword
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from programs.failures import Failed

PARAMETERS = "parameters"
INJECTED = "injected-parameters"


def read(config: dict[str, Any]) -> NotebookNode:
    """The notebook of a version's config. Raises Failed."""
    if text := config.get("ipynb"):
        try:
            notebook = nbformat.reads(text, as_version=4)
            nbformat.validate(notebook)
        except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise Failed(f"the notebook is not one that Jupyter reads: {reason}", "INVALID_INPUT") from None
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        return notebook
    notebook = new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for cell in config.get("cells", []):
        make = new_code_cell if cell["type"] == "code" else new_markdown_cell
        made = make(cell.get("content", ""))
        if cell.get("id"):
            made.metadata["name"] = cell["id"]
        if cell.get("tags"):
            made.metadata["tags"] = list(cell["tags"])
        notebook.cells.append(made)
    return notebook


def inject(notebook: NotebookNode, values: dict[str, Any]) -> None:
    """Puts a cell that assigns the values behind the one tagged `parameters`, or first. Raises Failed."""
    if not values:
        return
    for name in values:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise Failed(
                f"the input '{name}' cannot be a variable of the notebook; give it another name",
                "INVALID_INPUT",
            )
    source = "\n".join(["# Parameters", *(f"{name} = {_literal(value)}" for name, value in values.items())])
    cell = new_code_cell(source)
    cell.metadata["tags"] = [INJECTED]
    cells = notebook.cells
    at = next((index + 1 for index, one in enumerate(cells) if is_parameters(one)), 0)
    cells.insert(at, cell)


def is_parameters(cell: NotebookNode) -> bool:
    """Whether the cell has the parameters' defaults: by its tag, or by its id."""
    metadata = cell.metadata
    return PARAMETERS in metadata.get("tags", ()) or metadata.get("name") == PARAMETERS


def name(notebook: NotebookNode, index: int) -> str:
    """How a cell is named to people: its number from 1 as the author counts, and its id where it has one."""
    cells = notebook.cells
    if INJECTED in cells[index].metadata.get("tags", ()):
        return "the cell with the parameters"
    number = sum(1 for one in cells[: index + 1] if INJECTED not in one.metadata.get("tags", ()))
    given = cells[index].metadata.get("name", "")
    return f"cell {number} ('{given}')" if given else f"cell {number}"


def _literal(value: Any) -> str:
    """The value as Python writes it."""
    return repr(json.loads(json.dumps(value)))
