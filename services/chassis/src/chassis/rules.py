"""The method rules: what the contract says each RPC needs, read from its descriptor."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from mcpanel.policy.v1 import policy_pb2

Rule = policy_pb2.Rule
Resource = policy_pb2.Resource


class MissingRuleError(Exception):
    """An RPC that this process would serve has no usable rule."""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC as its descriptor tells it."""

    path: str
    """`/package.Service/Rpc`."""
    service: str
    name: str
    rule: policy_pb2.Rule
    reads: bool
    """Whether it changes nothing: it has no audit action, and over REST it is a GET."""
    request: type[Message]
    response: type[Message]
    client_streaming: bool
    server_streaming: bool


def methods(services: Iterable[str]) -> dict[str, Method]:
    """The RPCs of the named services by path. Raises MissingRuleError naming every RPC without a usable rule.

    Services of gRPC itself (`grpc.…`: health, reflection) need none and are left out.
    """
    pool = descriptor_pool.Default()
    found: dict[str, Method] = {}
    problems: list[str] = []
    for service in services:
        if service.startswith("grpc."):
            continue
        descriptor: ServiceDescriptor = pool.FindServiceByName(service)
        for method in descriptor.methods:
            rule = rule_of(method)
            if problem := problem_of(rule, method.input_type):
                problems.append(f"{method.full_name} {problem}")
            one = _method(descriptor, method, rule)
            found[one.path] = one
    if problems:
        raise MissingRuleError(
            "refusing to start, since these RPCs have no usable option (mcpanel.policy.v1.rule): "
            + "; ".join(problems)
        )
    return found


def rule_of(method: MethodDescriptor) -> policy_pb2.Rule:
    """The rule in the method's options; an unset one when there is none."""
    extensions: Any = method.GetOptions().Extensions
    rule: policy_pb2.Rule = extensions[policy_pb2.rule]
    return rule


def about(rule: policy_pb2.Rule, request: Message) -> tuple[str, str] | None:
    """What a request is about, by the rule of its method: the type, and the id or name as it was sent.

    None where the rule names nothing, or the request does not. The request may be one that was not validated.
    """
    for resource in rule.resources:
        if resource.field and (found := _value(request, resource.field)):
            return Resource.Kind.Name(resource.kind).lower(), found
    return None


def _value(message: Message, path: str) -> str:
    """The text at a path of fields, the first where there are several."""
    found: Any = message
    for name in path.split("."):
        found = getattr(found, name)
    return found if isinstance(found, str) else next(iter(found), "")


@cache
def calls_beside(request: Descriptor) -> tuple[str, ...]:
    """What may stand behind the id in the REST path of the method that takes `request`, e.g. `GET :explain`."""
    routes = [
        (method, verb.upper(), path)
        for service in request.file.services_by_name.values()
        for method in service.methods
        for verb, path in _routes(method)
    ]
    own = tuple(
        f"{path}:" for method, _, path in routes if method.input_type is request and path.endswith("}")
    )
    return tuple(
        sorted(f"{verb} :{path.rpartition(':')[2]}" for _, verb, path in routes if path.startswith(own))
    )


def _routes(method: MethodDescriptor) -> Iterator[tuple[str, str]]:
    extensions: Any = method.GetOptions().Extensions
    first: http_pb2.HttpRule = extensions[annotations_pb2.http]
    for rule in (first, *first.additional_bindings):
        if (verb := rule.WhichOneof("pattern")) is not None and verb != "custom":
            yield verb, getattr(rule, verb)


def problem_of(rule: policy_pb2.Rule, request: Descriptor) -> str:
    """Why the rule cannot govern an RPC with this request, as the end of a sentence; empty when it can."""
    if rule.access == Rule.ACCESS_UNSPECIFIED:
        return "has no rule"
    if rule.access not in Rule.Access.values():
        return f"has the unknown access {rule.access}"
    if rule.access == Rule.PERMISSION and not rule.permission:
        return "needs a permission and names none"
    if rule.access == Rule.PERMISSION and rule.role not in _known(Rule.Role):
        return f"names no role that holds {rule.permission}"
    if rule.access != Rule.PERMISSION and rule.role:
        return "names a role, but needs no permission that one could hold"
    if rule.access in (Rule.PUBLIC, Rule.AUTHENTICATED) and rule.permission:
        return f"names the permission {rule.permission}, but does not need it"
    if rule.access == Rule.INTERNAL and not (rule.callers or rule.permission):
        return "is internal and names no caller"
    if rule.access in (Rule.PUBLIC, Rule.AUTHENTICATED) and rule.callers:
        return "names callers, but lets in everybody"
    if unknown := set(rule.callers) - _known(Rule.Service):
        return f"names an unknown caller, {min(unknown)}"
    if rule.resources and not rule.others:
        return "acts on what is somebody's and names no permission for others"
    return next(filter(None, (_resource_problem(one, request) for one in rule.resources)), "")


def _resource_problem(resource: policy_pb2.Resource, request: Descriptor) -> str:
    if resource.kind not in _known(Resource.Kind):
        return f"acts on an unknown kind, {resource.kind}"
    if resource.level not in _known(Resource.Level):
        return f"does something unknown to it, {resource.level}"
    if not resource.field:
        return "" if resource.listed else "acts on something that no field names"
    if _text_field(request, resource.field) is None:
        return f"names the field {resource.field}, which is no text in {request.name}"
    return ""


def _text_field(message: Descriptor, path: str) -> FieldDescriptor | None:
    """The string, or list of strings, at a path of fields; None when there is no such one."""
    name, _, rest = path.partition(".")
    field: FieldDescriptor | None = message.fields_by_name.get(name)
    if field is None:
        return None
    if rest:
        return None if field.message_type is None else _text_field(field.message_type, rest)
    return field if field.type == FieldDescriptor.TYPE_STRING else None


def _known(enum: Any) -> set[int]:
    """The numbers of an enum that mean something."""
    return set(enum.values()) - {0}


def _method(service: ServiceDescriptor, method: MethodDescriptor, rule: policy_pb2.Rule) -> Method:
    return Method(
        path=f"/{service.full_name}/{method.name}",
        service=service.full_name,
        name=method.name,
        rule=rule,
        reads=not rule.audit and any(verb == "get" for verb, _ in _routes(method)),
        request=message_factory.GetMessageClass(method.input_type),
        response=message_factory.GetMessageClass(method.output_type),
        client_streaming=bool(method.client_streaming),
        server_streaming=bool(method.server_streaming),
    )
