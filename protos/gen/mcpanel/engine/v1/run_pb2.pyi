import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Run(_message.Message):
    __slots__ = ("id", "workflow_id", "workflow_name", "workflow_version", "status", "inputs", "outputs", "error_message", "error", "waiting_for", "created_at", "started_at", "ended_at", "cancel_requested_at", "started_by", "last_seq", "step_count", "steps_ended", "start_at", "deadline_at", "priority", "concurrency_key", "rerun_of", "rerun_from", "triggered_by", "run_key", "cost")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[Run.Status]
        PENDING: _ClassVar[Run.Status]
        RUNNING: _ClassVar[Run.Status]
        PAUSED: _ClassVar[Run.Status]
        SUCCESS: _ClassVar[Run.Status]
        FAILED: _ClassVar[Run.Status]
        ABORTED: _ClassVar[Run.Status]
    STATUS_UNSPECIFIED: Run.Status
    PENDING: Run.Status
    RUNNING: Run.Status
    PAUSED: Run.Status
    SUCCESS: Run.Status
    FAILED: Run.Status
    ABORTED: Run.Status
    ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_NAME_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_BY_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQ_FIELD_NUMBER: _ClassVar[int]
    STEP_COUNT_FIELD_NUMBER: _ClassVar[int]
    STEPS_ENDED_FIELD_NUMBER: _ClassVar[int]
    START_AT_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_AT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CONCURRENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    RERUN_OF_FIELD_NUMBER: _ClassVar[int]
    RERUN_FROM_FIELD_NUMBER: _ClassVar[int]
    TRIGGERED_BY_FIELD_NUMBER: _ClassVar[int]
    RUN_KEY_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    id: str
    workflow_id: str
    workflow_name: str
    workflow_version: int
    status: Run.Status
    inputs: _struct_pb2.Struct
    outputs: _struct_pb2.Struct
    error_message: str
    error: RunError
    waiting_for: str
    created_at: _timestamp_pb2.Timestamp
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    cancel_requested_at: _timestamp_pb2.Timestamp
    started_by: str
    last_seq: int
    step_count: int
    steps_ended: int
    start_at: _timestamp_pb2.Timestamp
    deadline_at: _timestamp_pb2.Timestamp
    priority: int
    concurrency_key: str
    rerun_of: str
    rerun_from: _containers.RepeatedScalarFieldContainer[str]
    triggered_by: str
    run_key: str
    cost: str
    def __init__(self, id: _Optional[str] = ..., workflow_id: _Optional[str] = ..., workflow_name: _Optional[str] = ..., workflow_version: _Optional[int] = ..., status: _Optional[_Union[Run.Status, str]] = ..., inputs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., outputs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., error_message: _Optional[str] = ..., error: _Optional[_Union[RunError, _Mapping]] = ..., waiting_for: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cancel_requested_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_by: _Optional[str] = ..., last_seq: _Optional[int] = ..., step_count: _Optional[int] = ..., steps_ended: _Optional[int] = ..., start_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deadline_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., priority: _Optional[int] = ..., concurrency_key: _Optional[str] = ..., rerun_of: _Optional[str] = ..., rerun_from: _Optional[_Iterable[str]] = ..., triggered_by: _Optional[str] = ..., run_key: _Optional[str] = ..., cost: _Optional[str] = ...) -> None: ...

