"""Graphs."""

from collections.abc import Iterable

from mcpanel.registry.v1 import graph_pb2
from registry.domain.graphs import Cycle, Graph, Node
from registry.wire.values import timestamp


def nodes(graph: Graph) -> list[graph_pb2.GraphNode]:
    """The messages of a graph's nodes, with where they can be drawn."""
    positions = graph.positions()
    return [_node(one, *positions[one.id]) for one in graph.nodes.values()]


def edges(graph: Graph) -> list[graph_pb2.GraphEdge]:
    """The messages of a graph's edges."""
    return [
        graph_pb2.GraphEdge(id=one.id, source=one.source, target=one.target, label=one.label)
        for one in graph.edges.values()
    ]


def cycles(found: Iterable[Cycle]) -> list[graph_pb2.GraphCycle]:
    """The messages of circles."""
    return [graph_pb2.GraphCycle(workflows=one.names, node_ids=one.node_ids) for one in found]


def _node(one: Node, x: float, y: float) -> graph_pb2.GraphNode:
    data = graph_pb2.GraphNodeData(
        label=one.label,
        state=one.state.value,
        resource_id=one.resource_id,
        version=one.version,
        component_type=one.component_type or None,
        deprecated=one.deprecated,
        status=one.status,
        created_at=timestamp(one.created_at) if one.created_at is not None else None,
    )
    position = graph_pb2.GraphNode.Position(x=x, y=y)
    return graph_pb2.GraphNode(id=one.id, type=one.type, position=position, data=data)
