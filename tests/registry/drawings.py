"""Graphs as tests read them."""

from typing import Any

from mcpanel.registry.v1 import graph_pb2

State = graph_pb2.GraphNodeData.State
Type = graph_pb2.GraphNode.Type


def labels(answer: Any, kind: str) -> list[str]:
    """The labels of the nodes of a type, sorted."""
    return sorted(one.data.label for one in answer.nodes if Type.Name(one.type) == kind)


def states(answer: Any) -> dict[str, str]:
    """What there is to know of each node but the steps, by its label and type."""
    return {
        f"{Type.Name(one.type)} {one.data.label}": State.Name(one.data.state)
        for one in answer.nodes
        if one.type != graph_pb2.GraphNode.STEP
    }


def sentences(answer: Any) -> set[str]:
    """The edges as sentences of the nodes' labels."""
    names = {one.id: one.data.label for one in answer.nodes}
    return {f"{names[one.source]} {one.label} {names[one.target]}" for one in answer.edges}


def node(answer: Any, label: str) -> graph_pb2.GraphNode:
    """The node with this label."""
    (found,) = [one for one in answer.nodes if one.data.label == label]
    return found  # type: ignore[no-any-return]  # an answer of either kind
