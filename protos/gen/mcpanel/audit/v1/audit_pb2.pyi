import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
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

class Actor(_message.Message):
    __slots__ = ("id", "kind", "name", "on_behalf_of_id", "on_behalf_of_name", "client_address", "api_key_id", "session_id", "user_agent", "run_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ON_BEHALF_OF_ID_FIELD_NUMBER: _ClassVar[int]
    ON_BEHALF_OF_NAME_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    API_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    name: str
    on_behalf_of_id: str
    on_behalf_of_name: str
    client_address: str
    api_key_id: str
    session_id: str
    user_agent: str
    run_id: str
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., on_behalf_of_id: _Optional[str] = ..., on_behalf_of_name: _Optional[str] = ..., client_address: _Optional[str] = ..., api_key_id: _Optional[str] = ..., session_id: _Optional[str] = ..., user_agent: _Optional[str] = ..., run_id: _Optional[str] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("record_id", "time", "action", "actor", "outcome", "entity_type", "entity_id", "details", "trace_id", "method", "request_id", "personal")
    RECORD_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ENTITY_TYPE_FIELD_NUMBER: _ClassVar[int]
    ENTITY_ID_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PERSONAL_FIELD_NUMBER: _ClassVar[int]
    record_id: str
    time: _timestamp_pb2.Timestamp
    action: str
    actor: Actor
    outcome: str
    entity_type: str
    entity_id: str
    details: _struct_pb2.Struct
    trace_id: str
    method: str
    request_id: str
    personal: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, record_id: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., action: _Optional[str] = ..., actor: _Optional[_Union[Actor, _Mapping]] = ..., outcome: _Optional[str] = ..., entity_type: _Optional[str] = ..., entity_id: _Optional[str] = ..., details: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., trace_id: _Optional[str] = ..., method: _Optional[str] = ..., request_id: _Optional[str] = ..., personal: _Optional[_Iterable[str]] = ...) -> None: ...

