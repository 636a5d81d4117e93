from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
RULE_FIELD_NUMBER: _ClassVar[int]
rule: _descriptor.FieldDescriptor

class Rule(_message.Message):
    __slots__ = ("access", "permission", "audit", "secret_response")
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
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    SECRET_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    access: Rule.Access
    permission: str
    audit: str
    secret_response: bool
    def __init__(self, access: _Optional[_Union[Rule.Access, str]] = ..., permission: _Optional[str] = ..., audit: _Optional[str] = ..., secret_response: _Optional[bool] = ...) -> None: ...
