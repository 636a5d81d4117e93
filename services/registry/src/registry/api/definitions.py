"""Components, and what is known of their types."""

from typing import Any

from chassis import outbox, paging
from chassis.access import Level
from chassis.fieldmask import paths
from chassis.ids import uuid7
from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from registry import kinds, making, packages, store, submissions, wire
from registry.api.common import Base, bound, viewer, wanted_of
from registry.component_types import component_types
from registry.domain import definitions, versions
from registry.domain.common import check_etag, check_owner
from registry.store.lookup import position


class Definitions(Base):
    """The RPCs about definitions."""

    async def CreateDefinition(
        self, request: pb.CreateDefinitionRequest, _: Any
    ) -> pb.CreateDefinitionResponse:
        submissions.require_one(request.source, "definition", is_given=request.HasField("definition"))
        given, initial = (
            request.definition,
            request.initial_version if request.HasField("initial_version") else None,
        )
        if request.source:
            given, initial = submissions.component(request.source, "MCP" if request.collection else "")
        path = "source" if request.source else "initial_version"
        first = wire.components.sent_version(initial or component_pb2.Version(), path)
        checked = await self.inspector.check(first.config_field, first.config)
        document = packages.read(first)
        links = await self.linked.links(first)
        async with self.db.begin() as tx:
            sent = definitions.sent_to(request.collection, wire.components.sent_definition(given))
            definition = definitions.create(sent, id=uuid7(tx.now), owner_id=viewer().id, now=tx.now)
            if not await store.definitions.insert_new(tx, definition):
                raise definitions.name_taken(definition.name)
            answer = pb.CreateDefinitionResponse()
            if initial is not None:
                made = await making.check(tx, first, document, checked, viewer(), own_id=definition.id)
                version = versions.create(
                    definition,
                    first,
                    links,
                    made,
                    id=uuid7(tx.now),
                    created_by=viewer().id,
                    now=tx.now,
                    path=path,
                )
                await store.versions.insert_new(tx, version)
                if not version.draft:
                    definition = definitions.with_latest(definition, version.version, tx.now)
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
        definitions.require_of(request.collection, found, request.definition_id)
        return pb.GetDefinitionResponse(definition=wire.components.definition(found))

    async def ListDefinitions(self, request: pb.ListDefinitionsRequest, _: Any) -> pb.ListDefinitionsResponse:
        page = paging.parse(request, bound=bound(request))
        wanted = wanted_of(
            request,
            page,
            "stars",
            types=kinds.named(["MCP"] if request.collection else request.type, "type"),
            compliance=tuple(request.compliance),
            cost_tiers=kinds.named(request.cost_tier, "cost_tier", kinds.COST_TIERS, "cost tier"),
            is_starred=request.starred,
            has_deprecated=request.include_deprecated,
        )
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
            definitions.require_of(request.collection, old, request.definition_id)
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
            definitions.require_of(request.collection, old, request.definition_id)
            check_etag(request.etag, old.etag, f"definition {old.name!r}")
            if using := await store.definitions.used_by(tx, old, viewer()):
                raise definitions.in_use(old, using)
            await store.definitions.remove(tx, old)
            await outbox.add(tx, entity=("definition", old.id), old=old.facts())
            return tx.reply(pb.DeleteDefinitionResponse())

    async def StarDefinition(self, request: pb.StarDefinitionRequest, _: Any) -> pb.StarDefinitionResponse:
        async with self.db.begin() as tx:
            old = await store.definitions.get(tx, request.definition_id, viewer())
            new = old
            if not old.starred:
                new = await store.definitions.star(tx, old, viewer())
                await outbox.add(tx, entity=("definition", old.id), new={"name": old.name})
            return tx.reply(pb.StarDefinitionResponse(definition=wire.components.definition(new)))

    async def UnstarDefinition(
        self, request: pb.UnstarDefinitionRequest, _: Any
    ) -> pb.UnstarDefinitionResponse:
        async with self.db.begin() as tx:
            old = await store.definitions.get(tx, request.definition_id, viewer())
            new = old
            if old.starred:
                new = await store.definitions.unstar(tx, old, viewer())
                await outbox.add(tx, entity=("definition", old.id), old={"name": old.name})
            return tx.reply(pb.UnstarDefinitionResponse(definition=wire.components.definition(new)))

    async def TransferDefinition(
        self, request: pb.TransferDefinitionRequest, _: Any
    ) -> pb.TransferDefinitionResponse:
        await self.db.answer_repeat()
        async with self.db.read() as tx:
            seen = await store.definitions.get(tx, request.definition_id, viewer(), Level.DELETE)
        check_owner(viewer(), seen.owner_id, ("definition", seen.name))
        owner_id = await self.people.user(request.new_owner)
        async with self.db.begin() as tx:
            old = await store.definitions.get(tx, seen.id, viewer(), Level.DELETE, lock=True)
            check_owner(viewer(), old.owner_id, ("definition", old.name))
            check_etag(request.etag, old.etag, f"definition {old.name!r}")
            new = definitions.transferred(old, owner_id, tx.now)
            if new != old:
                await store.definitions.save(tx, new)
                await outbox.add(tx, entity=("definition", old.id), old=old.facts(), new=new.facts())
            return tx.reply(pb.TransferDefinitionResponse(definition=wire.components.definition(new)))

    async def ListComponentTypes(
        self, _request: pb.ListComponentTypesRequest, _: Any
    ) -> pb.ListComponentTypesResponse:
        return pb.ListComponentTypesResponse(component_types=component_types())
