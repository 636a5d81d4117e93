import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from mcpanel.engine.v1 import run_pb2 as _run_pb2
from mcpanel.engine.v1 import schedule_pb2 as _schedule_pb2
from mcpanel.engine.v1 import trigger_pb2 as _trigger_pb2
from mcpanel.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class View(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VIEW_UNSPECIFIED: _ClassVar[View]
    BASIC: _ClassVar[View]
    FULL: _ClassVar[View]
VIEW_UNSPECIFIED: View
BASIC: View
FULL: View

class StartRunRequest(_message.Message):
    __slots__ = ("workflow", "workflow_version", "start_at", "priority", "run_key", "on_conflict", "on_reuse", "inputs", "request_id")
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_VERSION_FIELD_NUMBER: _ClassVar[int]
    START_AT_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    RUN_KEY_FIELD_NUMBER: _ClassVar[int]
    ON_CONFLICT_FIELD_NUMBER: _ClassVar[int]
    ON_REUSE_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    workflow: str
    workflow_version: int
    start_at: _timestamp_pb2.Timestamp
    priority: int
    run_key: str
    on_conflict: str
    on_reuse: str
    inputs: _struct_pb2.Struct
    request_id: str
    def __init__(self, workflow: _Optional[str] = ..., workflow_version: _Optional[int] = ..., start_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., priority: _Optional[int] = ..., run_key: _Optional[str] = ..., on_conflict: _Optional[str] = ..., on_reuse: _Optional[str] = ..., inputs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class StartRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("run_id", "view")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    view: View
    def __init__(self, run_id: _Optional[str] = ..., view: _Optional[_Union[View, str]] = ...) -> None: ...

class GetRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[_run_pb2.Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[_run_pb2.Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CancelRunRequest(_message.Message):
    __slots__ = ("run_id", "reason", "request_id")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    reason: str
    request_id: str
    def __init__(self, run_id: _Optional[str] = ..., reason: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CancelRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class PauseRunRequest(_message.Message):
    __slots__ = ("run_id", "request_id")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    request_id: str
    def __init__(self, run_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class PauseRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class ResumeRunRequest(_message.Message):
    __slots__ = ("run_id", "request_id")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    request_id: str
    def __init__(self, run_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ResumeRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class RerunRunRequest(_message.Message):
    __slots__ = ("run_id", "from_steps", "from_start", "inputs", "workflow_version", "request_id")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_STEPS_FIELD_NUMBER: _ClassVar[int]
    FROM_START_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    from_steps: _containers.RepeatedScalarFieldContainer[str]
    from_start: bool
    inputs: _struct_pb2.Struct
    workflow_version: int
    request_id: str
    def __init__(self, run_id: _Optional[str] = ..., from_steps: _Optional[_Iterable[str]] = ..., from_start: _Optional[bool] = ..., inputs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., workflow_version: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class RerunRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class CompareRunsRequest(_message.Message):
    __slots__ = ("run_id", "other_run_id")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    OTHER_RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    other_run_id: str
    def __init__(self, run_id: _Optional[str] = ..., other_run_id: _Optional[str] = ...) -> None: ...

class CompareRunsResponse(_message.Message):
    __slots__ = ("run", "other", "inputs", "outputs", "steps")
    class ValueDifference(_message.Message):
        __slots__ = ("name", "value", "other")
        NAME_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        OTHER_FIELD_NUMBER: _ClassVar[int]
        name: str
        value: _struct_pb2.Value
        other: _struct_pb2.Value
        def __init__(self, name: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., other: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...
    class StepDifference(_message.Message):
        __slots__ = ("step_id", "step", "other", "differs", "longer", "only_in")
        STEP_ID_FIELD_NUMBER: _ClassVar[int]
        STEP_FIELD_NUMBER: _ClassVar[int]
        OTHER_FIELD_NUMBER: _ClassVar[int]
        DIFFERS_FIELD_NUMBER: _ClassVar[int]
        LONGER_FIELD_NUMBER: _ClassVar[int]
        ONLY_IN_FIELD_NUMBER: _ClassVar[int]
        step_id: str
        step: _run_pb2.StepExecution
        other: _run_pb2.StepExecution
        differs: _containers.RepeatedScalarFieldContainer[str]
        longer: _duration_pb2.Duration
        only_in: str
        def __init__(self, step_id: _Optional[str] = ..., step: _Optional[_Union[_run_pb2.StepExecution, _Mapping]] = ..., other: _Optional[_Union[_run_pb2.StepExecution, _Mapping]] = ..., differs: _Optional[_Iterable[str]] = ..., longer: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., only_in: _Optional[str] = ...) -> None: ...
    RUN_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    other: _run_pb2.Run
    inputs: _containers.RepeatedCompositeFieldContainer[CompareRunsResponse.ValueDifference]
    outputs: _containers.RepeatedCompositeFieldContainer[CompareRunsResponse.ValueDifference]
    steps: _containers.RepeatedCompositeFieldContainer[CompareRunsResponse.StepDifference]
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ..., other: _Optional[_Union[_run_pb2.Run, _Mapping]] = ..., inputs: _Optional[_Iterable[_Union[CompareRunsResponse.ValueDifference, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[CompareRunsResponse.ValueDifference, _Mapping]]] = ..., steps: _Optional[_Iterable[_Union[CompareRunsResponse.StepDifference, _Mapping]]] = ...) -> None: ...

class CancelRunsRequest(_message.Message):
    __slots__ = ("filter", "reason", "validate_only", "request_id")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    filter: str
    reason: str
    validate_only: bool
    request_id: str
    def __init__(self, filter: _Optional[str] = ..., reason: _Optional[str] = ..., validate_only: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class CancelRunsResponse(_message.Message):
    __slots__ = ("run_ids", "has_more")
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    has_more: bool
    def __init__(self, run_ids: _Optional[_Iterable[str]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class RerunRunsRequest(_message.Message):
    __slots__ = ("filter", "from_start", "validate_only", "request_id")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    FROM_START_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    filter: str
    from_start: bool
    validate_only: bool
    request_id: str
    def __init__(self, filter: _Optional[str] = ..., from_start: _Optional[bool] = ..., validate_only: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class RerunRunsResponse(_message.Message):
    __slots__ = ("reruns", "has_more")
    class Rerun(_message.Message):
        __slots__ = ("run_id", "new_run_id", "error")
        RUN_ID_FIELD_NUMBER: _ClassVar[int]
        NEW_RUN_ID_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        run_id: str
        new_run_id: str
        error: str
        def __init__(self, run_id: _Optional[str] = ..., new_run_id: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...
    RERUNS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    reruns: _containers.RepeatedCompositeFieldContainer[RerunRunsResponse.Rerun]
    has_more: bool
    def __init__(self, reruns: _Optional[_Iterable[_Union[RerunRunsResponse.Rerun, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class ApproveStepRequest(_message.Message):
    __slots__ = ("run_id", "step_id", "decision", "comment", "request_id")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    step_id: str
    decision: str
    comment: str
    request_id: str
    def __init__(self, run_id: _Optional[str] = ..., step_id: _Optional[str] = ..., decision: _Optional[str] = ..., comment: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ApproveStepResponse(_message.Message):
    __slots__ = ("step_execution",)
    STEP_EXECUTION_FIELD_NUMBER: _ClassVar[int]
    step_execution: _run_pb2.StepExecution
    def __init__(self, step_execution: _Optional[_Union[_run_pb2.StepExecution, _Mapping]] = ...) -> None: ...

class ListApprovalsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListApprovalsResponse(_message.Message):
    __slots__ = ("approvals", "next_page_token")
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    approvals: _containers.RepeatedCompositeFieldContainer[PendingApproval]
    next_page_token: str
    def __init__(self, approvals: _Optional[_Iterable[_Union[PendingApproval, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PendingApproval(_message.Message):
    __slots__ = ("run_id", "workflow_name", "step_id", "message", "approvers", "started_by", "waiting_since", "expires_at")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_NAME_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    APPROVERS_FIELD_NUMBER: _ClassVar[int]
    STARTED_BY_FIELD_NUMBER: _ClassVar[int]
    WAITING_SINCE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    workflow_name: str
    step_id: str
    message: str
    approvers: _containers.RepeatedScalarFieldContainer[str]
    started_by: str
    waiting_since: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, run_id: _Optional[str] = ..., workflow_name: _Optional[str] = ..., step_id: _Optional[str] = ..., message: _Optional[str] = ..., approvers: _Optional[_Iterable[str]] = ..., started_by: _Optional[str] = ..., waiting_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ExplainRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class ExplainRunResponse(_message.Message):
    __slots__ = ("run", "summary", "reasons")
    class Reason(_message.Message):
        __slots__ = ("step_id", "kind", "message", "until", "actions")
        STEP_ID_FIELD_NUMBER: _ClassVar[int]
        KIND_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        UNTIL_FIELD_NUMBER: _ClassVar[int]
        ACTIONS_FIELD_NUMBER: _ClassVar[int]
        step_id: str
        kind: str
        message: str
        until: _timestamp_pb2.Timestamp
        actions: _containers.RepeatedCompositeFieldContainer[ExplainRunResponse.Action]
        def __init__(self, step_id: _Optional[str] = ..., kind: _Optional[str] = ..., message: _Optional[str] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., actions: _Optional[_Iterable[_Union[ExplainRunResponse.Action, _Mapping]]] = ...) -> None: ...
    class Action(_message.Message):
        __slots__ = ("title", "method", "http", "request")
        TITLE_FIELD_NUMBER: _ClassVar[int]
        METHOD_FIELD_NUMBER: _ClassVar[int]
        HTTP_FIELD_NUMBER: _ClassVar[int]
        REQUEST_FIELD_NUMBER: _ClassVar[int]
        title: str
        method: str
        http: str
        request: _struct_pb2.Struct
        def __init__(self, title: _Optional[str] = ..., method: _Optional[str] = ..., http: _Optional[str] = ..., request: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
    RUN_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    summary: str
    reasons: _containers.RepeatedCompositeFieldContainer[ExplainRunResponse.Reason]
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ..., summary: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[ExplainRunResponse.Reason, _Mapping]]] = ...) -> None: ...

class WatchRunRequest(_message.Message):
    __slots__ = ("run_id", "after_seq")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after_seq: int
    def __init__(self, run_id: _Optional[str] = ..., after_seq: _Optional[int] = ...) -> None: ...

class WatchRunResponse(_message.Message):
    __slots__ = ("event", "live", "keep_alive", "error")
    class Live(_message.Message):
        __slots__ = ("seq",)
        SEQ_FIELD_NUMBER: _ClassVar[int]
        seq: int
        def __init__(self, seq: _Optional[int] = ...) -> None: ...
    class KeepAlive(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    EVENT_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    event: _run_pb2.RunEvent
    live: WatchRunResponse.Live
    keep_alive: WatchRunResponse.KeepAlive
    error: _status_pb2.Status
    def __init__(self, event: _Optional[_Union[_run_pb2.RunEvent, _Mapping]] = ..., live: _Optional[_Union[WatchRunResponse.Live, _Mapping]] = ..., keep_alive: _Optional[_Union[WatchRunResponse.KeepAlive, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class ListRunEventsRequest(_message.Message):
    __slots__ = ("run_id", "after_seq", "page_size", "page_token")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQ_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after_seq: int
    page_size: int
    page_token: str
    def __init__(self, run_id: _Optional[str] = ..., after_seq: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRunEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_run_pb2.RunEvent]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[_run_pb2.RunEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListStepExecutionsRequest(_message.Message):
    __slots__ = ("run_id", "view", "page_size", "page_token", "statuses", "prefix")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    view: View
    page_size: int
    page_token: str
    statuses: _containers.RepeatedScalarFieldContainer[_run_pb2.StepExecution.Status]
    prefix: str
    def __init__(self, run_id: _Optional[str] = ..., view: _Optional[_Union[View, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[_run_pb2.StepExecution.Status, str]]] = ..., prefix: _Optional[str] = ...) -> None: ...

class ListStepExecutionsResponse(_message.Message):
    __slots__ = ("step_executions", "next_page_token")
    STEP_EXECUTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    step_executions: _containers.RepeatedCompositeFieldContainer[_run_pb2.StepExecution]
    next_page_token: str
    def __init__(self, step_executions: _Optional[_Iterable[_Union[_run_pb2.StepExecution, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetStepExecutionRequest(_message.Message):
    __slots__ = ("run_id", "step_id", "view")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    step_id: str
    view: View
    def __init__(self, run_id: _Optional[str] = ..., step_id: _Optional[str] = ..., view: _Optional[_Union[View, str]] = ...) -> None: ...

class GetStepExecutionResponse(_message.Message):
    __slots__ = ("step_execution", "timeline")
    STEP_EXECUTION_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    step_execution: _run_pb2.StepExecution
    timeline: StepTimeline
    def __init__(self, step_execution: _Optional[_Union[_run_pb2.StepExecution, _Mapping]] = ..., timeline: _Optional[_Union[StepTimeline, _Mapping]] = ...) -> None: ...

class GetRunTimelineRequest(_message.Message):
    __slots__ = ("run_id", "page_size", "page_token")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    page_size: int
    page_token: str
    def __init__(self, run_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetRunTimelineResponse(_message.Message):
    __slots__ = ("steps", "next_page_token", "waits", "critical_path", "now")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    CRITICAL_PATH_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[StepTimeline]
    next_page_token: str
    waits: _containers.RepeatedCompositeFieldContainer[Wait]
    critical_path: _containers.RepeatedScalarFieldContainer[str]
    now: _timestamp_pb2.Timestamp
    def __init__(self, steps: _Optional[_Iterable[_Union[StepTimeline, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., waits: _Optional[_Iterable[_Union[Wait, _Mapping]]] = ..., critical_path: _Optional[_Iterable[str]] = ..., now: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Wait(_message.Message):
    __slots__ = ("reason", "started_at", "ended_at")
    REASON_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    reason: str
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    def __init__(self, reason: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StepTimeline(_message.Message):
    __slots__ = ("step_id", "status", "ready_at", "started_at", "ended_at", "attempts", "waits")
    class AttemptTimeline(_message.Message):
        __slots__ = ("number", "status", "queued_at", "started_at", "ended_at", "worker_id")
        NUMBER_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        QUEUED_AT_FIELD_NUMBER: _ClassVar[int]
        STARTED_AT_FIELD_NUMBER: _ClassVar[int]
        ENDED_AT_FIELD_NUMBER: _ClassVar[int]
        WORKER_ID_FIELD_NUMBER: _ClassVar[int]
        number: int
        status: _run_pb2.StepExecution.Status
        queued_at: _timestamp_pb2.Timestamp
        started_at: _timestamp_pb2.Timestamp
        ended_at: _timestamp_pb2.Timestamp
        worker_id: str
        def __init__(self, number: _Optional[int] = ..., status: _Optional[_Union[_run_pb2.StepExecution.Status, str]] = ..., queued_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., worker_id: _Optional[str] = ...) -> None: ...
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    READY_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    step_id: str
    status: _run_pb2.StepExecution.Status
    ready_at: _timestamp_pb2.Timestamp
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    attempts: _containers.RepeatedCompositeFieldContainer[StepTimeline.AttemptTimeline]
    waits: _containers.RepeatedCompositeFieldContainer[Wait]
    def __init__(self, step_id: _Optional[str] = ..., status: _Optional[_Union[_run_pb2.StepExecution.Status, str]] = ..., ready_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., attempts: _Optional[_Iterable[_Union[StepTimeline.AttemptTimeline, _Mapping]]] = ..., waits: _Optional[_Iterable[_Union[Wait, _Mapping]]] = ...) -> None: ...

class ListLogsRequest(_message.Message):
    __slots__ = ("run_id", "page_size", "page_token", "step_id", "attempt", "min_level", "stream", "text", "since", "until", "newest_first")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    MIN_LEVEL_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    page_size: int
    page_token: str
    step_id: str
    attempt: int
    min_level: str
    stream: str
    text: str
    since: _timestamp_pb2.Timestamp
    until: _timestamp_pb2.Timestamp
    newest_first: bool
    def __init__(self, run_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., step_id: _Optional[str] = ..., attempt: _Optional[int] = ..., min_level: _Optional[str] = ..., stream: _Optional[str] = ..., text: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., newest_first: _Optional[bool] = ...) -> None: ...

class ListLogsResponse(_message.Message):
    __slots__ = ("lines", "next_page_token")
    class Line(_message.Message):
        __slots__ = ("seq", "time", "step_id", "attempt", "stream", "level", "message")
        SEQ_FIELD_NUMBER: _ClassVar[int]
        TIME_FIELD_NUMBER: _ClassVar[int]
        STEP_ID_FIELD_NUMBER: _ClassVar[int]
        ATTEMPT_FIELD_NUMBER: _ClassVar[int]
        STREAM_FIELD_NUMBER: _ClassVar[int]
        LEVEL_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        seq: int
        time: _timestamp_pb2.Timestamp
        step_id: str
        attempt: int
        stream: str
        level: str
        message: str
        def __init__(self, seq: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., step_id: _Optional[str] = ..., attempt: _Optional[int] = ..., stream: _Optional[str] = ..., level: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
    LINES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[ListLogsResponse.Line]
    next_page_token: str
    def __init__(self, lines: _Optional[_Iterable[_Union[ListLogsResponse.Line, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CountRunsRequest(_message.Message):
    __slots__ = ("filter", "by_workflow", "window")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    BY_WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    filter: str
    by_workflow: bool
    window: _duration_pb2.Duration
    def __init__(self, filter: _Optional[str] = ..., by_workflow: _Optional[bool] = ..., window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CountRunsResponse(_message.Message):
    __slots__ = ("total", "workflows", "since")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    WORKFLOWS_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    total: RunCounts
    workflows: _containers.RepeatedCompositeFieldContainer[RunCounts]
    since: _timestamp_pb2.Timestamp
    def __init__(self, total: _Optional[_Union[RunCounts, _Mapping]] = ..., workflows: _Optional[_Iterable[_Union[RunCounts, _Mapping]]] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RunCounts(_message.Message):
    __slots__ = ("workflow_id", "workflow_name", "statuses", "ended", "succeeded", "success_rate", "p50", "p95")
    class StatusesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_NAME_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_RATE_FIELD_NUMBER: _ClassVar[int]
    P50_FIELD_NUMBER: _ClassVar[int]
    P95_FIELD_NUMBER: _ClassVar[int]
    workflow_id: str
    workflow_name: str
    statuses: _containers.ScalarMap[str, int]
    ended: int
    succeeded: int
    success_rate: float
    p50: _duration_pb2.Duration
    p95: _duration_pb2.Duration
    def __init__(self, workflow_id: _Optional[str] = ..., workflow_name: _Optional[str] = ..., statuses: _Optional[_Mapping[str, int]] = ..., ended: _Optional[int] = ..., succeeded: _Optional[int] = ..., success_rate: _Optional[float] = ..., p50: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., p95: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchRunsRequest(_message.Message):
    __slots__ = ("filter", "page_size", "cursor")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    filter: str
    page_size: int
    cursor: str
    def __init__(self, filter: _Optional[str] = ..., page_size: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class WatchRunsResponse(_message.Message):
    __slots__ = ("run", "left", "live", "keep_alive", "end", "error", "cursor")
    class Live(_message.Message):
        __slots__ = ("run_ids",)
        RUN_IDS_FIELD_NUMBER: _ClassVar[int]
        run_ids: _containers.RepeatedScalarFieldContainer[str]
        def __init__(self, run_ids: _Optional[_Iterable[str]] = ...) -> None: ...
    class KeepAlive(_message.Message):
        __slots__ = ()
        def __init__(self) -> None: ...
    class End(_message.Message):
        __slots__ = ("sent",)
        SENT_FIELD_NUMBER: _ClassVar[int]
        sent: int
        def __init__(self, sent: _Optional[int] = ...) -> None: ...
    RUN_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALIVE_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    left: str
    live: WatchRunsResponse.Live
    keep_alive: WatchRunsResponse.KeepAlive
    end: WatchRunsResponse.End
    error: _status_pb2.Status
    cursor: str
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ..., left: _Optional[str] = ..., live: _Optional[_Union[WatchRunsResponse.Live, _Mapping]] = ..., keep_alive: _Optional[_Union[WatchRunsResponse.KeepAlive, _Mapping]] = ..., end: _Optional[_Union[WatchRunsResponse.End, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., cursor: _Optional[str] = ...) -> None: ...

class ListArtifactsRequest(_message.Message):
    __slots__ = ("run_id", "page_size", "page_token")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    page_size: int
    page_token: str
    def __init__(self, run_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListArtifactsResponse(_message.Message):
    __slots__ = ("artifacts", "next_page_token")
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    artifacts: _containers.RepeatedCompositeFieldContainer[_run_pb2.Artifact]
    next_page_token: str
    def __init__(self, artifacts: _Optional[_Iterable[_Union[_run_pb2.Artifact, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReadArtifactRequest(_message.Message):
    __slots__ = ("artifact_id", "offset", "length")
    ARTIFACT_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    artifact_id: str
    offset: int
    length: int
    def __init__(self, artifact_id: _Optional[str] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class ReadArtifactResponse(_message.Message):
    __slots__ = ("artifact", "chunk", "end", "error")
    class End(_message.Message):
        __slots__ = ("size_bytes",)
        SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
        size_bytes: int
        def __init__(self, size_bytes: _Optional[int] = ...) -> None: ...
    ARTIFACT_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    artifact: _run_pb2.Artifact
    chunk: bytes
    end: ReadArtifactResponse.End
    error: _status_pb2.Status
    def __init__(self, artifact: _Optional[_Union[_run_pb2.Artifact, _Mapping]] = ..., chunk: _Optional[bytes] = ..., end: _Optional[_Union[ReadArtifactResponse.End, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class TestVersionRequest(_message.Message):
    __slots__ = ("version_id", "inputs", "timeout", "request_id")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    inputs: _struct_pb2.Struct
    timeout: _duration_pb2.Duration
    request_id: str
    def __init__(self, version_id: _Optional[str] = ..., inputs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class TestVersionResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class ListWorkersRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListWorkersResponse(_message.Message):
    __slots__ = ("workers", "next_page_token")
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[Worker]
    next_page_token: str
    def __init__(self, workers: _Optional[_Iterable[_Union[Worker, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Worker(_message.Message):
    __slots__ = ("id", "host", "pool", "labels", "types", "slots", "busy", "cpus", "memory_bytes", "isolation", "version", "engine_version", "connected_at", "last_seen_at", "alive", "drained", "leaving")
    ID_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    BUSY_FIELD_NUMBER: _ClassVar[int]
    CPUS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    ISOLATION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ENGINE_VERSION_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_AT_FIELD_NUMBER: _ClassVar[int]
    ALIVE_FIELD_NUMBER: _ClassVar[int]
    DRAINED_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    id: str
    host: str
    pool: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    types: _containers.RepeatedScalarFieldContainer[str]
    slots: int
    busy: int
    cpus: float
    memory_bytes: int
    isolation: str
    version: str
    engine_version: str
    connected_at: _timestamp_pb2.Timestamp
    last_seen_at: _timestamp_pb2.Timestamp
    alive: bool
    drained: bool
    leaving: bool
    def __init__(self, id: _Optional[str] = ..., host: _Optional[str] = ..., pool: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., types: _Optional[_Iterable[str]] = ..., slots: _Optional[int] = ..., busy: _Optional[int] = ..., cpus: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., isolation: _Optional[str] = ..., version: _Optional[str] = ..., engine_version: _Optional[str] = ..., connected_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., alive: _Optional[bool] = ..., drained: _Optional[bool] = ..., leaving: _Optional[bool] = ...) -> None: ...

class DrainWorkerRequest(_message.Message):
    __slots__ = ("worker_id", "request_id")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    request_id: str
    def __init__(self, worker_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DrainWorkerResponse(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: Worker
    def __init__(self, worker: _Optional[_Union[Worker, _Mapping]] = ...) -> None: ...

class UndrainWorkerRequest(_message.Message):
    __slots__ = ("worker_id", "request_id")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    request_id: str
    def __init__(self, worker_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UndrainWorkerResponse(_message.Message):
    __slots__ = ("worker",)
    WORKER_FIELD_NUMBER: _ClassVar[int]
    worker: Worker
    def __init__(self, worker: _Optional[_Union[Worker, _Mapping]] = ...) -> None: ...
