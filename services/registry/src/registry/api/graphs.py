"""What things are made of, what came of them, and what was done to them."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from chassis import paging
from chassis.access import Level
from chassis.paging import Page
from mcpanel.registry.v1 import graph_pb2, history_pb2
from registry import dependencies, lineage, store, tables, wire
from registry.api.common import Base, viewer
from registry.domain.graphs import Named, State
from registry.domain.histories import MOST_ENTITIES, NO_CHANGES, SHARING
from registry.store.lookup import Wanted, reaches

_RUNS: Final = 20


class Graphs(Base):
    """The RPCs about graphs and histories."""

    async def GetWorkflowDependencyGraph(
        self, request: graph_pb2.GetWorkflowDependencyGraphRequest, _: Any
    ) -> graph_pb2.GetWorkflowDependencyGraphResponse:
        key, version = request.workflow_id, request.version
        async with self.db.read() as tx:
            if version:
                workflow = await store.workflows.get_version(tx, key, version, viewer())
            else:
                workflow = await store.workflows.get(tx, key, viewer())
            parts = await store.graphs.parts(tx, workflow, viewer())
        graph, cycles = await dependencies.drawn(parts, await self._states(parts.links))
        return graph_pb2.GetWorkflowDependencyGraphResponse(
            nodes=wire.graphs.nodes(graph), edges=wire.graphs.edges(graph), cycles=wire.graphs.cycles(cycles)
        )

    async def GetLineageGraph(
        self, request: graph_pb2.GetLineageGraphRequest, _: Any
    ) -> graph_pb2.GetLineageGraphResponse:
        async with self.db.read() as tx:
            version = await store.versions.get(tx, request.version_id, viewer())
            ancestry = await lineage.found(tx, version, viewer())
        runs = await self.engine.runs_of(list(ancestry.users), request.max_runs or _RUNS)
        graph = lineage.drawn(ancestry, await self._states(ancestry.links), runs)
        return graph_pb2.GetLineageGraphResponse(
            nodes=wire.graphs.nodes(graph),
            edges=wire.graphs.edges(graph),
            hidden_workflow_versions=ancestry.hidden,
            runs_unavailable=runs.unavailable,
            truncated=ancestry.more or runs.more,
        )

    async def ListDefinitionHistory(
        self, request: history_pb2.ListDefinitionHistoryRequest, _: Any
    ) -> history_pb2.ListDefinitionHistoryResponse:
        page = paging.parse(request, bound=(request.definition_id, viewer().id))
        async with self.db.read() as tx:
            found = await store.definitions.get(tx, request.definition_id, viewer())
            versions = await store.versions.listed(tx, found, viewer(), Wanted(MOST_ENTITIES - 1))
            may_share = await reaches(tx, viewer(), Level.DELETE, tables.definitions, found)
        ids = [found.id, *(one.id for one in versions)]
        changes, token = await self._changes(ids, page, may_share=may_share)
        return history_pb2.ListDefinitionHistoryResponse(entries=changes, next_page_token=token)

    async def ListWorkflowHistory(
        self, request: history_pb2.ListWorkflowHistoryRequest, _: Any
    ) -> history_pb2.ListWorkflowHistoryResponse:
        page = paging.parse(request, bound=(request.workflow_id, viewer().id))
        async with self.db.read() as tx:
            found = await store.workflows.find(tx, request.workflow_id, viewer())
            may_share = await reaches(tx, viewer(), Level.DELETE, tables.workflows, found)
        changes, token = await self._changes([found.id], page, may_share=may_share)
        return history_pb2.ListWorkflowHistoryResponse(entries=changes, next_page_token=token)

    async def _states(self, links: Iterable[Named]) -> dict[str, State]:
        """Whether the current caller finds what versions name, by node id."""
        states: dict[str, State] = {}
        named = list(links)
        for kind, things in (("DATA_SOURCE", self.linked.data_sources), ("SECRET", self.linked.secrets)):
            ids = {link.id: link.node_id for link in named if link.type == kind}
            states |= {ids[id_]: state for id_, state in (await things.states(ids)).items()}
        return states

    async def _changes(
        self, ids: Collection[str], page: Page, *, may_share: bool
    ) -> tuple[list[history_pb2.HistoryEntry], str]:
        """A page of what was done to the things of these ids, and the next page's token."""
        before = int(str(page.after[0])) if page.after else None
        without = NO_CHANGES if may_share else (*NO_CHANGES, *SHARING)
        changes, more = await self.log.changes(ids, page.size, before, without)
        token = paging.token((changes[-1].index,), page.bound) if more and changes else ""
        return wire.histories.entries(changes), token
