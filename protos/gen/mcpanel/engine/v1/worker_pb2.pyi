import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from mcpanel.engine.v1 import run_pb2 as _run_pb2
from mcpanel.policy.v1 import policy_pb2 as _policy_pb2
from mcpanel.registry.v1 import component_pb2 as _component_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttemptRef(_message.Message):
    __slots__ = ("run_id", "step_id", "attempt", "epoch")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    step_id: str
    attempt: int
    epoch: int
    def __init__(self, run_id: _Optional[str] = ..., step_id: _Optional[str] = ..., attempt: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class WorkerMessage(_message.Message):
    __slots__ = ("hello", "heartbeat", "logs", "progress", "preview", "result", "draining", "waiting", "also")
    class Hello(_message.Message):
        __slots__ = ("worker_id", "types", "slots", "holding", "isolation", "host", "pool", "labels", "cpus", "memory_bytes", "version", "waiting")
        WORKER_ID_FIELD_NUMBER: _ClassVar[int]
        TYPES_FIELD_NUMBER: _ClassVar[int]
        SLOTS_FIELD_NUMBER: _ClassVar[int]
        HOLDING_FIELD_NUMBER: _ClassVar[int]
        ISOLATION_FIELD_NUMBER: _ClassVar[int]
        HOST_FIELD_NUMBER: _ClassVar[int]
        POOL_FIELD_NUMBER: _ClassVar[int]
        LABELS_FIELD_NUMBER: _ClassVar[int]
        CPUS_FIELD_NUMBER: _ClassVar[int]
        MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
        VERSION_FIELD_NUMBER: _ClassVar[int]
        WAITING_FIELD_NUMBER: _ClassVar[int]
        worker_id: str
        types: _containers.RepeatedScalarFieldContainer[_component_pb2.Definition.Type]
        slots: int
        holding: _containers.RepeatedCompositeFieldContainer[AttemptRef]
        isolation: str
        host: str
        pool: str
        labels: _containers.RepeatedScalarFieldContainer[str]
        cpus: float
        memory_bytes: int
        version: str
        waiting: _containers.RepeatedCompositeFieldContainer[AttemptRef]
        def __init__(self, worker_id: _Optional[str] = ..., types: _Optional[_Iterable[_Union[_component_pb2.Definition.Type, str]]] = ..., slots: _Optional[int] = ..., holding: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ..., isolation: _Optional[str] = ..., host: _Optional[str] = ..., pool: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., cpus: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., version: _Optional[str] = ..., waiting: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ...) -> None: ...
    class Heartbeat(_message.Message):
        __slots__ = ("holding", "assignments")
        HOLDING_FIELD_NUMBER: _ClassVar[int]
        ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
        holding: _containers.RepeatedCompositeFieldContainer[AttemptRef]
        assignments: int
        def __init__(self, holding: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ..., assignments: _Optional[int] = ...) -> None: ...
    class Logs(_message.Message):
        __slots__ = ("lines",)
        class Line(_message.Message):
            __slots__ = ("ref", "time", "stream", "level", "message", "number", "tool_call")
            REF_FIELD_NUMBER: _ClassVar[int]
            TIME_FIELD_NUMBER: _ClassVar[int]
            STREAM_FIELD_NUMBER: _ClassVar[int]
            LEVEL_FIELD_NUMBER: _ClassVar[int]
            MESSAGE_FIELD_NUMBER: _ClassVar[int]
            NUMBER_FIELD_NUMBER: _ClassVar[int]
            TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
            ref: AttemptRef
            time: _timestamp_pb2.Timestamp
            stream: str
            level: str
            message: str
            number: int
            tool_call: _run_pb2.ToolCall
            def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stream: _Optional[str] = ..., level: _Optional[str] = ..., message: _Optional[str] = ..., number: _Optional[int] = ..., tool_call: _Optional[_Union[_run_pb2.ToolCall, _Mapping]] = ...) -> None: ...
        LINES_FIELD_NUMBER: _ClassVar[int]
        lines: _containers.RepeatedCompositeFieldContainer[WorkerMessage.Logs.Line]
        def __init__(self, lines: _Optional[_Iterable[_Union[WorkerMessage.Logs.Line, _Mapping]]] = ...) -> None: ...
    class ProgressReport(_message.Message):
        __slots__ = ("ref", "fraction", "message")
        REF_FIELD_NUMBER: _ClassVar[int]
        FRACTION_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        ref: AttemptRef
        fraction: float
        message: str
        def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., fraction: _Optional[float] = ..., message: _Optional[str] = ...) -> None: ...
    class PreviewReport(_message.Message):
        __slots__ = ("ref", "value_json")
        REF_FIELD_NUMBER: _ClassVar[int]
        VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
        ref: AttemptRef
        value_json: bytes
        def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., value_json: _Optional[bytes] = ...) -> None: ...
    class Result(_message.Message):
        __slots__ = ("ref", "output_json", "error", "output_artifact_id", "duration", "cpu_time", "peak_memory_bytes", "limits", "usage")
        REF_FIELD_NUMBER: _ClassVar[int]
        OUTPUT_JSON_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        OUTPUT_ARTIFACT_ID_FIELD_NUMBER: _ClassVar[int]
        DURATION_FIELD_NUMBER: _ClassVar[int]
        CPU_TIME_FIELD_NUMBER: _ClassVar[int]
        PEAK_MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
        LIMITS_FIELD_NUMBER: _ClassVar[int]
        USAGE_FIELD_NUMBER: _ClassVar[int]
        ref: AttemptRef
        output_json: bytes
        error: _run_pb2.RunError
        output_artifact_id: str
        duration: _duration_pb2.Duration
        cpu_time: _duration_pb2.Duration
        peak_memory_bytes: int
        limits: _run_pb2.Limits
        usage: _run_pb2.ModelUsage
        def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., output_json: _Optional[bytes] = ..., error: _Optional[_Union[_run_pb2.RunError, _Mapping]] = ..., output_artifact_id: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cpu_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., peak_memory_bytes: _Optional[int] = ..., limits: _Optional[_Union[_run_pb2.Limits, _Mapping]] = ..., usage: _Optional[_Union[_run_pb2.ModelUsage, _Mapping]] = ...) -> None: ...
    class Draining(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class Waiting(_message.Message):
        __slots__ = ("ref", "waits")
        REF_FIELD_NUMBER: _ClassVar[int]
        WAITS_FIELD_NUMBER: _ClassVar[int]
        ref: AttemptRef
        waits: bool
        def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., waits: _Optional[bool] = ...) -> None: ...
    HELLO_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    LOGS_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    ALSO_FIELD_NUMBER: _ClassVar[int]
    hello: WorkerMessage.Hello
    heartbeat: WorkerMessage.Heartbeat
    logs: WorkerMessage.Logs
    progress: WorkerMessage.ProgressReport
    preview: WorkerMessage.PreviewReport
    result: WorkerMessage.Result
    draining: WorkerMessage.Draining
    waiting: WorkerMessage.Waiting
    also: _containers.RepeatedCompositeFieldContainer[WorkerMessage]
    def __init__(self, hello: _Optional[_Union[WorkerMessage.Hello, _Mapping]] = ..., heartbeat: _Optional[_Union[WorkerMessage.Heartbeat, _Mapping]] = ..., logs: _Optional[_Union[WorkerMessage.Logs, _Mapping]] = ..., progress: _Optional[_Union[WorkerMessage.ProgressReport, _Mapping]] = ..., preview: _Optional[_Union[WorkerMessage.PreviewReport, _Mapping]] = ..., result: _Optional[_Union[WorkerMessage.Result, _Mapping]] = ..., draining: _Optional[_Union[WorkerMessage.Draining, _Mapping]] = ..., waiting: _Optional[_Union[WorkerMessage.Waiting, _Mapping]] = ..., also: _Optional[_Iterable[_Union[WorkerMessage, _Mapping]]] = ...) -> None: ...

