"""The registry's RPCs."""

from typing import Any, Final

from chassis import access, filtering, grants, outbox, paging, shares
from chassis.access import Level, Subject
from chassis.context import current
from chassis.database import Database
from chassis.fieldmask import paths
from chassis.ids import uuid7
from chassis.shares import Sharing
from mcpanel.registry.v1 import registry_pb2 as pb
from mcpanel.registry.v1.registry_pb2_grpc import RegistryServiceServicer
from registry import drafts, kinds, semver, store, tables, wire
from registry.component_types import component_types
from registry.domain import definitions, versions, workflows
from registry.domain.common import check_etag, search_words
from registry.inspection import Inspector
from registry.lenders import Lenders
from registry.links import DataSources, People
from registry.store.lookup import Wanted, orders, position

_MOST_SHARED: Final = 10_000


def viewer() -> Subject:
    """Whose rights count."""
    return access.subject(current())


class Registry(RegistryServiceServicer):
    """Answers RegistryService."""

    def __init__(
        self,
        db: Database,
        data_sources: DataSources,
        people: People,
        inspector: Inspector,
        *,
        sharing: Sharing,
    ) -> None:
        self.db = db
        self.sharing = sharing
        self.data_sources = data_sources
        self.people = people
        self.inspector = inspector
        self.lenders = Lenders(db, people, data_sources)

    async def CreateDefinition(
        self, request: pb.CreateDefinitionRequest, _: Any
    ) -> pb.CreateDefinitionResponse:
        first = wire.components.sent_version(request.initial_version, "initial_version")
        checked = await self.inspector.check(first.config_field, first.config)
        links = await self.data_sources.links(first.data_source_ids)
        async with self.db.begin() as tx:
            sent = wire.components.sent_definition(request.definition)
            definition = definitions.create(sent, id=uuid7(tx.now), owner_id=viewer().id, now=tx.now)
            if not await store.definitions.insert_new(tx, definition):
                raise definitions.name_taken(definition.name)
            answer = pb.CreateDefinitionResponse()
            if request.HasField("initial_version"):
                version = versions.create(
                    definition,
                    first,
                    links,
                    checked,
                    id=uuid7(tx.now),
                    created_by=viewer().id,
                    now=tx.now,
                    path="initial_version",
                )
                definition = definitions.with_latest(definition, version.version, tx.now)
                await store.versions.insert_new(tx, version)
                await store.definitions.save(tx, definition)
                await outbox.add(
                    tx, entity=("version", version.id), new=version.facts(), action="MCP_VERSION_CREATED"
                )
                answer.initial_version.CopyFrom(wire.components.version(version))
            await outbox.add(tx, entity=("definition", definition.id), new=definition.facts())
            answer.definition.CopyFrom(wire.components.definition(definition))
            return tx.reply(answer)

    async def GetDefinition(self, request: pb.GetDefinitionRequest, _: Any) -> pb.GetDefinitionResponse:
        async with self.db.read() as tx:
            found = await store.definitions.get(tx, request.definition_id, viewer())
        return pb.GetDefinitionResponse(definition=wire.components.definition(found))

    async def ListDefinitions(self, request: pb.ListDefinitionsRequest, _: Any) -> pb.ListDefinitionsResponse:
        types = kinds.named(request.type, "type")
        page = paging.parse(
            request, bound=(request.filter, request.query, types, request.order_by, viewer().id)
        )
        wanted = _wanted(request, page, types)
        async with self.db.read() as tx:
            found = await store.definitions.listed(tx, viewer(), wanted)
        items, token = page.cut(found, lambda one: position(one, wanted.orders))
        return pb.ListDefinitionsResponse(
            definitions=wire.components.definitions(items), next_page_token=token
        )

    async def UpdateDefinition(
        self, request: pb.UpdateDefinitionRequest, _: Any
    ) -> pb.UpdateDefinitionResponse:
        fields = paths(request.update_mask, request.definition, definitions.CHANGEABLE)
        async with self.db.begin() as tx:
            old = await store.definitions.get(tx, request.definition_id, viewer(), Level.EDIT, lock=True)
            new = definitions.update(old, wire.components.sent_definition(request.definition), fields, tx.now)
            if new.visibility != old.visibility:
                await store.definitions.get(tx, old.id, viewer(), Level.DELETE)
            if new != old:
                await store.definitions.save(tx, new)
                await outbox.add(tx, entity=("definition", old.id), old=old.facts(), new=new.facts())
            return tx.reply(pb.UpdateDefinitionResponse(definition=wire.components.definition(new)))

    async def DeleteDefinition(
        self, request: pb.DeleteDefinitionRequest, _: Any
    ) -> pb.DeleteDefinitionResponse:
        async with self.db.begin() as tx:
            old = await store.definitions.get(tx, request.definition_id, viewer(), Level.DELETE, lock=True)
            check_etag(request.etag, old.etag, f"definition {old.name!r}")
            if using := await store.definitions.used_by(tx, old, viewer()):
                raise definitions.in_use(old, using)
            await store.definitions.remove(tx, old)
            await outbox.add(tx, entity=("definition", old.id), old=old.facts())
            return tx.reply(pb.DeleteDefinitionResponse())

    async def CreateVersion(self, request: pb.CreateVersionRequest, _: Any) -> pb.CreateVersionResponse:
        sent = wire.components.sent_version(request.version, "version")
        checked = await self.inspector.check(sent.config_field, sent.config)
        links = await self.data_sources.links(sent.data_source_ids)
        async with self.db.begin() as tx:
            definition = await store.definitions.get(
                tx, request.definition_id, viewer(), Level.EDIT, lock=True
            )
            new = versions.create(
                definition, sent, links, checked, id=uuid7(tx.now), created_by=viewer().id, now=tx.now
            )
            if not await store.versions.insert_new(tx, new):
                raise versions.exists(definition, new.version)
            latest = versions.latest_after(definition.latest_version, new.version)
            await store.definitions.save(tx, definitions.with_latest(definition, latest, tx.now))
            await outbox.add(tx, entity=("version", new.id), new=new.facts())
            return tx.reply(pb.CreateVersionResponse(version=wire.components.version(new)))

    async def GetVersion(self, request: pb.GetVersionRequest, _: Any) -> pb.GetVersionResponse:
        async with self.db.read() as tx:
            found = await store.versions.get(tx, request.version_id, viewer())
        return pb.GetVersionResponse(version=wire.components.version(found))

    async def ListVersions(self, request: pb.ListVersionsRequest, _: Any) -> pb.ListVersionsResponse:
        page = paging.parse(request, bound=(request.definition_id, viewer().id))
        wanted = Wanted(page.limit, page.after)
        async with self.db.read() as tx:
            definition = await store.definitions.get(tx, request.definition_id, viewer())
            found = await store.versions.listed(tx, definition, wanted)
        items, token = page.cut(found, lambda one: position(one, wanted.orders))
        return pb.ListVersionsResponse(versions=wire.components.versions(items), next_page_token=token)

    async def DeprecateVersion(
        self, request: pb.DeprecateVersionRequest, _: Any
    ) -> pb.DeprecateVersionResponse:
        async with self.db.begin() as tx:
            definition = await store.versions.lock_definition(tx, request.version_id, viewer())
            old = await store.versions.get(tx, request.version_id, viewer())
            new = versions.deprecate(old, request.message, tx.now)
            if new != old:
                await store.versions.save(tx, new)
                latest = semver.newest(await store.versions.current(tx, definition))
                await store.definitions.save(tx, definitions.with_latest(definition, latest, tx.now))
                await outbox.add(tx, entity=("version", old.id), old=old.facts(), new=new.facts())
            return tx.reply(pb.DeprecateVersionResponse(version=wire.components.version(new)))

    async def ListComponentTypes(
        self, _request: pb.ListComponentTypesRequest, _: Any
    ) -> pb.ListComponentTypesResponse:
        return pb.ListComponentTypesResponse(component_types=component_types())

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
        page = paging.parse(request, bound=(request.filter, request.query, request.order_by, viewer().id))
        wanted = _wanted(request, page)
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

    async def CheckParts(self, request: pb.CheckPartsRequest, _: Any) -> pb.CheckPartsResponse:
        async with self.db.read() as tx:
            if request.HasField("workflow"):
                wanted = request.workflow
                parts = await store.parts.of_workflow(tx, wanted.workflow_id, wanted.version)
            else:
                parts = await store.parts.of_version(tx, request.version_id)
        return pb.CheckPartsResponse(missing=wire.parts.missing(await self.lenders.missing(parts)))


def _share(share: grants.Share) -> pb.TemplateShare:
    return shares.filled(pb.TemplateShare, share, "template_id")


def _wanted(
    request: pb.ListDefinitionsRequest | pb.ListWorkflowsRequest,
    page: paging.Page,
    types: tuple[str, ...] = (),
) -> Wanted:
    return Wanted(
        limit=page.limit,
        after=page.after,
        orders=orders(request.order_by),
        filter=filtering.parse(request.filter),
        words=search_words(request.query),
        types=types,
    )
