"""Jupyter notebooks: cells or an .ipynb file, run by `worker.programs.notebook`."""

from typing import Final

from google.protobuf.json_format import MessageToDict

from mcpanel.registry.v1 import component_pb2
from worker.executors.program import Program
from worker.executors.python import requirements

_GRACE: Final = 6.0


def read(version: component_pb2.Version) -> Program:
    """The version's program. Raises BadComponentError when a requirement is malformed."""
    config = version.jupyter_notebook
    cells = [
        {"id": cell.id, "type": cell.type, "content": cell.content, "tags": list(cell.tags)}
        for cell in config.notebook_cells
    ]
    return Program(
        version_id=version.id,
        component=version.definition_name,
        kind="python",
        program="notebook",
        toolbox="notebook",
        listens=True,  # the kernel has a door for processes that its cells fork
        grace=_GRACE,
        config={"cells": cells, "ipynb": config.ipynb, "parameters": MessageToDict(config.parameters)},
        requirements=requirements("", config.requirements),
        data_sources={link.name: link.id for link in version.data_sources},
        secrets={link.name: link.id for link in version.secrets},
    )
