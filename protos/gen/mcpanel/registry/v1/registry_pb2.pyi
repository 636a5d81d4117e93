import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from mcpanel.policy.v1 import policy_pb2 as _policy_pb2
from mcpanel.registry.v1 import bundle_pb2 as _bundle_pb2
from mcpanel.registry.v1 import component_pb2 as _component_pb2
from mcpanel.registry.v1 import graph_pb2 as _graph_pb2
from mcpanel.registry.v1 import history_pb2 as _history_pb2
from mcpanel.registry.v1 import workflow_pb2 as _workflow_pb2
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

class CreateDefinitionRequest(_message.Message):
    __slots__ = ("definition", "initial_version", "request_id", "validate_only", "source", "collection")
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    INITIAL_VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    definition: _component_pb2.Definition
    initial_version: _component_pb2.Version
    request_id: str
    validate_only: bool
    source: str
    collection: str
    def __init__(self, definition: _Optional[_Union[_component_pb2.Definition, _Mapping]] = ..., initial_version: _Optional[_Union[_component_pb2.Version, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., source: _Optional[str] = ..., collection: _Optional[str] = ...) -> None: ...

class CreateDefinitionResponse(_message.Message):
    __slots__ = ("definition", "initial_version")
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    INITIAL_VERSION_FIELD_NUMBER: _ClassVar[int]
    definition: _component_pb2.Definition
    initial_version: _component_pb2.Version
    def __init__(self, definition: _Optional[_Union[_component_pb2.Definition, _Mapping]] = ..., initial_version: _Optional[_Union[_component_pb2.Version, _Mapping]] = ...) -> None: ...

class GetDefinitionRequest(_message.Message):
    __slots__ = ("definition_id", "collection")
    DEFINITION_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    definition_id: str
    collection: str
    def __init__(self, definition_id: _Optional[str] = ..., collection: _Optional[str] = ...) -> None: ...

class GetDefinitionResponse(_message.Message):
    __slots__ = ("definition",)
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    definition: _component_pb2.Definition
    def __init__(self, definition: _Optional[_Union[_component_pb2.Definition, _Mapping]] = ...) -> None: ...

class ListDefinitionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter", "type", "query", "order_by", "tags", "compliance", "cost_tier", "visibility", "starred", "owner", "include_deprecated", "collection")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    COMPLIANCE_FIELD_NUMBER: _ClassVar[int]
    COST_TIER_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    STARRED_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_DEPRECATED_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: str
    type: _containers.RepeatedScalarFieldContainer[str]
    query: str
    order_by: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    compliance: _containers.RepeatedScalarFieldContainer[str]
    cost_tier: _containers.RepeatedScalarFieldContainer[str]
    visibility: str
    starred: bool
    owner: str
    include_deprecated: bool
    collection: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ..., type: _Optional[_Iterable[str]] = ..., query: _Optional[str] = ..., order_by: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., compliance: _Optional[_Iterable[str]] = ..., cost_tier: _Optional[_Iterable[str]] = ..., visibility: _Optional[str] = ..., starred: _Optional[bool] = ..., owner: _Optional[str] = ..., include_deprecated: _Optional[bool] = ..., collection: _Optional[str] = ...) -> None: ...

class ListDefinitionsResponse(_message.Message):
    __slots__ = ("definitions", "next_page_token")
    DEFINITIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    definitions: _containers.RepeatedCompositeFieldContainer[_component_pb2.Definition]
    next_page_token: str
    def __init__(self, definitions: _Optional[_Iterable[_Union[_component_pb2.Definition, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateDefinitionRequest(_message.Message):
    __slots__ = ("definition_id", "definition", "update_mask", "request_id", "validate_only", "collection")
    DEFINITION_ID_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    definition_id: str
    definition: _component_pb2.Definition
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    validate_only: bool
    collection: str
    def __init__(self, definition_id: _Optional[str] = ..., definition: _Optional[_Union[_component_pb2.Definition, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., collection: _Optional[str] = ...) -> None: ...

class UpdateDefinitionResponse(_message.Message):
    __slots__ = ("definition",)
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    definition: _component_pb2.Definition
    def __init__(self, definition: _Optional[_Union[_component_pb2.Definition, _Mapping]] = ...) -> None: ...

class DeleteDefinitionRequest(_message.Message):
    __slots__ = ("definition_id", "etag", "request_id", "collection")
    DEFINITION_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    definition_id: str
    etag: str
    request_id: str
    collection: str
    def __init__(self, definition_id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ..., collection: _Optional[str] = ...) -> None: ...

class DeleteDefinitionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StarDefinitionRequest(_message.Message):
    __slots__ = ("definition_id", "request_id")
    DEFINITION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    definition_id: str
    request_id: str
    def __init__(self, definition_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class StarDefinitionResponse(_message.Message):
    __slots__ = ("definition",)
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    definition: _component_pb2.Definition
    def __init__(self, definition: _Optional[_Union[_component_pb2.Definition, _Mapping]] = ...) -> None: ...

class UnstarDefinitionRequest(_message.Message):
    __slots__ = ("definition_id", "request_id")
    DEFINITION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    definition_id: str
    request_id: str
    def __init__(self, definition_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UnstarDefinitionResponse(_message.Message):
    __slots__ = ("definition",)
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    definition: _component_pb2.Definition
    def __init__(self, definition: _Optional[_Union[_component_pb2.Definition, _Mapping]] = ...) -> None: ...

class TransferDefinitionRequest(_message.Message):
    __slots__ = ("definition_id", "new_owner", "etag", "request_id")
    DEFINITION_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_OWNER_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    definition_id: str
    new_owner: str
    etag: str
    request_id: str
    def __init__(self, definition_id: _Optional[str] = ..., new_owner: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class TransferDefinitionResponse(_message.Message):
    __slots__ = ("definition",)
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    definition: _component_pb2.Definition
    def __init__(self, definition: _Optional[_Union[_component_pb2.Definition, _Mapping]] = ...) -> None: ...

class CreateVersionRequest(_message.Message):
    __slots__ = ("definition_id", "version", "request_id", "validate_only", "source")
    DEFINITION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    definition_id: str
    version: _component_pb2.Version
    request_id: str
    validate_only: bool
    source: str
    def __init__(self, definition_id: _Optional[str] = ..., version: _Optional[_Union[_component_pb2.Version, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., source: _Optional[str] = ...) -> None: ...

class CreateVersionResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: _component_pb2.Version
    def __init__(self, version: _Optional[_Union[_component_pb2.Version, _Mapping]] = ...) -> None: ...

class GetVersionRequest(_message.Message):
    __slots__ = ("version_id",)
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    def __init__(self, version_id: _Optional[str] = ...) -> None: ...

class GetVersionResponse(_message.Message):
    __slots__ = ("version", "package")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_FIELD_NUMBER: _ClassVar[int]
    version: _component_pb2.Version
    package: _workflow_pb2.Workflow
    def __init__(self, version: _Optional[_Union[_component_pb2.Version, _Mapping]] = ..., package: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ...) -> None: ...

class ListVersionsRequest(_message.Message):
    __slots__ = ("definition_id", "page_size", "page_token")
    DEFINITION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    definition_id: str
    page_size: int
    page_token: str
    def __init__(self, definition_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListVersionsResponse(_message.Message):
    __slots__ = ("versions", "next_page_token")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[_component_pb2.Version]
    next_page_token: str
    def __init__(self, versions: _Optional[_Iterable[_Union[_component_pb2.Version, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeprecateVersionRequest(_message.Message):
    __slots__ = ("version_id", "message", "request_id")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    message: str
    request_id: str
    def __init__(self, version_id: _Optional[str] = ..., message: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeprecateVersionResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: _component_pb2.Version
    def __init__(self, version: _Optional[_Union[_component_pb2.Version, _Mapping]] = ...) -> None: ...

class UndeprecateVersionRequest(_message.Message):
    __slots__ = ("version_id", "request_id")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    request_id: str
    def __init__(self, version_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UndeprecateVersionResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: _component_pb2.Version
    def __init__(self, version: _Optional[_Union[_component_pb2.Version, _Mapping]] = ...) -> None: ...

class PublishVersionRequest(_message.Message):
    __slots__ = ("version_id", "request_id")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    request_id: str
    def __init__(self, version_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class PublishVersionResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: _component_pb2.Version
    def __init__(self, version: _Optional[_Union[_component_pb2.Version, _Mapping]] = ...) -> None: ...

class ListComponentTypesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListComponentTypesResponse(_message.Message):
    __slots__ = ("component_types",)
    COMPONENT_TYPES_FIELD_NUMBER: _ClassVar[int]
    component_types: _containers.RepeatedCompositeFieldContainer[_component_pb2.ComponentType]
    def __init__(self, component_types: _Optional[_Iterable[_Union[_component_pb2.ComponentType, _Mapping]]] = ...) -> None: ...

class CreateWorkflowRequest(_message.Message):
    __slots__ = ("workflow", "source", "request_id", "validate_only")
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    workflow: _workflow_pb2.Workflow
    source: str
    request_id: str
    validate_only: bool
    def __init__(self, workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ..., source: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class CreateWorkflowResponse(_message.Message):
    __slots__ = ("workflow",)
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    workflow: _workflow_pb2.Workflow
    def __init__(self, workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ...) -> None: ...

class GetWorkflowRequest(_message.Message):
    __slots__ = ("workflow_id", "view")
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    workflow_id: str
    view: View
    def __init__(self, workflow_id: _Optional[str] = ..., view: _Optional[_Union[View, str]] = ...) -> None: ...

class GetWorkflowResponse(_message.Message):
    __slots__ = ("workflow",)
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    workflow: _workflow_pb2.Workflow
    def __init__(self, workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ...) -> None: ...

class ListWorkflowsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter", "query", "order_by", "tags", "status", "owner", "visibility")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: str
    query: str
    order_by: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    status: _containers.RepeatedScalarFieldContainer[str]
    owner: str
    visibility: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ..., query: _Optional[str] = ..., order_by: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., status: _Optional[_Iterable[str]] = ..., owner: _Optional[str] = ..., visibility: _Optional[str] = ...) -> None: ...

class ListWorkflowsResponse(_message.Message):
    __slots__ = ("workflows", "next_page_token")
    WORKFLOWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    workflows: _containers.RepeatedCompositeFieldContainer[_workflow_pb2.Workflow]
    next_page_token: str
    def __init__(self, workflows: _Optional[_Iterable[_Union[_workflow_pb2.Workflow, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateWorkflowRequest(_message.Message):
    __slots__ = ("workflow_id", "workflow", "source", "update_mask", "request_id", "validate_only")
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    workflow_id: str
    workflow: _workflow_pb2.Workflow
    source: str
    update_mask: _field_mask_pb2.FieldMask
    request_id: str
    validate_only: bool
    def __init__(self, workflow_id: _Optional[str] = ..., workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ..., source: _Optional[str] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class UpdateWorkflowResponse(_message.Message):
    __slots__ = ("workflow",)
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    workflow: _workflow_pb2.Workflow
    def __init__(self, workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ...) -> None: ...

class DeleteWorkflowRequest(_message.Message):
    __slots__ = ("workflow_id", "etag", "request_id")
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    workflow_id: str
    etag: str
    request_id: str
    def __init__(self, workflow_id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteWorkflowResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class TransferWorkflowRequest(_message.Message):
    __slots__ = ("workflow_id", "new_owner", "etag", "request_id")
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_OWNER_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    workflow_id: str
    new_owner: str
    etag: str
    request_id: str
    def __init__(self, workflow_id: _Optional[str] = ..., new_owner: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class TransferWorkflowResponse(_message.Message):
    __slots__ = ("workflow",)
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    workflow: _workflow_pb2.Workflow
    def __init__(self, workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ...) -> None: ...

class ValidateWorkflowRequest(_message.Message):
    __slots__ = ("workflow", "source")
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    workflow: _workflow_pb2.Workflow
    source: str
    def __init__(self, workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ..., source: _Optional[str] = ...) -> None: ...

class ValidateWorkflowResponse(_message.Message):
    __slots__ = ("valid", "problems", "workflow")
    VALID_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    valid: bool
    problems: _containers.RepeatedCompositeFieldContainer[_workflow_pb2.WorkflowProblem]
    workflow: _workflow_pb2.Workflow
    def __init__(self, valid: _Optional[bool] = ..., problems: _Optional[_Iterable[_Union[_workflow_pb2.WorkflowProblem, _Mapping]]] = ..., workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ...) -> None: ...

class ListWorkflowVersionsRequest(_message.Message):
    __slots__ = ("workflow_id", "page_size", "page_token")
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    workflow_id: str
    page_size: int
    page_token: str
    def __init__(self, workflow_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListWorkflowVersionsResponse(_message.Message):
    __slots__ = ("workflows", "next_page_token")
    WORKFLOWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    workflows: _containers.RepeatedCompositeFieldContainer[_workflow_pb2.Workflow]
    next_page_token: str
    def __init__(self, workflows: _Optional[_Iterable[_Union[_workflow_pb2.Workflow, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetWorkflowVersionRequest(_message.Message):
    __slots__ = ("workflow_id", "version")
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    workflow_id: str
    version: int
    def __init__(self, workflow_id: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GetWorkflowVersionResponse(_message.Message):
    __slots__ = ("workflow",)
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    workflow: _workflow_pb2.Workflow
    def __init__(self, workflow: _Optional[_Union[_workflow_pb2.Workflow, _Mapping]] = ...) -> None: ...

class TemplateShare(_message.Message):
    __slots__ = ("id", "template_id", "user_id", "role_name", "service_account_id", "permission", "created_by", "created_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_NAME_FIELD_NUMBER: _ClassVar[int]
    SERVICE_ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    PERMISSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    template_id: str
    user_id: str
    role_name: str
    service_account_id: str
    permission: _policy_pb2.Resource.Level
    created_by: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., template_id: _Optional[str] = ..., user_id: _Optional[str] = ..., role_name: _Optional[str] = ..., service_account_id: _Optional[str] = ..., permission: _Optional[_Union[_policy_pb2.Resource.Level, str]] = ..., created_by: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ShareTemplateRequest(_message.Message):
    __slots__ = ("template_id", "share", "request_id", "validate_only")
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    template_id: str
    share: TemplateShare
    request_id: str
    validate_only: bool
    def __init__(self, template_id: _Optional[str] = ..., share: _Optional[_Union[TemplateShare, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ShareTemplateResponse(_message.Message):
    __slots__ = ("share",)
    SHARE_FIELD_NUMBER: _ClassVar[int]
    share: TemplateShare
    def __init__(self, share: _Optional[_Union[TemplateShare, _Mapping]] = ...) -> None: ...

class ListTemplateSharesRequest(_message.Message):
    __slots__ = ("template_id", "page_size", "page_token")
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    template_id: str
    page_size: int
    page_token: str
    def __init__(self, template_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListTemplateSharesResponse(_message.Message):
    __slots__ = ("shares", "next_page_token")
    SHARES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    shares: _containers.RepeatedCompositeFieldContainer[TemplateShare]
    next_page_token: str
    def __init__(self, shares: _Optional[_Iterable[_Union[TemplateShare, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RevokeTemplateShareRequest(_message.Message):
    __slots__ = ("template_id", "share_id", "request_id")
    TEMPLATE_ID_FIELD_NUMBER: _ClassVar[int]
    SHARE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    template_id: str
    share_id: str
    request_id: str
    def __init__(self, template_id: _Optional[str] = ..., share_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RevokeTemplateShareResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSharedWorkflowsRequest(_message.Message):
    __slots__ = ("subject_id", "role_names")
    SUBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_NAMES_FIELD_NUMBER: _ClassVar[int]
    subject_id: str
    role_names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, subject_id: _Optional[str] = ..., role_names: _Optional[_Iterable[str]] = ...) -> None: ...

class GetSharedWorkflowsResponse(_message.Message):
    __slots__ = ("workflows",)
    class Shared(_message.Message):
        __slots__ = ("workflow_id", "permission")
        WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
        PERMISSION_FIELD_NUMBER: _ClassVar[int]
        workflow_id: str
        permission: _policy_pb2.Resource.Level
        def __init__(self, workflow_id: _Optional[str] = ..., permission: _Optional[_Union[_policy_pb2.Resource.Level, str]] = ...) -> None: ...
    WORKFLOWS_FIELD_NUMBER: _ClassVar[int]
    workflows: _containers.RepeatedCompositeFieldContainer[GetSharedWorkflowsResponse.Shared]
    def __init__(self, workflows: _Optional[_Iterable[_Union[GetSharedWorkflowsResponse.Shared, _Mapping]]] = ...) -> None: ...

class CheckPartsRequest(_message.Message):
    __slots__ = ("workflow", "version_id")
    class WorkflowVersion(_message.Message):
        __slots__ = ("workflow_id", "version")
        WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
        VERSION_FIELD_NUMBER: _ClassVar[int]
        workflow_id: str
        version: int
        def __init__(self, workflow_id: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...
    WORKFLOW_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    workflow: CheckPartsRequest.WorkflowVersion
    version_id: str
    def __init__(self, workflow: _Optional[_Union[CheckPartsRequest.WorkflowVersion, _Mapping]] = ..., version_id: _Optional[str] = ...) -> None: ...

class CheckPartsResponse(_message.Message):
    __slots__ = ("missing",)
    class Missing(_message.Message):
        __slots__ = ("kind", "id", "name", "used_by", "lender_ids", "deleted")
        class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
            __slots__ = ()
            KIND_UNSPECIFIED: _ClassVar[CheckPartsResponse.Missing.Kind]
            DEFINITION: _ClassVar[CheckPartsResponse.Missing.Kind]
            WORKFLOW: _ClassVar[CheckPartsResponse.Missing.Kind]
            DATA_SOURCE: _ClassVar[CheckPartsResponse.Missing.Kind]
            SECRET: _ClassVar[CheckPartsResponse.Missing.Kind]
        KIND_UNSPECIFIED: CheckPartsResponse.Missing.Kind
        DEFINITION: CheckPartsResponse.Missing.Kind
        WORKFLOW: CheckPartsResponse.Missing.Kind
        DATA_SOURCE: CheckPartsResponse.Missing.Kind
        SECRET: CheckPartsResponse.Missing.Kind
        KIND_FIELD_NUMBER: _ClassVar[int]
        ID_FIELD_NUMBER: _ClassVar[int]
        NAME_FIELD_NUMBER: _ClassVar[int]
        USED_BY_FIELD_NUMBER: _ClassVar[int]
        LENDER_IDS_FIELD_NUMBER: _ClassVar[int]
        DELETED_FIELD_NUMBER: _ClassVar[int]
        kind: CheckPartsResponse.Missing.Kind
        id: str
        name: str
        used_by: str
        lender_ids: _containers.RepeatedScalarFieldContainer[str]
        deleted: bool
        def __init__(self, kind: _Optional[_Union[CheckPartsResponse.Missing.Kind, str]] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., used_by: _Optional[str] = ..., lender_ids: _Optional[_Iterable[str]] = ..., deleted: _Optional[bool] = ...) -> None: ...
    MISSING_FIELD_NUMBER: _ClassVar[int]
    missing: _containers.RepeatedCompositeFieldContainer[CheckPartsResponse.Missing]
    def __init__(self, missing: _Optional[_Iterable[_Union[CheckPartsResponse.Missing, _Mapping]]] = ...) -> None: ...
