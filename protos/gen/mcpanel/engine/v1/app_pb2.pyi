import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from mcpanel.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OpenAppRequest(_message.Message):
    __slots__ = ("run_id", "step_id", "request_id")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    step_id: str
    request_id: str
    def __init__(self, run_id: _Optional[str] = ..., step_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class OpenAppResponse(_message.Message):
    __slots__ = ("url", "expires_at")
    URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    url: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, url: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RedeemAppTicketRequest(_message.Message):
    __slots__ = ("ticket", "app")
    TICKET_FIELD_NUMBER: _ClassVar[int]
    APP_FIELD_NUMBER: _ClassVar[int]
    ticket: str
    app: str
    def __init__(self, ticket: _Optional[str] = ..., app: _Optional[str] = ...) -> None: ...

class RedeemAppTicketResponse(_message.Message):
    __slots__ = ("cookie", "expires_at", "issued_at")
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_FIELD_NUMBER: _ClassVar[int]
    cookie: str
    expires_at: _timestamp_pb2.Timestamp
    issued_at: _timestamp_pb2.Timestamp
    def __init__(self, cookie: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., issued_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ConnectAppRequest(_message.Message):
    __slots__ = ("open", "chunk")
    class Open(_message.Message):
        __slots__ = ("app", "cookie")
        APP_FIELD_NUMBER: _ClassVar[int]
        COOKIE_FIELD_NUMBER: _ClassVar[int]
        app: str
        cookie: str
        def __init__(self, app: _Optional[str] = ..., cookie: _Optional[str] = ...) -> None: ...
    OPEN_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    open: ConnectAppRequest.Open
    chunk: bytes
    def __init__(self, open: _Optional[_Union[ConnectAppRequest.Open, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ConnectAppResponse(_message.Message):
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
    opened: ConnectAppResponse.Opened
    chunk: bytes
    end: ConnectAppResponse.End
    error: _status_pb2.Status
    def __init__(self, opened: _Optional[_Union[ConnectAppResponse.Opened, _Mapping]] = ..., chunk: _Optional[bytes] = ..., end: _Optional[_Union[ConnectAppResponse.End, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