class EngineMessage(_message.Message):
    __slots__ = ("welcome", "component", "assignment", "cancel", "result_ack", "logs_ack", "open_tunnel", "also")
    class Welcome(_message.Message):
        __slots__ = ("lease", "heartbeat_interval", "lost", "max_output_bytes")
        LEASE_FIELD_NUMBER: _ClassVar[int]
        HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
        LOST_FIELD_NUMBER: _ClassVar[int]
        MAX_OUTPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
        lease: _duration_pb2.Duration
        heartbeat_interval: _duration_pb2.Duration
        lost: _containers.RepeatedCompositeFieldContainer[AttemptRef]
        max_output_bytes: int
        def __init__(self, lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., lost: _Optional[_Iterable[_Union[AttemptRef, _Mapping]]] = ..., max_output_bytes: _Optional[int] = ...) -> None: ...
    class Component(_message.Message):
        __slots__ = ("version",)
        VERSION_FIELD_NUMBER: _ClassVar[int]
        version: _component_pb2.Version
        def __init__(self, version: _Optional[_Union[_component_pb2.Version, _Mapping]] = ...) -> None: ...
    class Assignment(_message.Message):
        __slots__ = ("ref", "component_version_id", "inputs_json", "timeout", "started_by", "data_source_token", "idempotency_key", "lease_expires_at", "trace_id", "heartbeat_timeout", "large_inputs", "app", "budget")
        REF_FIELD_NUMBER: _ClassVar[int]
        COMPONENT_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
        INPUTS_JSON_FIELD_NUMBER: _ClassVar[int]
        TIMEOUT_FIELD_NUMBER: _ClassVar[int]
        STARTED_BY_FIELD_NUMBER: _ClassVar[int]
        DATA_SOURCE_TOKEN_FIELD_NUMBER: _ClassVar[int]
        IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
        LEASE_EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
        TRACE_ID_FIELD_NUMBER: _ClassVar[int]
        HEARTBEAT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
        LARGE_INPUTS_FIELD_NUMBER: _ClassVar[int]
        APP_FIELD_NUMBER: _ClassVar[int]
        BUDGET_FIELD_NUMBER: _ClassVar[int]
        ref: AttemptRef
        component_version_id: str
        inputs_json: bytes
        timeout: _duration_pb2.Duration
        started_by: str
        data_source_token: str
        idempotency_key: str
        lease_expires_at: _timestamp_pb2.Timestamp
        trace_id: str
        heartbeat_timeout: _duration_pb2.Duration
        large_inputs: _containers.RepeatedCompositeFieldContainer[EngineMessage.LargeInput]
        app: str
        budget: Budget
        def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., component_version_id: _Optional[str] = ..., inputs_json: _Optional[bytes] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., started_by: _Optional[str] = ..., data_source_token: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., lease_expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., trace_id: _Optional[str] = ..., heartbeat_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., large_inputs: _Optional[_Iterable[_Union[EngineMessage.LargeInput, _Mapping]]] = ..., app: _Optional[str] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ...) -> None: ...
    class LargeInput(_message.Message):
        __slots__ = ("path", "sha256", "size_bytes", "pointer")
        PATH_FIELD_NUMBER: _ClassVar[int]
        SHA256_FIELD_NUMBER: _ClassVar[int]
        SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
        POINTER_FIELD_NUMBER: _ClassVar[int]
        path: _containers.RepeatedScalarFieldContainer[str]
        sha256: str
        size_bytes: int
        pointer: str
        def __init__(self, path: _Optional[_Iterable[str]] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., pointer: _Optional[str] = ...) -> None: ...
    class CancelAttempt(_message.Message):
        __slots__ = ("ref", "reason")
        REF_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        ref: AttemptRef
        reason: str
        def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...
    class ResultAck(_message.Message):
        __slots__ = ("ref", "accepted", "reason")
        REF_FIELD_NUMBER: _ClassVar[int]
        ACCEPTED_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        ref: AttemptRef
        accepted: bool
        reason: str
        def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., accepted: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...
    class LogsAck(_message.Message):
        __slots__ = ("ref", "number")
        REF_FIELD_NUMBER: _ClassVar[int]
        NUMBER_FIELD_NUMBER: _ClassVar[int]
        ref: AttemptRef
        number: int
        def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., number: _Optional[int] = ...) -> None: ...
    class OpenTunnel(_message.Message):
        __slots__ = ("ref", "tunnel_token")
        REF_FIELD_NUMBER: _ClassVar[int]
        TUNNEL_TOKEN_FIELD_NUMBER: _ClassVar[int]
        ref: AttemptRef
        tunnel_token: str
        def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., tunnel_token: _Optional[str] = ...) -> None: ...
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    ASSIGNMENT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    RESULT_ACK_FIELD_NUMBER: _ClassVar[int]
    LOGS_ACK_FIELD_NUMBER: _ClassVar[int]
    OPEN_TUNNEL_FIELD_NUMBER: _ClassVar[int]
    ALSO_FIELD_NUMBER: _ClassVar[int]
    welcome: EngineMessage.Welcome
    component: EngineMessage.Component
    assignment: EngineMessage.Assignment
    cancel: EngineMessage.CancelAttempt
    result_ack: EngineMessage.ResultAck
    logs_ack: EngineMessage.LogsAck
    open_tunnel: EngineMessage.OpenTunnel
    also: _containers.RepeatedCompositeFieldContainer[EngineMessage]
    def __init__(self, welcome: _Optional[_Union[EngineMessage.Welcome, _Mapping]] = ..., component: _Optional[_Union[EngineMessage.Component, _Mapping]] = ..., assignment: _Optional[_Union[EngineMessage.Assignment, _Mapping]] = ..., cancel: _Optional[_Union[EngineMessage.CancelAttempt, _Mapping]] = ..., result_ack: _Optional[_Union[EngineMessage.ResultAck, _Mapping]] = ..., logs_ack: _Optional[_Union[EngineMessage.LogsAck, _Mapping]] = ..., open_tunnel: _Optional[_Union[EngineMessage.OpenTunnel, _Mapping]] = ..., also: _Optional[_Iterable[_Union[EngineMessage, _Mapping]]] = ...) -> None: ...

