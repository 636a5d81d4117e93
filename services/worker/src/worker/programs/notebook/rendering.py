"""What people see of a notebook: previews while it runs, a page of it afterwards."""

import json
import os
import re
from typing import Any

from nbformat import NotebookNode
from programs.notebook import document
from programs.place import PLACE

_LIMIT = 56 * 1024
"""Of a preview, in bytes of JSON; the step library takes 64 KiB."""
_TEXT = 8 * 1024
_RICH = 40 * 1024
_IMAGES = ("image/png", "image/jpeg", "image/svg+xml")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def plain(text: str) -> str:
    """The text without terminal colours."""
    return _ANSI.sub("", text)


def preview(notebook: NotebookNode, states: dict[int, str]) -> dict[str, Any]:
    """The cells that ran, the newest in full and older ones as far as there is room.

    `{"cells": [{"cell", "name", "state", "outputs": [{"type", "data" or "text"}]}]}` in the notebook's order; an output
    that is too large says `omitted` with its size in bytes.
    """
    shown: list[dict[str, Any]] = []
    room = _LIMIT
    for index in sorted(states, reverse=True):
        name = document.name(notebook, index)
        entry = {"cell": index, "name": name, "state": states[index]}
        outputs = [_output(one) for one in notebook.cells[index].outputs]
        size = len(json.dumps(outputs)) + 200
        entry["outputs"] = outputs if size <= room else [{"type": "omitted", "size": size}]
        room -= min(size, room)
        shown.append(entry)
        if room < 1024:
            break
    return {"cells": shown[::-1]}


def _output(output: NotebookNode) -> dict[str, Any]:
    kind = output.output_type
    if kind == "stream":
        return {"type": output.name, "text": _shortened(output.text)}
    if kind == "error":
        text = plain("\n".join(output.traceback))
        return {"type": "error", "text": _shortened(text), "name": output.ename, "message": output.evalue}
    data = output.data
    for media in (*_IMAGES, "text/html", "text/markdown", "application/json"):
        if media in data:
            value = data[media]
            size = len(value) if isinstance(value, str) else len(json.dumps(value))
            if size <= _RICH:
                return {"type": media, "data": value}
            return {"type": "omitted", "media_type": media, "size": size}
    return {"type": "text/plain", "text": _shortened(str(data.get("text/plain", "")))}


def _shortened(text: str) -> str:
    """The end of a long text is what people wait for."""
    return text if len(text) <= _TEXT else f"… {len(text) - _TEXT} characters before …\n{text[-_TEXT:]}"


def html(notebook: NotebookNode) -> str:
    """The notebook as one page that needs nothing else."""
    os.environ["JUPYTER_PATH"] = f"{PLACE.toolbox}/share/jupyter"
    from nbconvert.exporters import HTMLExporter  # noqa: PLC0415  # not before there is something to render

    exporter = HTMLExporter(template_name="classic", embed_images=True, require_js_url="", mathjax_url="")
    body, _ = exporter.from_notebook_node(notebook)
    return str(body)
