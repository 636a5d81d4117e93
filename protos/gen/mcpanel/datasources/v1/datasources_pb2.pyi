import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from mcpanel.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DataSource(_message.Message):
    __slots__ = ("id", "name", "display_name", "description", "type", "host", "port", "database", "username", "secret_value", "secret_ref", "tls_mode", "has_secret", "owner_id", "etag", "created_at", "updated_at", "scanned_at", "visibility", "allow_writes")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[DataSource.Type]
        POSTGRESQL: _ClassVar[DataSource.Type]
    TYPE_UNSPECIFIED: DataSource.Type
    POSTGRESQL: DataSource.Type
    class Visibility(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        VISIBILITY_UNSPECIFIED: _ClassVar[DataSource.Visibility]
        PUBLIC: _ClassVar[DataSource.Visibility]
        PRIVATE: _ClassVar[DataSource.Visibility]
    VISIBILITY_UNSPECIFIED: DataSource.Visibility
    PUBLIC: DataSource.Visibility
    PRIVATE: DataSource.Visibility
    class TlsMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TLS_MODE_UNSPECIFIED: _ClassVar[DataSource.TlsMode]
        DISABLED: _ClassVar[DataSource.TlsMode]
        PREFER: _ClassVar[DataSource.TlsMode]
        REQUIRE_VERIFIED: _ClassVar[DataSource.TlsMode]
    TLS_MODE_UNSPECIFIED: DataSource.TlsMode
    DISABLED: DataSource.TlsMode
    PREFER: DataSource.TlsMode
    REQUIRE_VERIFIED: DataSource.TlsMode
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    DATABASE_FIELD_NUMBER: _ClassVar[int]
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    SECRET_VALUE_FIELD_NUMBER: _ClassVar[int]
    SECRET_REF_FIELD_NUMBER: _ClassVar[int]
    TLS_MODE_FIELD_NUMBER: _ClassVar[int]
    HAS_SECRET_FIELD_NUMBER: _ClassVar[int]
    OWNER_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    SCANNED_AT_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    ALLOW_WRITES_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    display_name: str
    description: str
    type: DataSource.Type
    host: str
    port: int
    database: str
    username: str
    secret_value: str
    secret_ref: str
    tls_mode: DataSource.TlsMode
    has_secret: bool
    owner_id: str
    etag: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    scanned_at: _timestamp_pb2.Timestamp
    visibility: DataSource.Visibility
    allow_writes: bool
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., type: _Optional[_Union[DataSource.Type, str]] = ..., host: _Optional[str] = ..., port: _Optional[int] = ..., database: _Optional[str] = ..., username: _Optional[str] = ..., secret_value: _Optional[str] = ..., secret_ref: _Optional[str] = ..., tls_mode: _Optional[_Union[DataSource.TlsMode, str]] = ..., has_secret: _Optional[bool] = ..., owner_id: _Optional[str] = ..., etag: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., scanned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., visibility: _Optional[_Union[DataSource.Visibility, str]] = ..., allow_writes: _Optional[bool] = ...) -> None: ...

class Schema(_message.Message):
    __slots__ = ("tables", "scanned_at", "server_version")
    TABLES_FIELD_NUMBER: _ClassVar[int]
    SCANNED_AT_FIELD_NUMBER: _ClassVar[int]
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    tables: _containers.RepeatedCompositeFieldContainer[Table]
    scanned_at: _timestamp_pb2.Timestamp
    server_version: str
    def __init__(self, tables: _Optional[_Iterable[_Union[Table, _Mapping]]] = ..., scanned_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., server_version: _Optional[str] = ...) -> None: ...

class Table(_message.Message):
    __slots__ = ("schema", "name", "kind", "comment", "columns", "primary_key", "foreign_keys", "indexes")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Table.Kind]
        TABLE: _ClassVar[Table.Kind]
        VIEW: _ClassVar[Table.Kind]
        MATERIALIZED_VIEW: _ClassVar[Table.Kind]
        FOREIGN_TABLE: _ClassVar[Table.Kind]
    KIND_UNSPECIFIED: Table.Kind
    TABLE: Table.Kind
    VIEW: Table.Kind
    MATERIALIZED_VIEW: Table.Kind
    FOREIGN_TABLE: Table.Kind
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_KEY_FIELD_NUMBER: _ClassVar[int]
    FOREIGN_KEYS_FIELD_NUMBER: _ClassVar[int]
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    schema: str
    name: str
    kind: Table.Kind
    comment: str
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    primary_key: _containers.RepeatedScalarFieldContainer[str]
    foreign_keys: _containers.RepeatedCompositeFieldContainer[ForeignKey]
    indexes: _containers.RepeatedCompositeFieldContainer[Index]
    def __init__(self, schema: _Optional[str] = ..., name: _Optional[str] = ..., kind: _Optional[_Union[Table.Kind, str]] = ..., comment: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., primary_key: _Optional[_Iterable[str]] = ..., foreign_keys: _Optional[_Iterable[_Union[ForeignKey, _Mapping]]] = ..., indexes: _Optional[_Iterable[_Union[Index, _Mapping]]] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "type", "nullable", "default", "comment", "enum_values")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NULLABLE_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    ENUM_VALUES_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    nullable: bool
    default: str
    comment: str
    enum_values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., nullable: _Optional[bool] = ..., default: _Optional[str] = ..., comment: _Optional[str] = ..., enum_values: _Optional[_Iterable[str]] = ...) -> None: ...

