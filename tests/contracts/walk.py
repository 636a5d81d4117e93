"""The committed contracts, as the tests walk them: every service, message and enum, with its comment."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2

from chassis import contracts
from mcpanel.policy.v1 import policy_pb2

Rule = policy_pb2.Rule


@dataclass(frozen=True)
class Rpc:
    """One RPC. `name` is `RegistryService.CreateDefinition`."""

    name: str
    full_name: str
    method: descriptor_pb2.MethodDescriptorProto

    @property
    def rule(self) -> policy_pb2.Rule:
        options = self.method.options
        return options.Extensions[policy_pb2.rule]  # type: ignore[index]  # the stubs know it as a descriptor

    @property
    def internal(self) -> bool:
        return self.rule.access == Rule.INTERNAL

    @property
    def comment(self) -> str:
        return contracts.comments().get(self.full_name, "")

    @property
    def routes(self) -> list[tuple[str, str, str]]:
        """Its REST mappings: verb, path, body."""
        http = self.method.options.Extensions[annotations_pb2.http]
        return [_route(one) for one in (http, *http.additional_bindings) if one.WhichOneof("pattern")]

    @property
    def changes(self) -> bool:
        """Whether it is a mutation as REST sees it: mapped, and not to GET."""
        return any(verb != "get" for verb, _, _ in self.routes)

    @property
    def request(self) -> dict[str, descriptor_pb2.FieldDescriptorProto]:
        """The request's fields by name."""
        return {field.name: field for field in messages()[self.method.input_type.removeprefix(".")].field}

    @property
    def response(self) -> dict[str, descriptor_pb2.FieldDescriptorProto]:
        """The response's fields by name."""
        return {field.name: field for field in messages()[self.method.output_type.removeprefix(".")].field}


def files() -> list[descriptor_pb2.FileDescriptorProto]:
    """The suite's own files."""
    return [file for file in contracts.descriptor_set().file if file.package.startswith("mcpanel.")]


@cache
def rpcs() -> tuple[Rpc, ...]:
    """Every RPC."""
    return tuple(
        Rpc(f"{service.name}.{method.name}", f"{file.package}.{service.name}.{method.name}", method)
        for file in files()
        for service in file.service
        for method in service.method
    )


def services() -> list[str]:
    """Every service's full name."""
    return [f"{file.package}.{service.name}" for file in files() for service in file.service]


@cache
def messages() -> dict[str, descriptor_pb2.DescriptorProto]:
    """Every message by its full name, nested ones too; not the entries that maps are made of."""
    return {name: message for file in files() for name, message in _messages(file.message_type, file.package)}


@cache
def enums() -> dict[str, descriptor_pb2.EnumDescriptorProto]:
    """Every enum by its full name."""
    top = {f"{file.package}.{enum.name}": enum for file in files() for enum in file.enum_type}
    nested = {
        f"{name}.{enum.name}": enum for name, message in messages().items() for enum in message.enum_type
    }
    return top | nested


def described() -> Iterator[str]:
    """The full name of everything that needs a comment."""
    yield from services()
    yield from (rpc.full_name for rpc in rpcs())
    for name, message in messages().items():
        yield name
        yield from (f"{name}.{field.name}" for field in message.field)
        synthetic = {field.oneof_index for field in message.field if field.proto3_optional}
        yield from (f"{name}.{one.name}" for at, one in enumerate(message.oneof_decl) if at not in synthetic)
    for name, enum in enums().items():
        yield name
        yield from (f"{name}.{value.name}" for value in enum.value)


def template(path: str) -> str:
    """A path with its variables made anonymous: two paths with one template would meet."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def variables(path: str) -> list[str]:
    """The request fields a path binds."""
    return re.findall(r"\{([^}=]*)", path)


def _messages(
    found: Iterable[descriptor_pb2.DescriptorProto], scope: str
) -> Iterator[tuple[str, descriptor_pb2.DescriptorProto]]:
    for message in found:
        if not message.options.map_entry:
            yield f"{scope}.{message.name}", message
            yield from _messages(message.nested_type, f"{scope}.{message.name}")


def _route(rule: http_pb2.HttpRule) -> tuple[str, str, str]:
    verb = rule.WhichOneof("pattern") or ""
    return verb, str(getattr(rule, verb)), rule.body
