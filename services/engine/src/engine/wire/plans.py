"""From the registry's workflow and versions to a plan's document."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from google.protobuf import duration_pb2, struct_pb2

from chassis import jsonvalue
from chassis.jsonvalue import Json
from engine.evaluate import needed
from engine.inputs import Declared
from engine.plan import DEFAULT_TIMEOUT
from mcpanel.registry.v1 import component_pb2, workflow_pb2

_NOTEBOOK_TIMEOUT: Final = timedelta(hours=1)


def kind(number: int) -> str:
    """The component type's name, e.g. `PYTHON_SCRIPT`."""
    return component_pb2.Definition.Type.Name(component_pb2.Definition.Type.ValueType(number))


def declared(workflow: workflow_pb2.Workflow) -> dict[str, Declared]:
    """What a run of the workflow takes, by name."""
    return {
        name: Declared(
            one.type,
            one.HasField("default"),
            jsonvalue.from_value(one.default) if one.HasField("default") else None,
        )
        for name, one in workflow.inputs.items()
    }


def given(struct: struct_pb2.Struct) -> dict[str, Json]:
    """The inputs a caller sent."""
    return jsonvalue.from_struct(struct)


def document(workflow: workflow_pb2.Workflow, versions: Mapping[str, component_pb2.Version]) -> bytes:
    """The plan's document, canonical: equal workflows have equal bytes. Raises ExpressionError."""
    return jsonvalue.canonical(
        {
            "steps": [_step(step, versions[step.component_version_id]) for step in workflow.steps],
            "outputs": {name: jsonvalue.from_value(value) for name, value in workflow.outputs.items()},
        }
    )


def _step(step: workflow_pb2.Step, version: component_pb2.Version) -> dict[str, Json]:
    one: dict[str, Json] = {
        "id": step.id,
        "type": kind(version.type),
        "component": f"{version.definition_name}@{version.version}",
        "version_id": version.id,
        "with": {name: jsonvalue.from_value(value) for name, value in getattr(step, "with").items()},
        "if": getattr(step, "if"),
        "timeout": _timeout(step, version).total_seconds(),
        "data_source_ids": list(version.data_source_ids),
    }
    if step.HasField("retry"):
        one["retry"] = _retry(step.retry)
    if version.WhichOneof("config") == "data" and version.data.HasField("value"):
        one["value"] = jsonvalue.from_value(version.data.value)
    if version.WhichOneof("config") == "utility" and version.utility.expression.strip():
        one["expression"] = version.utility.expression
    needs: list[Json] = [*dict.fromkeys([*step.needs, *needed(one)])]
    one["needs"] = needs
    return one


def _retry(retry: workflow_pb2.Retry) -> dict[str, Json]:
    return {
        "max_attempts": max(1, retry.max_attempts),
        "backoff": _seconds(retry.backoff) if retry.HasField("backoff") else 1.0,
        "factor": retry.factor or 2.0,
        "max_backoff": _seconds(retry.max_backoff) if retry.HasField("max_backoff") else 3600.0,
    }


def _timeout(step: workflow_pb2.Step, version: component_pb2.Version) -> timedelta:
    if step.HasField("timeout"):
        return step.timeout.ToTimedelta()
    name = version.WhichOneof("config")
    config = getattr(version, name) if name else None
    if config is not None and "timeout" in config.DESCRIPTOR.fields_by_name and config.HasField("timeout"):
        found: duration_pb2.Duration = config.timeout
        return found.ToTimedelta()
    return _NOTEBOOK_TIMEOUT if name == "jupyter_notebook" else DEFAULT_TIMEOUT


def _seconds(duration: duration_pb2.Duration) -> float:
    return duration.ToTimedelta().total_seconds()
