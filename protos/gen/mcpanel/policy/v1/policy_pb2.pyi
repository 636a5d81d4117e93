from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
RULE_FIELD_NUMBER: _ClassVar[int]
rule: _descriptor.FieldDescriptor

class Rule(_message.Message):
    __slots__ = ("access", "permission", "audit", "secret_response", "resources", "callers", "others", "role")
    class Access(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACCESS_UNSPECIFIED: _ClassVar[Rule.Access]
        PUBLIC: _ClassVar[Rule.Access]
        AUTHENTICATED: _ClassVar[Rule.Access]
        PERMISSION: _ClassVar[Rule.Access]
        INTERNAL: _ClassVar[Rule.Access]
    ACCESS_UNSPECIFIED: Rule.Access
    PUBLIC: Rule.Access
    AUTHENTICATED: Rule.Access
    PERMISSION: Rule.Access
    INTERNAL: Rule.Access
    class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ROLE_UNSPECIFIED: _ClassVar[Rule.Role]
        VIEWER: _ClassVar[Rule.Role]
        EDITOR: _ClassVar[Rule.Role]
        ADMIN: _ClassVar[Rule.Role]
    ROLE_UNSPECIFIED: Rule.Role
    VIEWER: Rule.Role
    EDITOR: Rule.Role
    ADMIN: Rule.Role
    class Service(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SERVICE_UNSPECIFIED: _ClassVar[Rule.Service]
        REGISTRY: _ClassVar[Rule.Service]
        ENGINE: _ClassVar[Rule.Service]
        DATASOURCES: _ClassVar[Rule.Service]
        AUDIT: _ClassVar[Rule.Service]
        IDENTITY: _ClassVar[Rule.Service]
        GATEWAY: _ClassVar[Rule.Service]
    SERVICE_UNSPECIFIED: Rule.Service
    REGISTRY: Rule.Service
    ENGINE: Rule.Service
    DATASOURCES: Rule.Service
    AUDIT: Rule.Service
    IDENTITY: Rule.Service
    GATEWAY: Rule.Service
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    SECRET_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    CALLERS_FIELD_NUMBER: _ClassVar[int]
    OTHERS_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    access: Rule.Access
    permission: str
    audit: str
    secret_response: bool
    resources: _containers.RepeatedCompositeFieldContainer[Resource]
    callers: _containers.RepeatedScalarFieldContainer[Rule.Service]
    others: str
    role: Rule.Role
    def __init__(self, access: _Optional[_Union[Rule.Access, str]] = ..., permission: _Optional[str] = ..., audit: _Optional[str] = ..., secret_response: _Optional[bool] = ..., resources: _Optional[_Iterable[_Union[Resource, _Mapping]]] = ..., callers: _Optional[_Iterable[_Union[Rule.Service, str]]] = ..., others: _Optional[str] = ..., role: _Optional[_Union[Rule.Role, str]] = ...) -> None: ...

class Resource(_message.Message):
    __slots__ = ("kind", "field", "level", "listed")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Resource.Kind]
        DEFINITION: _ClassVar[Resource.Kind]
        VERSION: _ClassVar[Resource.Kind]
        WORKFLOW: _ClassVar[Resource.Kind]
        DATA_SOURCE: _ClassVar[Resource.Kind]
        QUERY: _ClassVar[Resource.Kind]
        RUN: _ClassVar[Resource.Kind]
        ARTIFACT: _ClassVar[Resource.Kind]
        SCHEDULE: _ClassVar[Resource.Kind]
        TRIGGER: _ClassVar[Resource.Kind]
        USER: _ClassVar[Resource.Kind]
        API_KEY: _ClassVar[Resource.Kind]
        TEMPLATE: _ClassVar[Resource.Kind]
        SESSION: _ClassVar[Resource.Kind]
        SECRET: _ClassVar[Resource.Kind]
    KIND_UNSPECIFIED: Resource.Kind
    DEFINITION: Resource.Kind
    VERSION: Resource.Kind
    WORKFLOW: Resource.Kind
    DATA_SOURCE: Resource.Kind
    QUERY: Resource.Kind
    RUN: Resource.Kind
    ARTIFACT: Resource.Kind
    SCHEDULE: Resource.Kind
    TRIGGER: Resource.Kind
    USER: Resource.Kind
    API_KEY: Resource.Kind
    TEMPLATE: Resource.Kind
    SESSION: Resource.Kind
    SECRET: Resource.Kind
    class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        LEVEL_UNSPECIFIED: _ClassVar[Resource.Level]
        VIEW: _ClassVar[Resource.Level]
        EDIT: _ClassVar[Resource.Level]
        DELETE: _ClassVar[Resource.Level]
    LEVEL_UNSPECIFIED: Resource.Level
    VIEW: Resource.Level
    EDIT: Resource.Level
    DELETE: Resource.Level
    KIND_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    LISTED_FIELD_NUMBER: _ClassVar[int]
    kind: Resource.Kind
    field: str
    level: Resource.Level
    listed: bool
    def __init__(self, kind: _Optional[_Union[Resource.Kind, str]] = ..., field: _Optional[str] = ..., level: _Optional[_Union[Resource.Level, str]] = ..., listed: _Optional[bool] = ...) -> None: ...
