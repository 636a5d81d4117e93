"""DATA and OUTPUT components with something to do, run by `worker.programs.data` and `worker.programs.output`."""

from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from mcpanel.registry.v1 import component_pb2
from worker.executors.program import Program


def read_data(version: component_pb2.Version) -> Program:
    """The version's program."""
    return _program(version, "data", "table", _config(version.data))


def read_output(version: component_pb2.Version) -> Program:
    """The version's program."""
    is_chart = version.output.WhichOneof("kind") == "chart"  # it is drawn by V8
    return _program(version, "output", "report", _config(version.output), reserves=is_chart)


def _config(message: Message) -> dict[str, Any]:
    config: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    config.pop("timeout", None)
    return config


def _program(
    version: component_pb2.Version,
    name: str,
    toolbox: str,
    config: dict[str, Any],
    *,
    reserves: bool = False,
) -> Program:
    return Program(
        version_id=version.id,
        component=version.definition_name,
        kind="python",
        program=name,
        toolbox=toolbox,
        config=config,
        reserves=reserves,
        data_sources={link.name: link.id for link in version.data_sources},
        secrets={link.name: link.id for link in version.secrets},
    )