class ActionLog(_message.Message):
    __slots__ = ("id", "index", "time", "recorded_at", "service", "action", "actor", "outcome", "entity_type", "entity_id", "details", "trace_id", "method", "leaf_hash", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ENTITY_TYPE_FIELD_NUMBER: _ClassVar[int]
    ENTITY_ID_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    LEAF_HASH_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    index: int
    time: _timestamp_pb2.Timestamp
    recorded_at: _timestamp_pb2.Timestamp
    service: str
    action: str
    actor: Actor
    outcome: str
    entity_type: str
    entity_id: str
    details: _struct_pb2.Struct
    trace_id: str
    method: str
    leaf_hash: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., index: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., service: _Optional[str] = ..., action: _Optional[str] = ..., actor: _Optional[_Union[Actor, _Mapping]] = ..., outcome: _Optional[str] = ..., entity_type: _Optional[str] = ..., entity_id: _Optional[str] = ..., details: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., trace_id: _Optional[str] = ..., method: _Optional[str] = ..., leaf_hash: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("origin", "tree_size", "root_hash", "note", "signed_at", "verifier_key")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_HASH_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    SIGNED_AT_FIELD_NUMBER: _ClassVar[int]
    VERIFIER_KEY_FIELD_NUMBER: _ClassVar[int]
    origin: str
    tree_size: int
    root_hash: str
    note: str
    signed_at: _timestamp_pb2.Timestamp
    verifier_key: str
    def __init__(self, origin: _Optional[str] = ..., tree_size: _Optional[int] = ..., root_hash: _Optional[str] = ..., note: _Optional[str] = ..., signed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., verifier_key: _Optional[str] = ...) -> None: ...

class AppendRecordsRequest(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[Record]
    def __init__(self, records: _Optional[_Iterable[_Union[Record, _Mapping]]] = ...) -> None: ...

class AppendRecordsResponse(_message.Message):
    __slots__ = ("appended",)
    APPENDED_FIELD_NUMBER: _ClassVar[int]
    appended: int
    def __init__(self, appended: _Optional[int] = ...) -> None: ...

class ListActionLogsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter", "entity_ids")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ENTITY_IDS_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: str
    entity_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ..., entity_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ListActionLogsResponse(_message.Message):
    __slots__ = ("action_logs", "next_page_token")
    ACTION_LOGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    action_logs: _containers.RepeatedCompositeFieldContainer[ActionLog]
    next_page_token: str
    def __init__(self, action_logs: _Optional[_Iterable[_Union[ActionLog, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchActionLogsRequest(_message.Message):
    __slots__ = ("filter", "page_size", "from_index")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    FROM_INDEX_FIELD_NUMBER: _ClassVar[int]
    filter: str
    page_size: int
    from_index: int
    def __init__(self, filter: _Optional[str] = ..., page_size: _Optional[int] = ..., from_index: _Optional[int] = ...) -> None: ...

class WatchActionLogsResponse(_message.Message):
    __slots__ = ("action_log", "live", "keep_alive", "end", "error", "next_index")
    class Live(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class KeepAlive(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class End(_message.Message):
        __slots__ = ("sent",)
        SENT_FIELD_NUMBER: _ClassVar[int]
        sent: int
        def __init__(self, sent: _Optional[int] = ...) -> None: ...
    ACTION_LOG_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    NEXT_INDEX_FIELD_NUMBER: _ClassVar[int]
    action_log: ActionLog
    live: WatchActionLogsResponse.Live
    keep_alive: WatchActionLogsResponse.KeepAlive
    end: WatchActionLogsResponse.End
    error: _status_pb2.Status
    next_index: int
    def __init__(self, action_log: _Optional[_Union[ActionLog, _Mapping]] = ..., live: _Optional[_Union[WatchActionLogsResponse.Live, _Mapping]] = ..., keep_alive: _Optional[_Union[WatchActionLogsResponse.KeepAlive, _Mapping]] = ..., end: _Optional[_Union[WatchActionLogsResponse.End, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., next_index: _Optional[int] = ...) -> None: ...

class GetActionLogRequest(_message.Message):
    __slots__ = ("action_log_id",)
    ACTION_LOG_ID_FIELD_NUMBER: _ClassVar[int]
    action_log_id: str
    def __init__(self, action_log_id: _Optional[str] = ...) -> None: ...

class GetActionLogResponse(_message.Message):
    __slots__ = ("action_log",)
    ACTION_LOG_FIELD_NUMBER: _ClassVar[int]
    action_log: ActionLog
    def __init__(self, action_log: _Optional[_Union[ActionLog, _Mapping]] = ...) -> None: ...

class GetCheckpointRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCheckpointResponse(_message.Message):
    __slots__ = ("checkpoint", "witnesses")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    WITNESSES_FIELD_NUMBER: _ClassVar[int]
    checkpoint: Checkpoint
    witnesses: _containers.RepeatedCompositeFieldContainer[Witness]
    def __init__(self, checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., witnesses: _Optional[_Iterable[_Union[Witness, _Mapping]]] = ...) -> None: ...

class Witness(_message.Message):
    __slots__ = ("name", "tree_size", "kept_at", "error")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    KEPT_AT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    name: str
    tree_size: int
    kept_at: _timestamp_pb2.Timestamp
    error: str
    def __init__(self, name: _Optional[str] = ..., tree_size: _Optional[int] = ..., kept_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[str] = ...) -> None: ...

class GetInclusionProofRequest(_message.Message):
    __slots__ = ("action_log_id", "tree_size")
    ACTION_LOG_ID_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    action_log_id: str
    tree_size: int
    def __init__(self, action_log_id: _Optional[str] = ..., tree_size: _Optional[int] = ...) -> None: ...

class GetInclusionProofResponse(_message.Message):
    __slots__ = ("index", "tree_size", "leaf_hash", "hashes")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    LEAF_HASH_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    index: int
    tree_size: int
    leaf_hash: str
    hashes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index: _Optional[int] = ..., tree_size: _Optional[int] = ..., leaf_hash: _Optional[str] = ..., hashes: _Optional[_Iterable[str]] = ...) -> None: ...

class GetConsistencyProofRequest(_message.Message):
    __slots__ = ("first_size", "second_size")
    FIRST_SIZE_FIELD_NUMBER: _ClassVar[int]
    SECOND_SIZE_FIELD_NUMBER: _ClassVar[int]
    first_size: int
    second_size: int
    def __init__(self, first_size: _Optional[int] = ..., second_size: _Optional[int] = ...) -> None: ...

class GetConsistencyProofResponse(_message.Message):
    __slots__ = ("first_size", "second_size", "hashes")
    FIRST_SIZE_FIELD_NUMBER: _ClassVar[int]
    SECOND_SIZE_FIELD_NUMBER: _ClassVar[int]
    HASHES_FIELD_NUMBER: _ClassVar[int]
    first_size: int
    second_size: int
    hashes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, first_size: _Optional[int] = ..., second_size: _Optional[int] = ..., hashes: _Optional[_Iterable[str]] = ...) -> None: ...

class ExportActionLogsRequest(_message.Message):
    __slots__ = ("from_index", "until_index", "filter")
    FROM_INDEX_FIELD_NUMBER: _ClassVar[int]
    UNTIL_INDEX_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    from_index: int
    until_index: int
    filter: str
    def __init__(self, from_index: _Optional[int] = ..., until_index: _Optional[int] = ..., filter: _Optional[str] = ...) -> None: ...

class ExportActionLogsResponse(_message.Message):
    __slots__ = ("header", "entry", "signed", "end", "personal")
    class Header(_message.Message):
        __slots__ = ("origin", "verifier_key", "start", "checkpoint", "filter", "exported_at")
        ORIGIN_FIELD_NUMBER: _ClassVar[int]
        VERIFIER_KEY_FIELD_NUMBER: _ClassVar[int]
        START_FIELD_NUMBER: _ClassVar[int]
        CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
        FILTER_FIELD_NUMBER: _ClassVar[int]
        EXPORTED_AT_FIELD_NUMBER: _ClassVar[int]
        origin: str
        verifier_key: str
        start: ExportActionLogsResponse.Signed
        checkpoint: Checkpoint
        filter: str
        exported_at: _timestamp_pb2.Timestamp
        def __init__(self, origin: _Optional[str] = ..., verifier_key: _Optional[str] = ..., start: _Optional[_Union[ExportActionLogsResponse.Signed, _Mapping]] = ..., checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., filter: _Optional[str] = ..., exported_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    class Entry(_message.Message):
        __slots__ = ("action_log", "format", "hashes")
        ACTION_LOG_FIELD_NUMBER: _ClassVar[int]
        FORMAT_FIELD_NUMBER: _ClassVar[int]
        HASHES_FIELD_NUMBER: _ClassVar[int]
        action_log: ActionLog
        format: int
        hashes: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, action_log: _Optional[_Union[ActionLog, _Mapping]] = ..., format: _Optional[int] = ..., hashes: _Optional[_Iterable[str]] = ...) -> None: ...
    class Signed(_message.Message):
        __slots__ = ("checkpoint", "frontier")
        CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
        FRONTIER_FIELD_NUMBER: _ClassVar[int]
        checkpoint: Checkpoint
        frontier: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., frontier: _Optional[_Iterable[str]] = ...) -> None: ...
    class Personal(_message.Message):
        __slots__ = ("commitment", "salt", "value")
        COMMITMENT_FIELD_NUMBER: _ClassVar[int]
        SALT_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        commitment: str
        salt: str
        value: str
        def __init__(self, commitment: _Optional[str] = ..., salt: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class End(_message.Message):
        __slots__ = ("entries",)
        ENTRIES_FIELD_NUMBER: _ClassVar[int]
        entries: int
        def __init__(self, entries: _Optional[int] = ...) -> None: ...
    HEADER_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    SIGNED_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    PERSONAL_FIELD_NUMBER: _ClassVar[int]
    header: ExportActionLogsResponse.Header
    entry: ExportActionLogsResponse.Entry
    signed: ExportActionLogsResponse.Signed
    end: ExportActionLogsResponse.End
    personal: ExportActionLogsResponse.Personal
    def __init__(self, header: _Optional[_Union[ExportActionLogsResponse.Header, _Mapping]] = ..., entry: _Optional[_Union[ExportActionLogsResponse.Entry, _Mapping]] = ..., signed: _Optional[_Union[ExportActionLogsResponse.Signed, _Mapping]] = ..., end: _Optional[_Union[ExportActionLogsResponse.End, _Mapping]] = ..., personal: _Optional[_Union[ExportActionLogsResponse.Personal, _Mapping]] = ...) -> None: ...

class EraseSubjectRequest(_message.Message):
    __slots__ = ("subject_id", "request_id")
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    subject_id: str
    request_id: str
    def __init__(self, subject_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class EraseSubjectResponse(_message.Message):
    __slots__ = ("erased_values",)
    ERASED_VALUES_FIELD_NUMBER: _ClassVar[int]
    erased_values: int
    def __init__(self, erased_values: _Optional[int] = ...) -> None: ...

class VerifyLogRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VerifyLogResponse(_message.Message):
    __slots__ = ("ok", "tree_size", "root_hash", "problems", "first_index")
    OK_FIELD_NUMBER: _ClassVar[int]
    TREE_SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_HASH_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    FIRST_INDEX_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    tree_size: int
    root_hash: str
    problems: _containers.RepeatedCompositeFieldContainer[LogProblem]
    first_index: int
    def __init__(self, ok: _Optional[bool] = ..., tree_size: _Optional[int] = ..., root_hash: _Optional[str] = ..., problems: _Optional[_Iterable[_Union[LogProblem, _Mapping]]] = ..., first_index: _Optional[int] = ...) -> None: ...

class LogProblem(_message.Message):
    __slots__ = ("kind", "index", "action_log_id", "message")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[LogProblem.Kind]
        ENTRY_CHANGED: _ClassVar[LogProblem.Kind]
        LEAF_CHANGED: _ClassVar[LogProblem.Kind]
        ENTRY_MISSING: _ClassVar[LogProblem.Kind]
        CHECKPOINT_MISMATCH: _ClassVar[LogProblem.Kind]
        SIGNATURE_INVALID: _ClassVar[LogProblem.Kind]
        HISTORY_FORKED: _ClassVar[LogProblem.Kind]
        LOG_TRUNCATED: _ClassVar[LogProblem.Kind]
    KIND_UNSPECIFIED: LogProblem.Kind
    ENTRY_CHANGED: LogProblem.Kind
    LEAF_CHANGED: LogProblem.Kind
    ENTRY_MISSING: LogProblem.Kind
    CHECKPOINT_MISMATCH: LogProblem.Kind
    SIGNATURE_INVALID: LogProblem.Kind
    HISTORY_FORKED: LogProblem.Kind
    LOG_TRUNCATED: LogProblem.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ACTION_LOG_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    kind: LogProblem.Kind
    index: int
    action_log_id: str
    message: str
    def __init__(self, kind: _Optional[_Union[LogProblem.Kind, str]] = ..., index: _Optional[int] = ..., action_log_id: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
