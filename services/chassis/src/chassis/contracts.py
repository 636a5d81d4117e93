"""The committed contracts as descriptors, comments included: what documentation and forms are derived from."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from buf.validate import validate_pb2
from mcpanel.policy.v1 import policy_pb2

Rule = policy_pb2.Rule
OPTIONS = (annotations_pb2, policy_pb2, validate_pb2)
"""What the contracts' options are written in: known before the descriptor set is read, or they stay unread in it."""


@cache
def descriptor_set() -> descriptor_pb2.FileDescriptorSet:
    """Every contract file with its imports and comments, imports first."""
    content = resources.files("mcpanel").joinpath("descriptors.binpb").read_bytes()
    return descriptor_pb2.FileDescriptorSet.FromString(content)


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """A pool of its own with every contract file."""
    found = descriptor_pool.DescriptorPool()
    for file in descriptor_set().file:
        found.Add(file)
    return found


@cache
def comments() -> dict[str, str]:
    """The leading comment of everything that has one, by full name, e.g. `mcpanel.registry.v1.Definition.name`.

    Enum values are named within their enum, e.g. `mcpanel.registry.v1.Definition.Type.MCP`; lines keep their
    breaks, without the leading space.
    """
    found: dict[str, str] = {}
    for file in descriptor_set().file:
        names = _names(file)
        for location in file.source_code_info.location:
            name = names.get(tuple(location.path))
            if name and location.leading_comments:
                lines = location.leading_comments.splitlines()
                found[name] = "\n".join(line.removeprefix(" ") for line in lines).strip()
    return found


@cache
def rules() -> Mapping[str, policy_pb2.Rule]:
    """The rule of every RPC by its path without the first slash, `mcpanel.registry.v1.RegistryService/GetVersion`."""
    extension: Any = policy_pb2.rule
    return MappingProxyType(
        {
            f"{file.package}.{service.name}/{method.name}": method.options.Extensions[extension]
            for file in descriptor_set().file
            for service in file.service
            for method in service.method
        }
    )


@cache
def permissions() -> Mapping[str, int]:
    """Every permission there is, with the least built-in role that holds it (`Rule.Role`).

    ROLE_UNSPECIFIED stands for those of no role, which only INTERNAL methods need; what only lets a caller reach what
    is somebody else's is an administrator's. Raises ValueError naming a permission that is given to two roles.
    """
    return MappingProxyType(holders(rules()))


def holders(rules: Mapping[str, policy_pb2.Rule]) -> dict[str, int]:
    """The permissions that these rules name, as `permissions` tells them."""
    found: dict[str, int] = {}
    for path, rule in rules.items():
        if rule.permission and found.setdefault(rule.permission, rule.role) != rule.role:
            raise ValueError(f"{path} gives {rule.permission} to another role than the methods before it")
    for rule in rules.values():
        if rule.others:
            found.setdefault(rule.others, Rule.ADMIN)
    return found


def message_class(name: str) -> type:
    """The class of the message `name` in this module's pool. Raises KeyError when there is none."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name))


def _names(file: descriptor_pb2.FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """The full names in a file by their path in descriptor.proto's numbering (see SourceCodeInfo.Location)."""
    names: dict[tuple[int, ...], str] = {}

    def add_enum(enum: descriptor_pb2.EnumDescriptorProto, path: tuple[int, ...], scope: str) -> None:
        names[path] = full = f"{scope}.{enum.name}"
        for index, value in enumerate(enum.value):
            names[*path, 2, index] = f"{full}.{value.name}"

    def add_message(message: descriptor_pb2.DescriptorProto, path: tuple[int, ...], scope: str) -> None:
        names[path] = full = f"{scope}.{message.name}"
        for index, field in enumerate(message.field):
            names[*path, 2, index] = f"{full}.{field.name}"
        for index, nested in enumerate(message.nested_type):
            add_message(nested, (*path, 3, index), full)
        for index, enum in enumerate(message.enum_type):
            add_enum(enum, (*path, 4, index), full)
        for index, oneof in enumerate(message.oneof_decl):
            names[*path, 8, index] = f"{full}.{oneof.name}"

    for index, message in enumerate(file.message_type):
        add_message(message, (4, index), file.package)
    for index, enum in enumerate(file.enum_type):
        add_enum(enum, (5, index), file.package)
    for index, service in enumerate(file.service):
        names[6, index] = full = f"{file.package}.{service.name}"
        for number, method in enumerate(service.method):
            names[6, index, 2, number] = f"{full}.{method.name}"
    return names
