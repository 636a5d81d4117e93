"""From the registry's workflow and versions to a plan's document."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from google.protobuf import duration_pb2, struct_pb2

from chassis import jsonvalue
from chassis.expressions import Template
from chassis.jsonschema import Schema, SchemaError
from chassis.jsonvalue import Json
from engine.concurrency import Concurrency
from engine.evaluate import needed
from engine.inputs import Declared
from engine.plan import APPROVAL, DEFAULT_TIMEOUT, IN_ENGINE, WORKFLOW
from mcpanel.registry.v1 import component_pb2, workflow_pb2

_TIMEOUTS: Final = {"jupyter_notebook": timedelta(hours=1), "streamlit_app": timedelta(hours=1)}
"""How long one attempt may run where neither its step nor its component says so, by the type's config."""
_MAX_PARALLEL: Final = 50
_TEST_STEP: Final = "test"
_SCHEMA_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "array", "object"})
_UNITS: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


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


def declared_by(version: component_pb2.Version, given: Collection[str]) -> dict[str, Declared]:
    """What a component's version takes: what it names itself, and where it is open to others, the `given` ones."""
    schema = jsonvalue.from_struct(version.input_schema) if version.HasField("input_schema") else {}
    properties, required = schema.get("properties"), schema.get("required")
    known = properties if isinstance(properties, dict) else {}
    demanded = {str(name) for name in required} if isinstance(required, list) else set[str]()
    others = demanded.union(given) if schema.get("additionalProperties") is not False else demanded
    definitions = schema.get("$defs")
    return {
        name: _declared_as(_followed(known.get(name), definitions), optional=name not in demanded)
        for name in (*known, *sorted(others - known.keys()))
    }


def taken_by(version: component_pb2.Version) -> Schema | None:
    """What the inputs of a component's version have to be; None where that is said when it runs."""
    document = jsonvalue.from_struct(version.input_schema)
    try:
        return Schema(document) if document else None
    except SchemaError:
        return None


def _declared_as(schema: Json, *, optional: bool) -> Declared:
    allowed = schema.get("enum") if isinstance(schema, dict) else None
    values = tuple(allowed) if isinstance(allowed, list) else ()
    return Declared(_word(schema), allowed=values, optional=optional)


def _followed(schema: Json, definitions: Json) -> Json:
    """The definition that a schema is nothing but a reference to; else itself."""
    name = schema.get("$ref") if isinstance(schema, dict) else None
    if isinstance(name, str) and isinstance(definitions, dict):
        return definitions.get(name.removeprefix("#/$defs/"), schema)
    return schema


def _word(schema: Json) -> str:
    """The type of inputs that a schema stands for; empty for any."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    return kind if isinstance(kind, str) and kind in _SCHEMA_TYPES else ""


def workflow_of_one(
    version: component_pb2.Version, names: Collection[str], timeout: timedelta | None
) -> workflow_pb2.Workflow:
    """A workflow of one step, `test`, that is given the run's inputs of these names; its output is the run's."""
    step = workflow_pb2.Step(id=_TEST_STEP, component_version_id=version.id)
    for name in names:
        # As JSON, a name is a literal of CEL's too, but for JSON's pairs of surrogates; a brace in it must not end the
        # expression.
        literal = json.dumps(name, ensure_ascii=False).replace("}", "\\u007d")
        getattr(step, "with")[name].string_value = f"${{{{ inputs[{literal}] }}}}"
    if timeout is not None:
        step.timeout.FromTimedelta(timeout)
    workflow = workflow_pb2.Workflow(name=version.definition_name, steps=[step])
    workflow.outputs["output"].string_value = f"${{{{ steps.{_TEST_STEP}.output }}}}"
    return workflow


def given(struct: struct_pb2.Struct) -> dict[str, Json]:
    """The inputs a caller sent."""
    return jsonvalue.from_struct(struct)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a workflow is made of, by id: the versions of components, and of workflows those that run as its steps."""

    versions: Mapping[str, component_pb2.Version]
    workflows: Mapping[tuple[str, int], workflow_pb2.Workflow]
    packages: Mapping[str, workflow_pb2.Workflow] = field(default_factory=dict)
    """What those of the versions run as that are packages of components."""