class UploadArtifactRequest(_message.Message):
    __slots__ = ("header", "chunk")
    class Header(_message.Message):
        __slots__ = ("ref", "name", "media_type", "is_output", "items", "kinds")
        class ItemsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: int
            def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
        class KindsEntry(_message.Message):
            __slots__ = ("key", "value")
            KEY_FIELD_NUMBER: _ClassVar[int]
            VALUE_FIELD_NUMBER: _ClassVar[int]
            key: str
            value: str
            def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
        REF_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
        IS_OUTPUT_FIELD_NUMBER: _ClassVar[int]
        ITEMS_FIELD_NUMBER: _ClassVar[int]
        KINDS_FIELD_NUMBER: _ClassVar[int]
        ref: AttemptRef
        name: str
        media_type: str
        is_output: bool
        items: _containers.ScalarMap[str, int]
        kinds: _containers.ScalarMap[str, str]
        def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., name: _Optional[str] = ..., media_type: _Optional[str] = ..., is_output: _Optional[bool] = ..., items: _Optional[_Mapping[str, int]] = ..., kinds: _Optional[_Mapping[str, str]] = ...) -> None: ...
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: UploadArtifactRequest.Header
    chunk: bytes
    def __init__(self, header: _Optional[_Union[UploadArtifactRequest.Header, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class UploadArtifactResponse(_message.Message):
    __slots__ = ("artifact",)
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    artifact: _run_pb2.Artifact
    def __init__(self, artifact: _Optional[_Union[_run_pb2.Artifact, _Mapping]] = ...) -> None: ...

class ReadInputRequest(_message.Message):
    __slots__ = ("ref", "sha256")
    REF_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    ref: AttemptRef
    sha256: str
    def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., sha256: _Optional[str] = ...) -> None: ...

class ReadInputResponse(_message.Message):
    __slots__ = ("chunk", "end", "error")
    class End(_message.Message):
        __slots__ = ("size_bytes",)
        SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
        size_bytes: int
        def __init__(self, size_bytes: _Optional[int] = ...) -> None: ...
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    end: ReadInputResponse.End
    error: _status_pb2.Status
    def __init__(self, chunk: _Optional[bytes] = ..., end: _Optional[_Union[ReadInputResponse.End, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ReadStepArtifactRequest(_message.Message):
    __slots__ = ("ref", "artifact_id")
    REF_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_ID_FIELD_NUMBER: _ClassVar[int]
    ref: AttemptRef
    artifact_id: str
    def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., artifact_id: _Optional[str] = ...) -> None: ...

class ReadStepArtifactResponse(_message.Message):
    __slots__ = ("chunk", "end", "error")
    class End(_message.Message):
        __slots__ = ("size_bytes",)
        SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
        size_bytes: int
        def __init__(self, size_bytes: _Optional[int] = ...) -> None: ...
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    end: ReadStepArtifactResponse.End
    error: _status_pb2.Status
    def __init__(self, chunk: _Optional[bytes] = ..., end: _Optional[_Union[ReadStepArtifactResponse.End, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class CallComponentRequest(_message.Message):
    __slots__ = ("ref", "version_id", "inputs_json", "number", "budget")
    REF_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    INPUTS_JSON_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    ref: AttemptRef
    version_id: str
    inputs_json: bytes
    number: int
    budget: Budget
    def __init__(self, ref: _Optional[_Union[AttemptRef, _Mapping]] = ..., version_id: _Optional[str] = ..., inputs_json: _Optional[bytes] = ..., number: _Optional[int] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("tokens", "cost_usd")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    tokens: int
    cost_usd: float
    def __init__(self, tokens: _Optional[int] = ..., cost_usd: _Optional[float] = ...) -> None: ...

class CallComponentResponse(_message.Message):
    __slots__ = ("started", "keep_alive", "end", "error")
    class Started(_message.Message):
        __slots__ = ("run_id",)
        RUN_ID_FIELD_NUMBER: _ClassVar[int]
        run_id: str
        def __init__(self, run_id: _Optional[str] = ...) -> None: ...
    class KeepAlive(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class End(_message.Message):
        __slots__ = ("status", "output_json", "truncated", "error", "usage")
        STATUS_FIELD_NUMBER: _ClassVar[int]
        OUTPUT_JSON_FIELD_NUMBER: _ClassVar[int]
        TRUNCATED_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        USAGE_FIELD_NUMBER: _ClassVar[int]
        status: _run_pb2.Run.Status
        output_json: bytes
        truncated: bool
        error: _run_pb2.RunError
        usage: _run_pb2.CalledUsage
        def __init__(self, status: _Optional[_Union[_run_pb2.Run.Status, str]] = ..., output_json: _Optional[bytes] = ..., truncated: _Optional[bool] = ..., error: _Optional[_Union[_run_pb2.RunError, _Mapping]] = ..., usage: _Optional[_Union[_run_pb2.CalledUsage, _Mapping]] = ...) -> None: ...
    STARTED_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    started: CallComponentResponse.Started
    keep_alive: CallComponentResponse.KeepAlive
    end: CallComponentResponse.End
    error: _status_pb2.Status
    def __init__(self, started: _Optional[_Union[CallComponentResponse.Started, _Mapping]] = ..., keep_alive: _Optional[_Union[CallComponentResponse.KeepAlive, _Mapping]] = ..., end: _Optional[_Union[CallComponentResponse.End, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class CarryTunnelRequest(_message.Message):
    __slots__ = ("open", "chunk")
    class Open(_message.Message):
        __slots__ = ("tunnel_token", "refused")
        TUNNEL_TOKEN_FIELD_NUMBER: _ClassVar[int]
        REFUSED_FIELD_NUMBER: _ClassVar[int]
        tunnel_token: str
        refused: str
        def __init__(self, tunnel_token: _Optional[str] = ..., refused: _Optional[str] = ...) -> None: ...
    OPEN_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    open: CarryTunnelRequest.Open
    chunk: bytes
    def __init__(self, open: _Optional[_Union[CarryTunnelRequest.Open, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class CarryTunnelResponse(_message.Message):
    __slots__ = ("opened", "chunk", "end", "error")
    class Opened(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class End(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    OPENED_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    opened: CarryTunnelResponse.Opened
    chunk: bytes
    end: CarryTunnelResponse.End
    error: _status_pb2.Status
    def __init__(self, opened: _Optional[_Union[CarryTunnelResponse.Opened, _Mapping]] = ..., chunk: _Optional[bytes] = ..., end: _Optional[_Union[CarryTunnelResponse.End, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