class RunError(_message.Message):
    __slots__ = ("kind", "message", "traceback", "step_id")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[RunError.Kind]
        USER_ERROR: _ClassVar[RunError.Kind]
        TIMED_OUT: _ClassVar[RunError.Kind]
        CANCELLED: _ClassVar[RunError.Kind]
        OUT_OF_MEMORY: _ClassVar[RunError.Kind]
        WORKER_LOST: _ClassVar[RunError.Kind]
        CELL_DIED: _ClassVar[RunError.Kind]
        DEPENDENCY_ERROR: _ClassVar[RunError.Kind]
        INVALID_OUTPUT: _ClassVar[RunError.Kind]
        INVALID_INPUT: _ClassVar[RunError.Kind]
        INTERNAL: _ClassVar[RunError.Kind]
        SKIPPED: _ClassVar[RunError.Kind]
        REJECTED: _ClassVar[RunError.Kind]
    KIND_UNSPECIFIED: RunError.Kind
    USER_ERROR: RunError.Kind
    TIMED_OUT: RunError.Kind
    CANCELLED: RunError.Kind
    OUT_OF_MEMORY: RunError.Kind
    WORKER_LOST: RunError.Kind
    CELL_DIED: RunError.Kind
    DEPENDENCY_ERROR: RunError.Kind
    INVALID_OUTPUT: RunError.Kind
    INVALID_INPUT: RunError.Kind
    INTERNAL: RunError.Kind
    SKIPPED: RunError.Kind
    REJECTED: RunError.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TRACEBACK_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    kind: RunError.Kind
    message: str
    traceback: str
    step_id: str
    def __init__(self, kind: _Optional[_Union[RunError.Kind, str]] = ..., message: _Optional[str] = ..., traceback: _Optional[str] = ..., step_id: _Optional[str] = ...) -> None: ...

class StepExecution(_message.Message):
    __slots__ = ("run_id", "step_id", "component", "component_version_id", "status", "inputs", "output", "error", "attempt", "started_at", "ended_at", "next_attempt_at", "needs", "attempts", "copied_from", "approval_message", "decision", "expires_at", "gate", "kind", "usage")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[StepExecution.Status]
        PENDING: _ClassVar[StepExecution.Status]
        READY: _ClassVar[StepExecution.Status]
        RUNNING: _ClassVar[StepExecution.Status]
        WAITING_APPROVAL: _ClassVar[StepExecution.Status]
        SUCCESS: _ClassVar[StepExecution.Status]
        FAILED: _ClassVar[StepExecution.Status]
        SKIPPED: _ClassVar[StepExecution.Status]
        ABORTED: _ClassVar[StepExecution.Status]
        CACHED: _ClassVar[StepExecution.Status]
    STATUS_UNSPECIFIED: StepExecution.Status
    PENDING: StepExecution.Status
    READY: StepExecution.Status
    RUNNING: StepExecution.Status
    WAITING_APPROVAL: StepExecution.Status
    SUCCESS: StepExecution.Status
    FAILED: StepExecution.Status
    SKIPPED: StepExecution.Status
    ABORTED: StepExecution.Status
    CACHED: StepExecution.Status
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_AT_FIELD_NUMBER: _ClassVar[int]
    NEEDS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    COPIED_FROM_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    step_id: str
    component: str
    component_version_id: str
    status: StepExecution.Status
    inputs: _struct_pb2.Struct
    output: _struct_pb2.Value
    error: RunError
    attempt: int
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    next_attempt_at: _timestamp_pb2.Timestamp
    needs: _containers.RepeatedScalarFieldContainer[str]
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    copied_from: str
    approval_message: str
    decision: Decision
    expires_at: _timestamp_pb2.Timestamp
    gate: str
    kind: str
    usage: ModelUsage
    def __init__(self, run_id: _Optional[str] = ..., step_id: _Optional[str] = ..., component: _Optional[str] = ..., component_version_id: _Optional[str] = ..., status: _Optional[_Union[StepExecution.Status, str]] = ..., inputs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., output: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., error: _Optional[_Union[RunError, _Mapping]] = ..., attempt: _Optional[int] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_attempt_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., needs: _Optional[_Iterable[str]] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., copied_from: _Optional[str] = ..., approval_message: _Optional[str] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., gate: _Optional[str] = ..., kind: _Optional[str] = ..., usage: _Optional[_Union[ModelUsage, _Mapping]] = ...) -> None: ...

class ModelUsage(_message.Message):
    __slots__ = ("model", "input_tokens", "output_tokens", "cost_usd", "called")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    CALLED_FIELD_NUMBER: _ClassVar[int]
    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: float
    called: CalledUsage
    def __init__(self, model: _Optional[str] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost_usd: _Optional[float] = ..., called: _Optional[_Union[CalledUsage, _Mapping]] = ...) -> None: ...

