"""The OpenAPI 3.1 document of everything REST, derived from the contracts."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor

from chassis import contracts, schemas
from gateway import __version__
from mcpanel.policy.v1 import policy_pb2

Json = dict[str, Any]

_VERBS: Final = ("get", "put", "post", "delete", "patch")
_VARIABLE: Final = re.compile(r"\{([a-z_.]+)(?:=[^}]*)?\}")
_FIXED: Final = re.compile(r"\{([a-z_.]+)=([^*}]+)\}")
"""A variable that can only be one thing: the path says so, and the field goes without saying."""
_RAW: Final[Json] = {"application/json": {"schema": {"type": "object"}}}
"""A body that reaches the service as it was sent (google.api.HttpBody)."""
_EXPORT: Final = contracts.rules()["mcpanel.audit.v1.AuditService/ExportActionLogs"]
_ERROR: Final[Json] = {
    "type": "object",
    "description": "google.rpc.Status: `code` is the gRPC code, `details` hold the reason and what to mend.",
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "details": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["code", "message"],
}


@cache
def document() -> Json:
    """The document, as JSON."""
    builder = _Builder()
    paths: dict[str, Json] = {}
    for method, rule in _rest_methods():
        for verb, template, body in _bindings(rule):
            paths.setdefault(_path(template), {})[verb] = builder.operation(method, template, body)
    _add_gateway_paths(paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MCPanel",
            "version": __version__,
            "description": "The control plane of an AI-operations console. gRPC and REST are one contract.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "tags": [
            {"name": service.name, "description": contracts.comments().get(service.full_name, "")}
            for service in _services()
        ],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(builder.schemas.items())),
            "responses": {
                "Error": {
                    "description": "A refusal or a failure.",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token or an API key.",
                },
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def routes() -> Iterator[tuple[str, str]]:
    """Every REST route of the contracts: its HTTP method in lower case, and its path's template."""
    for _, rule in _rest_methods():
        for method, template, _ in _bindings(rule):
            yield method, _FIXED.sub(r"\2", template)


class _Builder:
    def __init__(self) -> None:
        self.schemas: dict[str, Json] = {"Error": _ERROR}

    def refer(self, target: Descriptor | EnumDescriptor) -> Json:
        name = target.full_name.removeprefix("mcpanel.")
        if name not in self.schemas:
            self.schemas[name] = {}
            self.schemas[name] = schemas.of(target, self.refer)
        return {"$ref": f"#/components/schemas/{name}"}

    def operation(self, method: MethodDescriptor, template: str, body: str) -> Json:
        comment = contracts.comments().get(method.full_name, "")
        in_path = _VARIABLE.findall(template)
        fields = method.input_type.fields_by_name
        fixed = {name for name, _ in _FIXED.findall(template)}
        parameters = [
            self.parameter(fields[name], "path") for name in in_path if name in fields and name not in fixed
        ]
        rest = [field for field in method.input_type.fields if field.name not in in_path]
        operation: Json = {
            "operationId": method.name,
            "tags": [method.containing_service.name],
            "summary": comment.split(". ")[0].split("\n")[0].rstrip("."),
            "description": comment,
            "responses": {"200": self.answer(method), "default": {"$ref": "#/components/responses/Error"}},
        }
        if body:
            sent = _RAW if body != "*" else self.content(method, rest, in_path)
            operation["requestBody"] = {"required": True, "content": sent}
        else:
            parameters += [self.parameter(field, "query") for field in rest]
        if parameters:
            operation["parameters"] = parameters
        rule = _policy(method)
        if rule.access == policy_pb2.Rule.PUBLIC:
            operation["security"] = []
        elif rule.permission:
            operation["description"] += f"\n\nNeeds the permission `{rule.permission}`."
        return operation

    def parameter(self, field: FieldDescriptor, place: str) -> Json:
        schema = schemas.field_schema(field, self.refer)
        name = field.name if place == "path" else field.json_name
        return {
            "name": name,
            "in": place,
            "required": place == "path",
            "description": schema.pop("description", ""),
            "schema": schema,
        }

    def content(self, method: MethodDescriptor, rest: list[FieldDescriptor], in_path: list[str]) -> Json:
        if not in_path:
            return {"application/json": {"schema": self.refer(method.input_type)}}
        properties = {field.json_name: schemas.field_schema(field, self.refer) for field in rest}
        return {"application/json": {"schema": {"type": "object", "properties": properties}}}

    def answer(self, method: MethodDescriptor) -> Json:
        streams = _proto(method).server_streaming
        media = "application/x-ndjson" if streams else "application/json"
        meaning = "One message a line; the last one is the end." if streams else "OK"
        return {"description": meaning, "content": {media: {"schema": self.refer(method.output_type)}}}


def _services() -> Iterator[Any]:
    for file in contracts.descriptor_set().file:
        for service in file.service:
            yield contracts.pool().FindServiceByName(f"{file.package}.{service.name}")


def _rest_methods() -> Iterator[tuple[MethodDescriptor, http_pb2.HttpRule]]:
    for service in _services():
        for method in service.methods:
            rule = _options(method).Extensions[annotations_pb2.http]
            if rule.WhichOneof("pattern"):
                yield method, rule


