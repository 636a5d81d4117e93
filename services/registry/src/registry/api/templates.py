"""What definitions and workflows share: being shared."""

from typing import Any, Final

from chassis import grants, paging, shares
from chassis.access import Level, Subject
from mcpanel.registry.v1 import registry_pb2 as pb
from registry import store, tables
from registry.api.common import Base, viewer

_MOST_SHARED: Final = 10_000


class Templates(Base):
    """The RPCs about templates."""

    async def ShareTemplate(self, request: pb.ShareTemplateRequest, _: Any) -> pb.ShareTemplateResponse:
        await self.db.answer_repeat()
        async with self.db.read() as tx:
            await store.templates.get(tx, request.template_id, viewer(), Level.DELETE)
        grant = await self.sharing.wanted(request.share)
        async with self.db.begin() as tx:
            target = await store.templates.get(tx, request.template_id, viewer(), Level.DELETE, lock=True)
            share = await self.sharing.give(tx, target, grant)
            return tx.reply(pb.ShareTemplateResponse(share=_share(share)))

    async def ListTemplateShares(
        self, request: pb.ListTemplateSharesRequest, _: Any
    ) -> pb.ListTemplateSharesResponse:
        page = paging.parse(request, bound=request.template_id)
        async with self.db.read() as tx:
            target = await store.templates.get(tx, request.template_id, viewer(), Level.DELETE)
            found = await grants.page(tx, tables.grants, target, page.after, page.limit)
        items, token = page.cut(found, lambda one: (one.created_at, one.id))
        return pb.ListTemplateSharesResponse(shares=[_share(one) for one in items], next_page_token=token)

    async def RevokeTemplateShare(
        self, request: pb.RevokeTemplateShareRequest, _: Any
    ) -> pb.RevokeTemplateShareResponse:
        async with self.db.begin() as tx:
            target = await store.templates.get(tx, request.template_id, viewer(), Level.DELETE, lock=True)
            await self.sharing.take(tx, target, request.share_id)
            return tx.reply(pb.RevokeTemplateShareResponse())

    async def GetSharedWorkflows(
        self, request: pb.GetSharedWorkflowsRequest, _: Any
    ) -> pb.GetSharedWorkflowsResponse:
        somebody = Subject(request.subject_id, frozenset(request.role_names))
        async with self.db.read() as tx:
            found = await grants.given_to(tx, tables.grants, "workflow", somebody, _MOST_SHARED)
        shared = [
            pb.GetSharedWorkflowsResponse.Shared(workflow_id=id_, permission=level.name)
            for id_, level in found.items()
        ]
        return pb.GetSharedWorkflowsResponse(workflows=shared)


def _share(share: grants.Share) -> pb.TemplateShare:
    return shares.filled(pb.TemplateShare, share, "template_id")