def document(workflow: workflow_pb2.Workflow, parts: Parts) -> bytes:
    """The plan's document, canonical: equal workflows have equal bytes. Raises ExpressionError."""
    return jsonvalue.canonical(_document(workflow, parts))


def _document(workflow: workflow_pb2.Workflow, parts: Parts) -> dict[str, Json]:
    one: dict[str, Json] = {
        "steps": [_step(step, parts) for step in workflow.steps],
        "outputs": {name: jsonvalue.from_value(value) for name, value in workflow.outputs.items()},
    }
    if workflow.HasField("timeout"):
        one["timeout"] = _seconds(workflow.timeout)
    return one


def _step(step: workflow_pb2.Step, parts: Parts) -> dict[str, Json]:
    one: dict[str, Json] = {
        "id": step.id,
        "with": {name: jsonvalue.from_value(value) for name, value in getattr(step, "with").items()},
        "if": getattr(step, "if"),
        **_what_runs(step, parts),
        **_flow(step),
        **_limits(step),
    }
    if step.HasField("retry"):
        one["retry"] = _retry(step.retry)
    needs: list[Json] = [*dict.fromkeys([*step.needs, *needed(one)])]
    one["needs"] = needs
    return one


def _what_runs(step: workflow_pb2.Step, parts: Parts) -> dict[str, Json]:
    if step.workflow_id:
        sub = parts.workflows[step.workflow_id, step.workflow_version]
        what = (f"{sub.name}@{sub.version}", f"{step.workflow_id}@{step.workflow_version}")
        return _sub_workflow(step, *what, sub, _document(sub, parts))
    if not step.component_version_id:
        return {"type": APPROVAL, "component": "", "version_id": "", "timeout": None}
    version = parts.versions[step.component_version_id]
    name = f"{version.definition_name}@{version.version}"
    if version.id in parts.packages:
        sub = parts.packages[version.id]
        plan = _document(sub, parts) | _schemas(version, gives="output_schema")
        return _sub_workflow(step, name, version.id, sub, plan) | _schemas(version, takes="input_schema")
    one: dict[str, Json] = {
        "type": kind(version.type),
        "component": name,
        "version_id": version.id,
        "timeout": _timeout(step, version).total_seconds(),
        "data_source_ids": list(version.data_source_ids),
        **({"secret_ids": list(version.secret_ids)} if version.secret_ids else {}),
        "side_effect": (step.effect or version.effect or "idempotent").upper(),
    }
    if version.WhichOneof("config") == "data" and version.data.HasField("value"):
        one["value"] = jsonvalue.from_value(version.data.value)
    if version.WhichOneof("config") == "utility" and version.utility.expression.strip():
        one["expression"] = version.utility.expression
    if _has_program(version):
        one["has_program"] = True
    elif one["type"] in IN_ENGINE:
        one |= _schemas(version, takes="input_schema", gives="output_schema")
    return one


def _schemas(version: component_pb2.Version, **fields: str) -> dict[str, Json]:
    """What the engine itself has to match of a version's schemas; workers match those of what they run."""
    schemas = {name: jsonvalue.from_struct(getattr(version, field)) for name, field in fields.items()}
    return {name: one for name, one in schemas.items() if one}


def _has_program(version: component_pb2.Version) -> bool:
    """Whether a DATA or OUTPUT component does something that a worker has to do."""
    config = version.WhichOneof("config")
    if config == "data":
        data = version.data
        return data.HasField("query") or data.HasField("file") or bool(data.sql.strip())
    return config == "output" and version.output.WhichOneof("kind") is not None


