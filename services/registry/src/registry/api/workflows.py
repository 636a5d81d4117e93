"""Workflows, their versions, and what those are made of."""

from typing import Any

from chassis import outbox, paging
from chassis.access import Level
from chassis.ids import uuid7
from mcpanel.registry.v1 import registry_pb2 as pb
from registry import drafts, kinds, store, wire
from registry.api.common import Base, bound, viewer, wanted_of
from registry.domain import workflows
from registry.domain.common import check_etag, check_owner
from registry.store.lookup import position


class Workflows(Base):
    """The RPCs about workflows."""

    async def CreateWorkflow(self, request: pb.CreateWorkflowRequest, _: Any) -> pb.CreateWorkflowResponse:
        sent = drafts.read(request, has_workflow=request.HasField("workflow"))
        strangers = await self.people.strangers(sent.draft.content)
        async with self.db.begin() as tx:
            found = await drafts.check(tx, sent, sent.draft.content, viewer(), strangers=strangers, lock=True)
            sent.refuse(found.problems)
            new = workflows.create(
                sent.draft, found.content, id=uuid7(tx.now), owner_id=viewer().id, now=tx.now
            )
            if not await store.workflows.insert_new(tx, new, viewer().id, found.uses):
                raise workflows.name_taken(new.name)
            await outbox.add(tx, entity=("workflow", new.id), new=new.facts())
            return tx.reply(pb.CreateWorkflowResponse(workflow=wire.workflows.workflow(new)))

    async def GetWorkflow(self, request: pb.GetWorkflowRequest, _: Any) -> pb.GetWorkflowResponse:
        async with self.db.read() as tx:
            ask = store.workflows.find if request.view == pb.BASIC else store.workflows.get
            found = await ask(tx, request.workflow_id, viewer())
        return pb.GetWorkflowResponse(workflow=wire.workflows.workflow(found))

    async def ListWorkflows(self, request: pb.ListWorkflowsRequest, _: Any) -> pb.ListWorkflowsResponse:
        page = paging.parse(request, bound=bound(request))
        statuses = kinds.named(request.status, "status", kinds.STATUSES, "status")
        wanted = wanted_of(request, page, statuses=statuses)
        async with self.db.read() as tx:
            found = await store.workflows.listed(tx, viewer(), wanted)
        items, token = page.cut(found, lambda one: position(one, wanted.orders))
        return pb.ListWorkflowsResponse(workflows=wire.workflows.workflows(items), next_page_token=token)

    async def UpdateWorkflow(self, request: pb.UpdateWorkflowRequest, _: Any) -> pb.UpdateWorkflowResponse:
        sent = drafts.read(request, has_workflow=request.HasField("workflow"))
        fields = sent.changed(request.update_mask, request.workflow)
        strangers = await self.people.strangers(sent.draft.content)
        async with self.db.begin() as tx:
            old = await store.workflows.get(tx, request.workflow_id, viewer(), Level.EDIT, lock="change")
            wanted, is_other = workflows.merged(old, sent.draft, fields)
            found = drafts.unchanged(sent, old)
            if is_other:
                found = await drafts.check(
                    tx, sent, wanted.content, viewer(), old, strangers=strangers, lock=True
                )
            sent.refuse(found.problems)
            new = workflows.update(old, workflows.with_content(wanted, found.content), tx.now)
            if new.visibility != old.visibility:
                await store.workflows.find(tx, old.id, viewer(), Level.DELETE)
            if new.version != old.version:
                await store.workflows.save_version(tx, new, viewer().id, found.uses)
            elif new != old:
                await store.workflows.save(tx, new)
            if new != old:
                await outbox.add(tx, entity=("workflow", old.id), old=old.facts(), new=new.facts())
            return tx.reply(pb.UpdateWorkflowResponse(workflow=wire.workflows.workflow(new)))

    async def DeleteWorkflow(self, request: pb.DeleteWorkflowRequest, _: Any) -> pb.DeleteWorkflowResponse:
        async with self.db.begin() as tx:
            old = await store.workflows.get(tx, request.workflow_id, viewer(), Level.DELETE, lock="delete")
            check_etag(request.etag, old.etag, f"workflow {old.name!r}")
            if using := await store.workflows.used_by(tx, old, viewer()):
                raise workflows.in_use(old, using)
            await store.workflows.remove(tx, old)
            await outbox.add(tx, entity=("workflow", old.id), old=old.facts())
            return tx.reply(pb.DeleteWorkflowResponse())

    async def TransferWorkflow(
        self, request: pb.TransferWorkflowRequest, _: Any
    ) -> pb.TransferWorkflowResponse:
        await self.db.answer_repeat()
        async with self.db.read() as tx:
            seen = await store.workflows.find(tx, request.workflow_id, viewer(), Level.DELETE)
        check_owner(viewer(), seen.owner_id, ("workflow", seen.name))
        owner_id = await self.people.user(request.new_owner)
        async with self.db.begin() as tx:
            old = await store.workflows.get(tx, seen.id, viewer(), Level.DELETE, lock="change")
            check_owner(viewer(), old.owner_id, ("workflow", old.name))
            check_etag(request.etag, old.etag, f"workflow {old.name!r}")
            new = workflows.transferred(old, owner_id, tx.now)
            if new != old:
                await store.workflows.save(tx, new)
                await outbox.add(tx, entity=("workflow", old.id), old=old.facts(), new=new.facts())
            return tx.reply(pb.TransferWorkflowResponse(workflow=wire.workflows.workflow(new)))

    async def ValidateWorkflow(
        self, request: pb.ValidateWorkflowRequest, _: Any
    ) -> pb.ValidateWorkflowResponse:
        sent = drafts.read(request, has_workflow=request.HasField("workflow"))
        strangers = await self.people.strangers(sent.draft.content)
        async with self.db.read() as tx:
            found = await drafts.check(tx, sent, sent.draft.content, viewer(), strangers=strangers)
        answer = pb.ValidateWorkflowResponse(
            valid=not found.problems, problems=wire.workflows.problems(found.problems)
        )
        if not found.problems:
            answer.workflow.CopyFrom(wire.workflows.drafted(sent.draft, found.content))
        return answer

    async def ListWorkflowVersions(
        self, request: pb.ListWorkflowVersionsRequest, _: Any
    ) -> pb.ListWorkflowVersionsResponse:
        page = paging.parse(request, bound=(request.workflow_id, viewer().id))
        before = int(str(page.after[0])) if page.after else None
        async with self.db.read() as tx:
            workflow = await store.workflows.find(tx, request.workflow_id, viewer())
            found = await store.workflows.listed_versions(tx, workflow, before, page.limit)
        items, token = page.cut(found, lambda one: (one.version,))
        return pb.ListWorkflowVersionsResponse(
            workflows=wire.workflows.workflows(items), next_page_token=token
        )

    async def GetWorkflowVersion(
        self, request: pb.GetWorkflowVersionRequest, _: Any
    ) -> pb.GetWorkflowVersionResponse:
        async with self.db.read() as tx:
            found = await store.workflows.get_version(tx, request.workflow_id, request.version, viewer())
        return pb.GetWorkflowVersionResponse(workflow=wire.workflows.workflow(found))

    async def CheckParts(self, request: pb.CheckPartsRequest, _: Any) -> pb.CheckPartsResponse:
        async with self.db.read() as tx:
            if request.HasField("workflow"):
                wanted = request.workflow
                parts = await store.parts.of_workflow(tx, wanted.workflow_id, wanted.version)
            else:
                parts = await store.parts.of_version(tx, request.version_id)
        return pb.CheckPartsResponse(missing=wire.parts.missing(await self.lenders.missing(parts)))
