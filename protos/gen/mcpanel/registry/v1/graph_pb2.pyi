import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from mcpanel.registry.v1 import component_pb2 as _component_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GraphNode(_message.Message):
    __slots__ = ("id", "type", "position", "data")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[GraphNode.Type]
        WORKFLOW: _ClassVar[GraphNode.Type]
        STEP: _ClassVar[GraphNode.Type]
        VERSION: _ClassVar[GraphNode.Type]
        DEFINITION: _ClassVar[GraphNode.Type]
        DATA_SOURCE: _ClassVar[GraphNode.Type]
        SECRET: _ClassVar[GraphNode.Type]
        RUN: _ClassVar[GraphNode.Type]
    TYPE_UNSPECIFIED: GraphNode.Type
    WORKFLOW: GraphNode.Type
    STEP: GraphNode.Type
    VERSION: GraphNode.Type
    DEFINITION: GraphNode.Type
    DATA_SOURCE: GraphNode.Type
    SECRET: GraphNode.Type
    RUN: GraphNode.Type
    class Position(_message.Message):
        __slots__ = ("x", "y")
        X_FIELD_NUMBER: _ClassVar[int]
        Y_FIELD_NUMBER: _ClassVar[int]
        x: float
        y: float
        def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: GraphNode.Type
    position: GraphNode.Position
    data: GraphNodeData
    def __init__(self, id: _Optional[str] = ..., type: _Optional[_Union[GraphNode.Type, str]] = ..., position: _Optional[_Union[GraphNode.Position, _Mapping]] = ..., data: _Optional[_Union[GraphNodeData, _Mapping]] = ...) -> None: ...

class GraphNodeData(_message.Message):
    __slots__ = ("label", "state", "resource_id", "version", "component_type", "deprecated", "status", "created_at")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[GraphNodeData.State]
        PRESENT: _ClassVar[GraphNodeData.State]
        MISSING: _ClassVar[GraphNodeData.State]
        HIDDEN: _ClassVar[GraphNodeData.State]
        UNKNOWN: _ClassVar[GraphNodeData.State]
    STATE_UNSPECIFIED: GraphNodeData.State
    PRESENT: GraphNodeData.State
    MISSING: GraphNodeData.State
    HIDDEN: GraphNodeData.State
    UNKNOWN: GraphNodeData.State
    LABEL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    COMPONENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    DEPRECATED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    label: str
    state: GraphNodeData.State
    resource_id: str
    version: str
    component_type: _component_pb2.Definition.Type
    deprecated: bool
    status: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, label: _Optional[str] = ..., state: _Optional[_Union[GraphNodeData.State, str]] = ..., resource_id: _Optional[str] = ..., version: _Optional[str] = ..., component_type: _Optional[_Union[_component_pb2.Definition.Type, str]] = ..., deprecated: _Optional[bool] = ..., status: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GraphEdge(_message.Message):
    __slots__ = ("id", "source", "target", "label")
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    id: str
    source: str
    target: str
    label: str
    def __init__(self, id: _Optional[str] = ..., source: _Optional[str] = ..., target: _Optional[str] = ..., label: _Optional[str] = ...) -> None: ...

class GraphCycle(_message.Message):
    __slots__ = ("workflows", "node_ids")
    WORKFLOWS_FIELD_NUMBER: _ClassVar[int]
    NODE_IDS_FIELD_NUMBER: _ClassVar[int]
    workflows: _containers.RepeatedScalarFieldContainer[str]
    node_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, workflows: _Optional[_Iterable[str]] = ..., node_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class GetWorkflowDependencyGraphRequest(_message.Message):
    __slots__ = ("workflow_id", "version")
    WORKFLOW_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    workflow_id: str
    version: int
    def __init__(self, workflow_id: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GetWorkflowDependencyGraphResponse(_message.Message):
    __slots__ = ("nodes", "edges", "cycles")
    NODES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    CYCLES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[GraphNode]
    edges: _containers.RepeatedCompositeFieldContainer[GraphEdge]
    cycles: _containers.RepeatedCompositeFieldContainer[GraphCycle]
    def __init__(self, nodes: _Optional[_Iterable[_Union[GraphNode, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[GraphEdge, _Mapping]]] = ..., cycles: _Optional[_Iterable[_Union[GraphCycle, _Mapping]]] = ...) -> None: ...

class GetLineageGraphRequest(_message.Message):
    __slots__ = ("version_id", "max_runs")
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_RUNS_FIELD_NUMBER: _ClassVar[int]
    version_id: str
    max_runs: int
    def __init__(self, version_id: _Optional[str] = ..., max_runs: _Optional[int] = ...) -> None: ...

class GetLineageGraphResponse(_message.Message):
    __slots__ = ("nodes", "edges", "hidden_workflow_versions", "runs_unavailable", "truncated")
    NODES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_WORKFLOW_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    RUNS_UNAVAILABLE_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[GraphNode]
    edges: _containers.RepeatedCompositeFieldContainer[GraphEdge]
    hidden_workflow_versions: int
    runs_unavailable: str
    truncated: bool
    def __init__(self, nodes: _Optional[_Iterable[_Union[GraphNode, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[GraphEdge, _Mapping]]] = ..., hidden_workflow_versions: _Optional[int] = ..., runs_unavailable: _Optional[str] = ..., truncated: _Optional[bool] = ...) -> None: ...
