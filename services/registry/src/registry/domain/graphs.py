"""Graphs: nodes and edges with ids that stay, and where each node can be drawn."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

_WIDE: Final = 280.0
_HIGH: Final = 110.0
"""Pixels from one node to the next, to the right and down."""


class State(Enum):
    """Whether something is there, in the contract's words."""

    PRESENT = "PRESENT"
    MISSING = "MISSING"
    HIDDEN = "HIDDEN"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing of a graph; `type` is the contract's word for what it is."""

    id: str
    type: str
    label: str
    state: State = State.PRESENT
    resource_id: str = ""
    version: str = ""
    component_type: str = ""
    deprecated: bool = False
    status: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """Something between two nodes, by their ids; it reads as a sentence."""

    source: str
    label: str
    target: str

    @property
    def id(self) -> str:
        """Its id: there is one edge of a label between two nodes."""
        return f"{self.source} {self.label} {self.target}"


@dataclass(slots=True)
class Graph:
    """What was found so far; a node or an edge that is added again stays as it was."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[str, Edge] = field(default_factory=dict)

    def add(self, node: Node) -> str:
        """The id of the node, which is in the graph now."""
        return self.nodes.setdefault(node.id, node).id

    def connect(self, source: str, label: str, target: str) -> None:
        """Puts an edge between two nodes of the graph."""
        edge = Edge(source, label, target)
        self.edges.setdefault(edge.id, edge)

    def positions(self) -> dict[str, tuple[float, float]]:
        """Where each node can be drawn: in columns, right of all that leads to it."""
        columns = _columns(self.nodes, self.edges.values())
        rows: dict[int, int] = {}
        found: dict[str, tuple[float, float]] = {}
        for id_ in self.nodes:
            column = columns[id_]
            found[id_] = (column * _WIDE, rows.get(column, 0) * _HIGH)
            rows[column] = rows.get(column, 0) + 1
        return found


def _columns(nodes: Iterable[str], edges: Iterable[Edge]) -> dict[str, int]:
    """The column of each node: the length of the longest way to it."""
    columns = dict.fromkeys(nodes, 0)
    ahead: dict[str, list[str]] = {id_: [] for id_ in columns}
    entering = dict.fromkeys(columns, 0)
    for edge in edges:
        ahead[edge.source].append(edge.target)
        entering[edge.target] += 1
    ready = [id_ for id_, count in entering.items() if not count]
    while ready:
        id_ = ready.pop()
        for target in ahead[id_]:
            columns[target] = max(columns[target], columns[id_] + 1)
            entering[target] -= 1
            if not entering[target]:
                ready.append(target)
    return columns


@dataclass(frozen=True, slots=True)
class Cycle:
    """Workflows that run each other in a circle: their names, first and last alike, and their nodes' ids."""

    names: tuple[str, ...]
    node_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """What a version names: a data source or a secret, as `type` says in the contract's word."""

    type: str
    id: str
    name: str

    @property
    def node_id(self) -> str:
        """The id of its node."""
        return f"{self.type.lower().replace('_', '-')}:{self.id}"


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What graphs tell of a version of a component."""

    id: str
    version: str
    definition_id: str
    name: str
    type: str
    created_at: datetime
    deprecated: bool
    links: tuple[Named, ...]
    is_visible: bool = True


@dataclass(frozen=True, slots=True)
class WorkflowFacts:
    """What graphs tell of a version of a workflow."""

    id: str
    name: str
    version: int
    created_at: datetime
    is_visible: bool = True

    @property
    def node_id(self) -> str:
        """The id of its node."""
        return workflow_node_id(self.id, self.version)

    @property
    def node(self) -> Node:
        """Its node, as whoever may see it is shown it."""
        return Node(
            self.node_id,
            "WORKFLOW",
            self.name,
            resource_id=self.id,
            version=str(self.version),
            created_at=self.created_at,
        )


def workflow_node_id(workflow_id: str, version: int) -> str:
    """The id of a workflow version's node."""
    return f"workflow:{workflow_id}@{version}"


def add_version(graph: Graph, facts: VersionFacts, states: Mapping[str, State]) -> str:
    """Adds a version that may be seen, with its definition and what it names, whose `states` are by node id."""
    node = Node(
        f"version:{facts.id}",
        "VERSION",
        f"{facts.name}@{facts.version}",
        resource_id=facts.id,
        version=facts.version,
        component_type=facts.type,
        deprecated=facts.deprecated,
        created_at=facts.created_at,
    )
    if node.id in graph.nodes:
        return node.id
    graph.add(node)
    definition = Node(
        f"definition:{facts.definition_id}",
        "DEFINITION",
        facts.name,
        resource_id=facts.definition_id,
        component_type=facts.type,
    )
    graph.connect(node.id, "is of", graph.add(definition))
    for link in facts.links:
        state = states.get(link.node_id, State.UNKNOWN)
        known = state in (State.PRESENT, State.UNKNOWN)
        linked = Node(link.node_id, link.type, link.name, state, resource_id=link.id if known else "")
        graph.connect(node.id, "uses" if link.type == "SECRET" else "reads", graph.add(linked))
    return node.id
