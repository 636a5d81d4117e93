"""Executors: what a component version means to the worker, by its type."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from chassis import jsonvalue
from chassis.jsonschema import Schema, SchemaError
from mcpanel.registry.v1 import component_pb2
from worker.executors import llm, notebook, protocol, python, streamlit, table, typescript
from worker.executors.program import BadComponentError, Program

_READERS: Final[dict[component_pb2.Definition.Type, Callable[[component_pb2.Version], Program]]] = {
    component_pb2.Definition.DATA: table.read_data,
    component_pb2.Definition.JUPYTER_NOTEBOOK: notebook.read,
    component_pb2.Definition.MCP: protocol.read,
    component_pb2.Definition.OUTPUT: table.read_output,
    component_pb2.Definition.PYTHON_SCRIPT: python.read,
    component_pb2.Definition.STREAMLIT_APP: streamlit.read,
    component_pb2.Definition.TYPESCRIPT_SCRIPT: typescript.read,
    component_pb2.Definition.LLM_PROMPT_AGENT: llm.read_prompt,
    component_pb2.Definition.AI_ASSISTANT: llm.read_assistant,
}
TYPES: Final = tuple(_READERS)
"""The component types this worker runs."""


def read(version: component_pb2.Version) -> Program:
    """The version as something a cell can run. Raises BadComponentError."""
    reader = _READERS.get(version.type)
    if reader is None:
        name = component_pb2.Definition.Type.Name(version.type)
        raise BadComponentError(f"this worker does not run components of type {name}")
    return replace(
        reader(version),
        network_hosts=tuple(version.network_hosts),
        takes=_schema(version, "input_schema"),
        gives=_schema(version, "output_schema"),
    )


def _schema(version: component_pb2.Version, field: str) -> Schema | None:
    """One of the version's schemas, None where it says nothing. Raises BadComponentError."""
    document = jsonvalue.from_struct(getattr(version, field))
    if not document:
        return None
    try:
        return Schema(document)
    except SchemaError as error:
        raise BadComponentError(
            f"nothing can be matched with the component's {field}: {error}; make a version with another"
        ) from None


__all__ = ["TYPES", "BadComponentError", "Program", "read"]
