from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExportBundleRequest(_message.Message):
    __slots__ = ("components", "workflows", "only_named")
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    WORKFLOWS_FIELD_NUMBER: _ClassVar[int]
    ONLY_NAMED_FIELD_NUMBER: _ClassVar[int]
    components: _containers.RepeatedScalarFieldContainer[str]
    workflows: _containers.RepeatedScalarFieldContainer[str]
    only_named: bool
    def __init__(self, components: _Optional[_Iterable[str]] = ..., workflows: _Optional[_Iterable[str]] = ..., only_named: _Optional[bool] = ...) -> None: ...

class BundleReference(_message.Message):
    __slots__ = ("kind", "name", "used_by", "fix")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[BundleReference.Kind]
        COMPONENT: _ClassVar[BundleReference.Kind]
        WORKFLOW: _ClassVar[BundleReference.Kind]
        DATA_SOURCE: _ClassVar[BundleReference.Kind]
        SECRET: _ClassVar[BundleReference.Kind]
    KIND_UNSPECIFIED: BundleReference.Kind
    COMPONENT: BundleReference.Kind
    WORKFLOW: BundleReference.Kind
    DATA_SOURCE: BundleReference.Kind
    SECRET: BundleReference.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    USED_BY_FIELD_NUMBER: _ClassVar[int]
    FIX_FIELD_NUMBER: _ClassVar[int]
    kind: BundleReference.Kind
    name: str
    used_by: str
    fix: str
    def __init__(self, kind: _Optional[_Union[BundleReference.Kind, str]] = ..., name: _Optional[str] = ..., used_by: _Optional[str] = ..., fix: _Optional[str] = ...) -> None: ...

class ExportBundleResponse(_message.Message):
    __slots__ = ("source", "references")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    source: str
    references: _containers.RepeatedCompositeFieldContainer[BundleReference]
    def __init__(self, source: _Optional[str] = ..., references: _Optional[_Iterable[_Union[BundleReference, _Mapping]]] = ...) -> None: ...

class ImportBundleRequest(_message.Message):
    __slots__ = ("source", "data_sources", "secrets", "rename", "request_id", "validate_only")
    class DataSourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class SecretsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class RenameEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCES_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    RENAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    source: str
    data_sources: _containers.ScalarMap[str, str]
    secrets: _containers.ScalarMap[str, str]
    rename: _containers.ScalarMap[str, str]
    request_id: str
    validate_only: bool
    def __init__(self, source: _Optional[str] = ..., data_sources: _Optional[_Mapping[str, str]] = ..., secrets: _Optional[_Mapping[str, str]] = ..., rename: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class BundleItem(_message.Message):
    __slots__ = ("kind", "name", "version", "action", "id", "message")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[BundleItem.Kind]
        COMPONENT: _ClassVar[BundleItem.Kind]
        VERSION: _ClassVar[BundleItem.Kind]
        WORKFLOW: _ClassVar[BundleItem.Kind]
    KIND_UNSPECIFIED: BundleItem.Kind
    COMPONENT: BundleItem.Kind
    VERSION: BundleItem.Kind
    WORKFLOW: BundleItem.Kind
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACTION_UNSPECIFIED: _ClassVar[BundleItem.Action]
        CREATE: _ClassVar[BundleItem.Action]
        UNCHANGED: _ClassVar[BundleItem.Action]
        NEW_VERSION: _ClassVar[BundleItem.Action]
        UPDATE: _ClassVar[BundleItem.Action]
        CONFLICT: _ClassVar[BundleItem.Action]
        MISSING: _ClassVar[BundleItem.Action]
    ACTION_UNSPECIFIED: BundleItem.Action
    CREATE: BundleItem.Action
    UNCHANGED: BundleItem.Action
    NEW_VERSION: BundleItem.Action
    UPDATE: BundleItem.Action
    CONFLICT: BundleItem.Action
    MISSING: BundleItem.Action
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    kind: BundleItem.Kind
    name: str
    version: str
    action: BundleItem.Action
    id: str
    message: str
    def __init__(self, kind: _Optional[_Union[BundleItem.Kind, str]] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., action: _Optional[_Union[BundleItem.Action, str]] = ..., id: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ImportBundleResponse(_message.Message):
    __slots__ = ("items", "missing")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[BundleItem]
    missing: _containers.RepeatedCompositeFieldContainer[BundleReference]
    def __init__(self, items: _Optional[_Iterable[_Union[BundleItem, _Mapping]]] = ..., missing: _Optional[_Iterable[_Union[BundleReference, _Mapping]]] = ...) -> None: ...
