"""What a version of a workflow is made of, drawn as a graph."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from registry import graph as circles
from registry import nesting
from registry.domain.content import Content, Pin, Step, WorkflowPin
from registry.domain.graphs import (
    Cycle,
    Graph,
    Named,
    Node,
    State,
    VersionFacts,
    WorkflowFacts,
    add_version,
    workflow_node_id,
)
from registry.nesting import Nested
from registry.validation import Catalog, reading

Flows = Mapping[str, frozenset[str]]
"""For each step the steps whose outputs it reads."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A version of a workflow and all that is known of what it is made of."""

    root: WorkflowFacts
    content: Content
    nested: Mapping[WorkflowPin, Content] = field(default_factory=dict)
    """The contents of the workflows that lie inside and may be seen."""
    held: Nested = field(default_factory=dict)
    """The contents of the packages of components and of the assistants with tools, by the ids of their versions."""
    workflows: Mapping[str, WorkflowFacts] = field(default_factory=dict)
    """What lies inside, by node id; what was deleted is not there."""
    versions: Mapping[str, VersionFacts] = field(default_factory=dict)
    """The versions of components by id; those that were deleted are not there."""

    @property
    def links(self) -> list[Named]:
        """The data sources and secrets of what may be seen, each once."""
        seen = (one for one in self.versions.values() if one.is_visible)
        return list(dict.fromkeys(link for one in seen for link in one.links))


async def drawn(parts: Parts, states: Mapping[str, State]) -> tuple[Graph, list[Cycle]]:
    """The graph of the parts, and its circles; `states` are those of the data sources and secrets, by node id.

    Expressions are compiled for it, one workflow's at a time, with others served in between.
    """
    graph = Graph()
    graph.add(parts.root.node)
    ahead = [(parts.root, parts.content)]
    drawn_already: set[str] = set()
    while ahead:
        facts, content = ahead.pop(0)
        if facts.node_id in drawn_already:
            continue
        drawn_already.add(facts.node_id)
        ahead += _steps(graph, facts, content, parts, states)
        await asyncio.sleep(0)
    return graph, list(_cycles(parts))


def _steps(
    graph: Graph, facts: WorkflowFacts, content: Content, parts: Parts, states: Mapping[str, State]
) -> Iterator[tuple[WorkflowFacts, Content]]:
    """Adds the steps of a workflow and what they run; yields the workflows among that, with their contents."""
    ids = {step.id: f"step:{facts.id}@{facts.version}/{step.id}" for step in content.steps}
    for step in content.steps:
        graph.add(Node(ids[step.id], "STEP", step.id))
        graph.connect(facts.node_id, "has", ids[step.id])
        if step.pin is not None:
            graph.connect(ids[step.id], "runs", _component(graph, step, step.pin, parts, states))
        if step.workflow_pin is not None:
            found, node_id = _workflow(graph, step, step.workflow_pin, parts)
            graph.connect(ids[step.id], "runs", node_id)
            if found is not None:
                yield found
    flows = _flows(content)
    for step in content.steps:
        for other in sorted((flows[step.id] | set(step.needs)) & ids.keys() - {step.id}):
            graph.connect(ids[other], "feeds" if other in flows[step.id] else "before", ids[step.id])


def _component(graph: Graph, step: Step, pin: Pin, parts: Parts, states: Mapping[str, State]) -> str:
    facts = parts.versions.get(pin.version_id)
    if facts is not None and facts.is_visible:
        is_new = f"version:{facts.id}" not in graph.nodes
        node_id = add_version(graph, facts, states)
        inside = parts.held[facts.id].steps if is_new and facts.id in parts.held else ()
        for one in inside:
            if one.pin is not None:
                graph.connect(node_id, "holds", _component(graph, one, one.pin, parts, states))
        return node_id
    state = State.MISSING if facts is None else State.HIDDEN
    name = step.component.partition("@")[0]
    version = Node(f"version:{pin.version_id}", "VERSION", f"{name}@{pin.version}", state)
    definition = Node(f"definition:{name}", "DEFINITION", name, state)
    graph.connect(graph.add(version), "is of", graph.add(definition))
    return version.id


def _workflow(
    graph: Graph, step: Step, pin: WorkflowPin, parts: Parts
) -> tuple[tuple[WorkflowFacts, Content] | None, str]:
    node_id = workflow_node_id(pin.workflow_id, pin.version)
    facts = parts.workflows.get(node_id)
    if facts is not None and facts.is_visible and pin in parts.nested:
        return (facts, parts.nested[pin]), graph.add(facts.node)
    state = State.MISSING if facts is None else State.HIDDEN
    name = step.workflow.partition("@")[0]
    return None, graph.add(Node(node_id, "WORKFLOW", f"{name}@{pin.version}", state))


def _flows(content: Content) -> Flows:
    scope = reading.scope(content, Catalog())
    return {
        step.id: frozenset(reading.of_step(step, f"steps[{index}]", scope).named())
        for index, step in enumerate(content.steps)
    }


def _cycles(parts: Parts) -> Iterator[Cycle]:
    """The circles of the workflows that may be seen, whatever their versions."""
    names = {parts.root.id: parts.root.name}
    nodes: dict[str, list[str]] = {parts.root.id: [parts.root.node_id]}
    calls: dict[str, set[str]] = {parts.root.id: set()}
    contents = [(parts.root.id, parts.content)]
    for pin, content in parts.nested.items():
        facts = parts.workflows[workflow_node_id(pin.workflow_id, pin.version)]
        names[facts.id] = facts.name
        nodes.setdefault(facts.id, []).append(facts.node_id)
        contents.append((facts.id, content))
    for id_, content in contents:
        called = {pin.workflow_id for pin in nesting.pins(content)} & names.keys()
        calls.setdefault(id_, set()).update(called)
    for walked in circles.cycles({id_: frozenset(called) for id_, called in calls.items()}):
        found = dict.fromkeys(node for id_ in walked for node in nodes[id_] if node)
        yield Cycle(tuple(names[id_] for id_ in walked), tuple(dict.fromkeys(found)))