def _sub_workflow(
    step: workflow_pb2.Step,
    component: str,
    version_id: str,
    sub: workflow_pb2.Workflow,
    plan: dict[str, Json],
) -> dict[str, Json]:
    return {
        "type": WORKFLOW,
        "component": component,
        "version_id": version_id,
        "timeout": _seconds(step.timeout) if step.HasField("timeout") else None,
        "plan": plan,
        "declared": {name: _declared(one) for name, one in declared(sub).items()},
    }


def _declared(one: Declared) -> Json:
    return {"type": one.type, "has_default": one.has_default, "default": one.default}


def _flow(step: workflow_pb2.Step) -> dict[str, Json]:
    """When it runs, and how often."""
    one: dict[str, Json] = {}
    if step.HasField("for_each"):
        one["for_each"] = jsonvalue.from_value(step.for_each)
        one["max_parallel"] = step.max_parallel or _MAX_PARALLEL
    if step.join not in ("", "all"):
        one["join"] = step.join.upper()
    if step.on_failure == "continue":
        one["goes_on"] = True
    if step.HasField("approval"):
        one["approval"] = {
            "message": step.approval.message,
            "timeout": _seconds(step.approval.timeout) if step.approval.HasField("timeout") else None,
            "approvers": list(step.approval.approvers),
        }
    return one


def _limits(step: workflow_pb2.Step) -> dict[str, Json]:
    """Where it runs, and what holds it back."""
    one: dict[str, Json] = {}
    labels: list[Json] = [*sorted(set(step.labels))]
    if step.HasField("cache"):
        one |= {"cache_key": step.cache.key, "cache_ttl": _seconds(step.cache.ttl)}
    if step.HasField("rate_limit"):
        limit = step.rate_limit
        period = _seconds(limit.period) if limit.HasField("period") else 1.0
        one["rate"] = {"key": limit.key, "limit": limit.limit, "period": period}
    for name in ("waiting_timeout", "heartbeat_timeout"):
        if step.HasField(name):
            one[name] = _seconds(getattr(step, name))
    if step.pool or step.labels or step.HasField("resources"):
        one["place"] = {
            "pool": step.pool,
            "labels": labels,
            "cpus": step.resources.cpu,
            "memory_bytes": memory_bytes(step.resources.memory),
        }
    return one


def concurrency(workflow: workflow_pb2.Workflow) -> Concurrency | None:
    """How many of the workflow's runs may run at once. Raises ExpressionError."""
    if not workflow.HasField("concurrency"):
        return None
    wanted = workflow.concurrency
    key = Template.parse(wanted.key, ("inputs",)) if wanted.key else None
    return Concurrency(wanted.limit or 1, wanted.policy or "queue", key)


def memory_bytes(text: str) -> int:
    """The bytes of, for example, `512Mi`; 0 for nothing."""
    return int(text[:-2]) * _UNITS[text[-2:]] if text else 0


def _retry(retry: workflow_pb2.Retry) -> dict[str, Json]:
    on: list[Json] = [*retry.on]
    return {
        "max_attempts": max(1, retry.max_attempts),
        "backoff": _seconds(retry.backoff) if retry.HasField("backoff") else 1.0,
        "factor": retry.factor or 2.0,
        "max_backoff": _seconds(retry.max_backoff) if retry.HasField("max_backoff") else 3600.0,
        "jitter": retry.jitter,
        "on": on,
    }


def _timeout(step: workflow_pb2.Step, version: component_pb2.Version) -> timedelta:
    if step.HasField("timeout"):
        return step.timeout.ToTimedelta()
    name = version.WhichOneof("config")
    config = getattr(version, name) if name else None
    if config is not None and "timeout" in config.DESCRIPTOR.fields_by_name and config.HasField("timeout"):
        found: duration_pb2.Duration = config.timeout
        return found.ToTimedelta()
    return _TIMEOUTS.get(name or "", DEFAULT_TIMEOUT)


def _seconds(duration: duration_pb2.Duration) -> float:
    return duration.ToTimedelta().total_seconds()