class ForeignKey(_message.Message):
    __slots__ = ("name", "columns", "referenced_schema", "referenced_table", "referenced_columns")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    REFERENCED_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    REFERENCED_TABLE_FIELD_NUMBER: _ClassVar[int]
    REFERENCED_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    name: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    referenced_schema: str
    referenced_table: str
    referenced_columns: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., referenced_schema: _Optional[str] = ..., referenced_table: _Optional[str] = ..., referenced_columns: _Optional[_Iterable[str]] = ...) -> None: ...

class Index(_message.Message):
    __slots__ = ("name", "columns", "unique")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    unique: bool
    def __init__(self, name: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., unique: _Optional[bool] = ...) -> None: ...

class DataSourceType(_message.Message):
    __slots__ = ("type", "name", "default_port", "required_fields")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_PORT_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELDS_FIELD_NUMBER: _ClassVar[int]
    type: DataSource.Type
    name: str
    default_port: int
    required_fields: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, type: _Optional[_Union[DataSource.Type, str]] = ..., name: _Optional[str] = ..., default_port: _Optional[int] = ..., required_fields: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateDataSourceRequest(_message.Message):
    __slots__ = ("data_source", "source", "request_id", "validate_only")
    DATA_SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    data_source: DataSource
    source: str
    request_id: str
    validate_only: bool
    def __init__(self, data_source: _Optional[_Union[DataSource, _Mapping]] = ..., source: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class CreateDataSourceResponse(_message.Message):
    __slots__ = ("data_source",)
    DATA_SOURCE_FIELD_NUMBER: _ClassVar[int]
    data_source: DataSource
    def __init__(self, data_source: _Optional[_Union[DataSource, _Mapping]] = ...) -> None: ...

class GetDataSourceRequest(_message.Message):
    __slots__ = ("data_source_id",)
    DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    data_source_id: str
    def __init__(self, data_source_id: _Optional[str] = ...) -> None: ...

class GetDataSourceResponse(_message.Message):
    __slots__ = ("data_source",)
    DATA_SOURCE_FIELD_NUMBER: _ClassVar[int]
    data_source: DataSource
    def __init__(self, data_source: _Optional[_Union[DataSource, _Mapping]] = ...) -> None: ...

class ListDataSourcesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListDataSourcesResponse(_message.Message):
    __slots__ = ("data_sources", "next_page_token")
    DATA_SOURCES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    data_sources: _containers.RepeatedCompositeFieldContainer[DataSource]
    next_page_token: str
    def __init__(self, data_sources: _Optional[_Iterable[_Union[DataSource, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateDataSourceRequest(_message.Message):
    __slots__ = ("data_source_id", "data_source", "update_mask", "request_id", "validate_only")
    DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    data_source_id: str
    data_source: DataSource
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    validate_only: bool
    def __init__(self, data_source_id: _Optional[str] = ..., data_source: _Optional[_Union[DataSource, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class UpdateDataSourceResponse(_message.Message):
    __slots__ = ("data_source",)
    DATA_SOURCE_FIELD_NUMBER: _ClassVar[int]
    data_source: DataSource
    def __init__(self, data_source: _Optional[_Union[DataSource, _Mapping]] = ...) -> None: ...

class DeleteDataSourceRequest(_message.Message):
    __slots__ = ("data_source_id", "etag", "request_id")
    DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    data_source_id: str
    etag: str
    request_id: str
    def __init__(self, data_source_id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteDataSourceResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TestConnectionRequest(_message.Message):
    __slots__ = ("data_source_id", "request_id")
    DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    data_source_id: str
    request_id: str
    def __init__(self, data_source_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class TestConnectionResponse(_message.Message):
    __slots__ = ("ok", "message", "server_version", "latency", "warnings")
    OK_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    message: str
    server_version: str
    latency: _duration_pb2.Duration
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ok: _Optional[bool] = ..., message: _Optional[str] = ..., server_version: _Optional[str] = ..., latency: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class ScanSchemaRequest(_message.Message):
    __slots__ = ("data_source_id", "request_id")
    DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    data_source_id: str
    request_id: str
    def __init__(self, data_source_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ScanSchemaResponse(_message.Message):
    __slots__ = ("schema",)
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    schema: Schema
    def __init__(self, schema: _Optional[_Union[Schema, _Mapping]] = ...) -> None: ...

class GetSchemaRequest(_message.Message):
    __slots__ = ("data_source_id",)
    DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    data_source_id: str
    def __init__(self, data_source_id: _Optional[str] = ...) -> None: ...

class GetSchemaResponse(_message.Message):
    __slots__ = ("schema",)
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    schema: Schema
    def __init__(self, schema: _Optional[_Union[Schema, _Mapping]] = ...) -> None: ...

class ExecuteQueryRequest(_message.Message):
    __slots__ = ("data_source_id", "sql", "parameters", "named_parameters", "max_rows", "timeout")
    DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    NAMED_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    MAX_ROWS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    data_source_id: str
    sql: str
    parameters: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Value]
    named_parameters: _struct_pb2.Struct
    max_rows: int
    timeout: _duration_pb2.Duration
    def __init__(self, data_source_id: _Optional[str] = ..., sql: _Optional[str] = ..., parameters: _Optional[_Iterable[_Union[_struct_pb2.Value, _Mapping]]] = ..., named_parameters: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., max_rows: _Optional[int] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ExecuteQueryResponse(_message.Message):
    __slots__ = ("columns", "rows", "end", "error")
    class Columns(_message.Message):
        __slots__ = ("query_id", "columns")
        QUERY_ID_FIELD_NUMBER: _ClassVar[int]
        COLUMNS_FIELD_NUMBER: _ClassVar[int]
        query_id: str
        columns: _containers.RepeatedCompositeFieldContainer[ResultColumn]
        def __init__(self, query_id: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[ResultColumn, _Mapping]]] = ...) -> None: ...
    class Rows(_message.Message):
        __slots__ = ("rows",)
        ROWS_FIELD_NUMBER: _ClassVar[int]
        rows: _containers.RepeatedCompositeFieldContainer[_struct_pb2.ListValue]
        def __init__(self, rows: _Optional[_Iterable[_Union[_struct_pb2.ListValue, _Mapping]]] = ...) -> None: ...
    class End(_message.Message):
        __slots__ = ("row_count", "truncated", "elapsed")
        ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
        TRUNCATED_FIELD_NUMBER: _ClassVar[int]
        ELAPSED_FIELD_NUMBER: _ClassVar[int]
        row_count: int
        truncated: bool
        elapsed: _duration_pb2.Duration
        def __init__(self, row_count: _Optional[int] = ..., truncated: _Optional[bool] = ..., elapsed: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    columns: ExecuteQueryResponse.Columns
    rows: ExecuteQueryResponse.Rows
    end: ExecuteQueryResponse.End
    error: _status_pb2.Status
    def __init__(self, columns: _Optional[_Union[ExecuteQueryResponse.Columns, _Mapping]] = ..., rows: _Optional[_Union[ExecuteQueryResponse.Rows, _Mapping]] = ..., end: _Optional[_Union[ExecuteQueryResponse.End, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class WriteRowsRequest(_message.Message):
    __slots__ = ("header", "rows", "end")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[WriteRowsRequest.Mode]
        APPEND: _ClassVar[WriteRowsRequest.Mode]
        REPLACE: _ClassVar[WriteRowsRequest.Mode]
    MODE_UNSPECIFIED: WriteRowsRequest.Mode
    APPEND: WriteRowsRequest.Mode
    REPLACE: WriteRowsRequest.Mode
    class Header(_message.Message):
        __slots__ = ("data_source_id", "table", "mode", "idempotency_key", "timeout")
        DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
        TABLE_FIELD_NUMBER: _ClassVar[int]
        MODE_FIELD_NUMBER: _ClassVar[int]
        IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
        TIMEOUT_FIELD_NUMBER: _ClassVar[int]
        data_source_id: str
        table: str
        mode: WriteRowsRequest.Mode
        idempotency_key: str
        timeout: _duration_pb2.Duration
        def __init__(self, data_source_id: _Optional[str] = ..., table: _Optional[str] = ..., mode: _Optional[_Union[WriteRowsRequest.Mode, str]] = ..., idempotency_key: _Optional[str] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
    class Rows(_message.Message):
        __slots__ = ("columns", "rows")
        COLUMNS_FIELD_NUMBER: _ClassVar[int]
        ROWS_FIELD_NUMBER: _ClassVar[int]
        columns: _containers.RepeatedScalarFieldContainer[str]
        rows: _containers.RepeatedCompositeFieldContainer[_struct_pb2.ListValue]
        def __init__(self, columns: _Optional[_Iterable[str]] = ..., rows: _Optional[_Iterable[_Union[_struct_pb2.ListValue, _Mapping]]] = ...) -> None: ...
    class End(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    HEADER_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    header: WriteRowsRequest.Header
    rows: WriteRowsRequest.Rows
    end: WriteRowsRequest.End
    def __init__(self, header: _Optional[_Union[WriteRowsRequest.Header, _Mapping]] = ..., rows: _Optional[_Union[WriteRowsRequest.Rows, _Mapping]] = ..., end: _Optional[_Union[WriteRowsRequest.End, _Mapping]] = ...) -> None: ...

class WriteRowsResponse(_message.Message):
    __slots__ = ("row_count",)
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    row_count: int
    def __init__(self, row_count: _Optional[int] = ...) -> None: ...

class ResultColumn(_message.Message):
    __slots__ = ("name", "type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...

class CancelQueryRequest(_message.Message):
    __slots__ = ("query_id", "request_id")
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    query_id: str
    request_id: str
    def __init__(self, query_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CancelQueryResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListDataSourceTypesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListDataSourceTypesResponse(_message.Message):
    __slots__ = ("data_source_types",)
    DATA_SOURCE_TYPES_FIELD_NUMBER: _ClassVar[int]
    data_source_types: _containers.RepeatedCompositeFieldContainer[DataSourceType]
    def __init__(self, data_source_types: _Optional[_Iterable[_Union[DataSourceType, _Mapping]]] = ...) -> None: ...

class DataSourceShare(_message.Message):
    __slots__ = ("id", "data_source_id", "user_id", "role_name", "service_account_id", "permission", "created_by", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_NAME_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    data_source_id: str
    user_id: str
    role_name: str
    service_account_id: str
    permission: _policy_pb2.Resource.Level
    created_by: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., data_source_id: _Optional[str] = ..., user_id: _Optional[str] = ..., role_name: _Optional[str] = ..., service_account_id: _Optional[str] = ..., permission: _Optional[_Union[_policy_pb2.Resource.Level, str]] = ..., created_by: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ShareDataSourceRequest(_message.Message):
    __slots__ = ("data_source_id", "share", "request_id", "validate_only")
    DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    data_source_id: str
    share: DataSourceShare
    request_id: str
    validate_only: bool
    def __init__(self, data_source_id: _Optional[str] = ..., share: _Optional[_Union[DataSourceShare, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ShareDataSourceResponse(_message.Message):
    __slots__ = ("share",)
    SHARE_FIELD_NUMBER: _ClassVar[int]
    share: DataSourceShare
    def __init__(self, share: _Optional[_Union[DataSourceShare, _Mapping]] = ...) -> None: ...

class ListDataSourceSharesRequest(_message.Message):
    __slots__ = ("data_source_id", "page_size", "page_token")
    DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    data_source_id: str
    page_size: int
    page_token: str
    def __init__(self, data_source_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDataSourceSharesResponse(_message.Message):
    __slots__ = ("shares", "next_page_token")
    SHARES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shares: _containers.RepeatedCompositeFieldContainer[DataSourceShare]
    next_page_token: str
    def __init__(self, shares: _Optional[_Iterable[_Union[DataSourceShare, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RevokeDataSourceShareRequest(_message.Message):
    __slots__ = ("data_source_id", "share_id", "request_id")
    DATA_SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    SHARE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    data_source_id: str
    share_id: str
    request_id: str
    def __init__(self, data_source_id: _Optional[str] = ..., share_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RevokeDataSourceShareResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FindUnreachableRequest(_message.Message):
    __slots__ = ("subject_id", "role_names", "inactive", "data_source_ids")
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_NAMES_FIELD_NUMBER: _ClassVar[int]
    INACTIVE_FIELD_NUMBER: _ClassVar[int]
    DATA_SOURCE_IDS_FIELD_NUMBER: _ClassVar[int]
    subject_id: str
    role_names: _containers.RepeatedScalarFieldContainer[str]
    inactive: bool
    data_source_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, subject_id: _Optional[str] = ..., role_names: _Optional[_Iterable[str]] = ..., inactive: _Optional[bool] = ..., data_source_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class FindUnreachableResponse(_message.Message):
    __slots__ = ("data_source_ids",)
    DATA_SOURCE_IDS_FIELD_NUMBER: _ClassVar[int]
    data_source_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, data_source_ids: _Optional[_Iterable[str]] = ...) -> None: ...
