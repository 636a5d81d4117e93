"""What a version of a component comes from and goes into, drawn as a graph."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from chassis.access import Subject
from chassis.database import Transaction
from registry import semver, store
from registry.domain.content import WorkflowPin
from registry.domain.graphs import Graph, Named, Node, State, VersionFacts, WorkflowFacts, add_version
from registry.domain.versions import Version
from registry.records import Runs

_MOST_VERSIONS: Final = 100
_MOST_WORKFLOWS: Final = 200


@dataclass(frozen=True, slots=True)
class Ancestry:
    """A version, its kin, and the versions of workflows that run it."""

    root: VersionFacts
    others: tuple[VersionFacts, ...]
    users: Mapping[WorkflowPin, WorkflowFacts]
    """Those that may be seen, the newest first."""
    calls: Mapping[WorkflowPin, set[str]]
    """What these run themselves: ids of versions, and `id@version` of workflows."""
    holders: Mapping[str, VersionFacts]
    """The packages and assistants that hold it, be it inside another, and may be seen; by their versions' ids."""
    held: Mapping[str, frozenset[str]]
    """What each of them holds of it and of each other, by ids."""
    hidden: int
    more: bool

    @property
    def links(self) -> tuple[Named, ...]:
        """The data sources and secrets of the version."""
        return self.root.links


async def found(tx: Transaction, version: Version, viewer: Subject) -> Ancestry:
    """What the database knows of it, as far as the viewer may see it."""
    newest = await store.graphs.newest_of(tx, version.definition_id, viewer, _MOST_VERSIONS + 1)
    roots = await store.graphs.version_facts(tx, [version.id], viewer)
    held = await store.graphs.holders_of(tx, version)
    holders = await store.graphs.version_facts(tx, held.keys(), viewer) if held else {}
    pins = await store.graphs.users_of(tx, {version.id, *held}, _MOST_WORKFLOWS + 1)
    facts = await store.graphs.workflow_facts(tx, pins[:_MOST_WORKFLOWS], viewer)
    users = {pin: facts[pin] for pin in pins if pin in facts and facts[pin].is_visible}
    return Ancestry(
        roots[version.id],
        tuple(one for one in newest[:_MOST_VERSIONS] if one.is_visible and one.id != version.id),
        users,
        await store.graphs.calls(tx, users.keys()) if users else {},
        {id_: one for id_, one in holders.items() if one.is_visible},
        held,
        sum(not one.is_visible for one in facts.values()),
        len(newest) > _MOST_VERSIONS or len(pins) > _MOST_WORKFLOWS,
    )


def drawn(ancestry: Ancestry, states: Mapping[str, State], runs: Runs) -> Graph:
    """The graph of it; `states` are those of data sources and secrets, by node id."""
    graph = Graph()
    root = add_version(graph, ancestry.root, states)
    _versions(graph, ancestry)
    _holders(graph, ancestry, root)
    _users(graph, ancestry, root)
    for run in runs.runs:
        facts = ancestry.users.get(run.workflow)
        if facts is None:
            continue
        node = Node(
            f"run:{run.id}",
            "RUN",
            run.workflow_name,
            resource_id=run.id,
            status=run.status,
            created_at=run.created_at,
        )
        graph.connect(graph.add(node), "ran", facts.node_id)
    return graph


def _versions(graph: Graph, ancestry: Ancestry) -> None:
    """The other versions, without what they name, each beside the one that it supersedes."""
    known = [ancestry.root, *ancestry.others]
    known.sort(key=lambda one: (semver.parse(one.version), one.created_at, one.id))
    for one in known:
        graph.connect(graph.add(_node(one)), "is of", f"definition:{one.definition_id}")
    for older, newer in pairwise(known):
        graph.connect(f"version:{newer.id}", "supersedes", f"version:{older.id}")


def _node(one: VersionFacts) -> Node:
    return Node(
        f"version:{one.id}",
        "VERSION",
        f"{one.name}@{one.version}",
        resource_id=one.id,
        version=one.version,
        component_type=one.type,
        deprecated=one.deprecated,
        created_at=one.created_at,
    )


def _holders(graph: Graph, ancestry: Ancestry, root: str) -> None:
    for one in ancestry.holders.values():
        graph.add(_node(one))
    for id_ in ancestry.holders:
        held = [f"version:{one}" for one in sorted(ancestry.held[id_]) if f"version:{one}" in graph.nodes]
        for node_id in held:
            graph.connect(f"version:{id_}", "holds", node_id)
        if not held:
            graph.connect(f"version:{id_}", "holds inside", root)


def _users(graph: Graph, ancestry: Ancestry, root: str) -> None:
    by_part = {f"{pin.workflow_id}@{pin.version}": facts for pin, facts in ancestry.users.items()}
    for facts in ancestry.users.values():
        graph.add(facts.node)
    for pin, facts in ancestry.users.items():
        called = ancestry.calls.get(pin, set())
        inner = [by_part[part].node_id for part in sorted(called) if part in by_part]
        inner += [f"version:{one}" for one in sorted(called) if one in {ancestry.root.id, *ancestry.holders}]
        for node_id in inner:
            graph.connect(facts.node_id, "runs", node_id)
        if not inner:
            graph.connect(facts.node_id, "runs inside", root)