def _bindings(rule: http_pb2.HttpRule) -> Iterator[tuple[str, str, str]]:
    for binding in (rule, *rule.additional_bindings):
        verb = binding.WhichOneof("pattern")
        if verb in _VERBS:
            yield verb, getattr(binding, verb), binding.body


def _path(template: str) -> str:
    return _VARIABLE.sub(lambda match: "{" + match[1] + "}", _FIXED.sub(r"\2", template))


def _options(method: MethodDescriptor) -> descriptor_pb2.MethodOptions:
    return descriptor_pb2.MethodOptions.FromString(method.GetOptions().SerializeToString())


def _policy(method: MethodDescriptor) -> policy_pb2.Rule:
    return _options(method).Extensions[policy_pb2.rule]  # type: ignore[index]  # the stubs do not know whom it extends


def _proto(method: MethodDescriptor) -> descriptor_pb2.MethodDescriptorProto:
    proto = descriptor_pb2.MethodDescriptorProto()
    method.CopyToProto(proto)
    return proto


def _add_gateway_paths(paths: dict[str, Json]) -> None:
    """What the gateway serves beside the contracts."""
    error = {"$ref": "#/components/responses/Error"}
    paths["/api/v1/workflow-runs/{run_id}/stream"] = {
        "get": {
            "operationId": "StreamRun",
            "tags": ["EngineService"],
            "summary": "Streams a run's events as Server-Sent Events",
            "description": "Replays the recorded events, then `: live`, then live ones, and last `event: end`. "
            "They are `status_change`, `log`, `tool_call`, `progress`, `result_preview` and `approval`. "
            "Resume with `Last-Event-ID` or `after_seq`; a finished run replays fully and ends.",
            "parameters": [
                {
                    "name": "run_id",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "format": "uuid"},
                },
                {"name": "after_seq", "in": "query", "schema": {"type": "integer", "minimum": 0}},
                {"name": "ticket", "in": "query", "schema": {"type": "string"}},
                {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer", "minimum": 0}},
            ],
            "responses": {
                "200": {
                    "description": "The stream.",
                    "content": {"text/event-stream": {"schema": {"type": "string"}}},
                },
                "default": error,
            },
        }
    }
    paths["/api/v1/workflow-runs/stream"] = {
        "get": {
            "operationId": "StreamRuns",
            "tags": ["EngineService"],
            "summary": "Streams the runs that fit a filter as Server-Sent Events",
            "description": "Sends `event: run` for each of the newest, `event: live`, then `run` and `left` as they "
            "change. Resume with `Last-Event-ID` or `cursor`.",
            "parameters": [
                {"name": "filter", "in": "query", "schema": {"type": "string", "maxLength": 1024}},
                {
                    "name": "page_size",
                    "in": "query",
                    "schema": {"type": "integer", "minimum": 0, "maximum": 1000},
                },
                {"name": "cursor", "in": "query", "schema": {"type": "string", "maxLength": 64}},
                {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string", "maxLength": 64}},
            ],
            "responses": {
                "200": {
                    "description": "The stream.",
                    "content": {"text/event-stream": {"schema": {"type": "string"}}},
                },
                "default": error,
            },
        }
    }
    paths["/api/v1/artifacts/{artifact_id}"] = {
        "get": {
            "operationId": "DownloadArtifact",
            "tags": ["EngineService"],
            "summary": "Downloads an artifact",
            "parameters": [
                {
                    "name": "artifact_id",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "format": "uuid"},
                },
                {
                    "name": "Range",
                    "in": "header",
                    "description": "A single range, e.g. `bytes=1048576-`. With `If-Range`, only of this content.",
                    "schema": {"type": "string"},
                },
            ],
            "responses": {
                "200": {
                    "description": "The content, with the artifact's media type. Its ETag is the SHA-256.",
                    "content": {
                        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
                    },
                },
                "206": {
                    "description": "The part that was asked for.",
                    "content": {
                        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
                    },
                },
                "304": {"description": "The client has it."},
                "416": {"description": "There is no such part."},
                "default": error,
            },
        }
    }
    paths["/api/v1/action-logs.csv"] = {
        "get": {
            "operationId": "DownloadActionLogs",
            "tags": ["AuditService"],
            "summary": "Downloads the action log as CSV",
            "description": "A line for each entry, oldest first, for spreadsheets; what looks like a formula begins "
            f"with an apostrophe. Recorded as any export.\n\nNeeds the permission `{_EXPORT.permission}`.",
            "parameters": [
                {"name": "filter", "in": "query", "schema": {"type": "string", "maxLength": 1024}},
                {"name": "from_index", "in": "query", "schema": {"type": "integer", "minimum": 0}},
                {"name": "until_index", "in": "query", "schema": {"type": "integer", "minimum": 0}},
            ],
            "responses": {
                "200": {
                    "description": "The entries.",
                    "content": {"text/csv": {"schema": {"type": "string"}}},
                },
                "default": error,
            },
        }
    }
    paths["/health"] = {
        "get": {
            "operationId": "GetHealth",
            "tags": ["Gateway"],
            "summary": "Says how every service of the suite is",
            "security": [],
            "responses": {
                "200": {"description": "Every service answers.", "content": {"application/json": {}}},
                "503": {
                    "description": "At least one does not; the body names it.",
                    "content": {"application/json": {}},
                },
            },
        }
    }