class CalledUsage(_message.Message):
    __slots__ = ("input_tokens", "output_tokens", "cost_usd")
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    input_tokens: int
    output_tokens: int
    cost_usd: float
    def __init__(self, input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., cost_usd: _Optional[float] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("approved", "decided_by", "decided_by_name", "decided_at", "comment")
    APPROVED_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_NAME_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    approved: bool
    decided_by: str
    decided_by_name: str
    decided_at: _timestamp_pb2.Timestamp
    comment: str
    def __init__(self, approved: _Optional[bool] = ..., decided_by: _Optional[str] = ..., decided_by_name: _Optional[str] = ..., decided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., comment: _Optional[str] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("number", "epoch", "worker_id", "isolation", "status", "error", "started_at", "ended_at", "limits", "usage")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    number: int
    epoch: int
    worker_id: str
    isolation: str
    status: StepExecution.Status
    error: RunError
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    limits: Limits
    usage: ModelUsage
    def __init__(self, number: _Optional[int] = ..., epoch: _Optional[int] = ..., worker_id: _Optional[str] = ..., isolation: _Optional[str] = ..., status: _Optional[_Union[StepExecution.Status, str]] = ..., error: _Optional[_Union[RunError, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., usage: _Optional[_Union[ModelUsage, _Mapping]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("memory_bytes", "processes", "open_files", "file_bytes", "scratch_bytes", "log_bytes", "output_bytes", "artifact_bytes", "timeout", "cpu_time", "silence", "network_hosts")
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    PROCESSES_FIELD_NUMBER: _ClassVar[int]
    OPEN_FILES_FIELD_NUMBER: _ClassVar[int]
    FILE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SCRATCH_BYTES_FIELD_NUMBER: _ClassVar[int]
    LOG_BYTES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_BYTES_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    CPU_TIME_FIELD_NUMBER: _ClassVar[int]
    SILENCE_FIELD_NUMBER: _ClassVar[int]
    NETWORK_HOSTS_FIELD_NUMBER: _ClassVar[int]
    memory_bytes: int
    processes: int
    open_files: int
    file_bytes: int
    scratch_bytes: int
    log_bytes: int
    output_bytes: int
    artifact_bytes: int
    timeout: _duration_pb2.Duration
    cpu_time: _duration_pb2.Duration
    silence: _duration_pb2.Duration
    network_hosts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, memory_bytes: _Optional[int] = ..., processes: _Optional[int] = ..., open_files: _Optional[int] = ..., file_bytes: _Optional[int] = ..., scratch_bytes: _Optional[int] = ..., log_bytes: _Optional[int] = ..., output_bytes: _Optional[int] = ..., artifact_bytes: _Optional[int] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cpu_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., silence: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., network_hosts: _Optional[_Iterable[str]] = ...) -> None: ...

class RunEvent(_message.Message):
    __slots__ = ("run_id", "seq", "time", "run_status_change", "step_status_change", "log", "result_preview", "progress", "approval_request", "end", "tool_call")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    RUN_STATUS_CHANGE_FIELD_NUMBER: _ClassVar[int]
    STEP_STATUS_CHANGE_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    RESULT_PREVIEW_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_REQUEST_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    seq: int
    time: _timestamp_pb2.Timestamp
    run_status_change: RunStatusChange
    step_status_change: StepStatusChange
    log: LogLine
    result_preview: ResultPreview
    progress: Progress
    approval_request: ApprovalRequest
    end: RunEnd
    tool_call: ToolCall
    def __init__(self, run_id: _Optional[str] = ..., seq: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., run_status_change: _Optional[_Union[RunStatusChange, _Mapping]] = ..., step_status_change: _Optional[_Union[StepStatusChange, _Mapping]] = ..., log: _Optional[_Union[LogLine, _Mapping]] = ..., result_preview: _Optional[_Union[ResultPreview, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., approval_request: _Optional[_Union[ApprovalRequest, _Mapping]] = ..., end: _Optional[_Union[RunEnd, _Mapping]] = ..., tool_call: _Optional[_Union[ToolCall, _Mapping]] = ...) -> None: ...

class RunStatusChange(_message.Message):
    __slots__ = ("status", "error", "waiting_for")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    status: Run.Status
    error: RunError
    waiting_for: str
    def __init__(self, status: _Optional[_Union[Run.Status, str]] = ..., error: _Optional[_Union[RunError, _Mapping]] = ..., waiting_for: _Optional[str] = ...) -> None: ...

class StepStatusChange(_message.Message):
    __slots__ = ("step_id", "status", "attempt", "error", "next_attempt_at", "copied_from")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_AT_FIELD_NUMBER: _ClassVar[int]
    COPIED_FROM_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    status: StepExecution.Status
    attempt: int
    error: RunError
    next_attempt_at: _timestamp_pb2.Timestamp
    copied_from: str
    def __init__(self, step_id: _Optional[str] = ..., status: _Optional[_Union[StepExecution.Status, str]] = ..., attempt: _Optional[int] = ..., error: _Optional[_Union[RunError, _Mapping]] = ..., next_attempt_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., copied_from: _Optional[str] = ...) -> None: ...

class ApprovalRequest(_message.Message):
    __slots__ = ("step_id", "message", "approvers", "expires_at", "decision")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    APPROVERS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    message: str
    approvers: _containers.RepeatedScalarFieldContainer[str]
    expires_at: _timestamp_pb2.Timestamp
    decision: Decision
    def __init__(self, step_id: _Optional[str] = ..., message: _Optional[str] = ..., approvers: _Optional[_Iterable[str]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ...) -> None: ...

class LogLine(_message.Message):
    __slots__ = ("step_id", "attempt", "stream", "level", "message")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    attempt: int
    stream: str
    level: str
    message: str
    def __init__(self, step_id: _Optional[str] = ..., attempt: _Optional[int] = ..., stream: _Optional[str] = ..., level: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ResultPreview(_message.Message):
    __slots__ = ("step_id", "attempt", "value")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    attempt: int
    value: _struct_pb2.Value
    def __init__(self, step_id: _Optional[str] = ..., attempt: _Optional[int] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("step_id", "attempt", "fraction", "message")
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    attempt: int
    fraction: float
    message: str
    def __init__(self, step_id: _Optional[str] = ..., attempt: _Optional[int] = ..., fraction: _Optional[float] = ..., message: _Optional[str] = ...) -> None: ...

class ToolCall(_message.Message):
    __slots__ = ("step_id", "attempt", "call", "tool", "status", "arguments", "arguments_omitted", "message", "duration", "started_run_id")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[ToolCall.Status]
        ALLOWED: _ClassVar[ToolCall.Status]
        REFUSED: _ClassVar[ToolCall.Status]
        SUCCESS: _ClassVar[ToolCall.Status]
        FAILED: _ClassVar[ToolCall.Status]
    STATUS_UNSPECIFIED: ToolCall.Status
    ALLOWED: ToolCall.Status
    REFUSED: ToolCall.Status
    SUCCESS: ToolCall.Status
    FAILED: ToolCall.Status
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    TOOL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_OMITTED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    STARTED_RUN_ID_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    attempt: int
    call: int
    tool: str
    status: ToolCall.Status
    arguments: _struct_pb2.Value
    arguments_omitted: bool
    message: str
    duration: _duration_pb2.Duration
    started_run_id: str
    def __init__(self, step_id: _Optional[str] = ..., attempt: _Optional[int] = ..., call: _Optional[int] = ..., tool: _Optional[str] = ..., status: _Optional[_Union[ToolCall.Status, str]] = ..., arguments: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., arguments_omitted: _Optional[bool] = ..., message: _Optional[str] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., started_run_id: _Optional[str] = ...) -> None: ...

class RunEnd(_message.Message):
    __slots__ = ("status", "event_count", "duration")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    status: Run.Status
    event_count: int
    duration: _duration_pb2.Duration
    def __init__(self, status: _Optional[_Union[Run.Status, str]] = ..., event_count: _Optional[int] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("id", "run_id", "step_id", "name", "media_type", "size_bytes", "sha256", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    run_id: str
    step_id: str
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., run_id: _Optional[str] = ..., step_id: _Optional[str] = ..., name: _Optional[str] = ..., media_type: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
