"""Components, and what is known of their types."""

from typing import Any

from chassis import outbox, paging
from chassis.access import Level
from chassis.fieldmask import paths
from chassis.ids import uuid7
from mcpanel.registry.v1 import registry_pb2 as pb
from registry import kinds, packages, store, wire
from registry.api.common import Base, viewer, wanted_of
from registry.component_types import component_types
from registry.domain import definitions, versions
from registry.domain.common import check_etag
from registry.store.lookup import position


class Definitions(Base):
    """The RPCs about definitions."""

    async def CreateDefinition(
        self, request: pb.CreateDefinitionRequest, _: Any
    ) -> pb.CreateDefinitionResponse:
        first = wire.components.sent_version(request.initial_version, "initial_version")
        checked = await self.inspector.check(first.config_field, first.config)
        document = packages.read(first)
        links = await self.linked.links(first)
        async with self.db.begin() as tx:
            sent = wire.components.sent_definition(request.definition)
            definition = definitions.create(sent, id=uuid7(tx.now), owner_id=viewer().id, now=tx.now)
            if not await store.definitions.insert_new(tx, definition):
                raise definitions.name_taken(definition.name)
            answer = pb.CreateDefinitionResponse()
            if request.HasField("initial_version"):
                checked, package = await packages.check(tx, document, checked, viewer(), definition.id)
                version = versions.create(
                    definition,
                    first,
                    links,
                    checked,
                    id=uuid7(tx.now),
                    created_by=viewer().id,
                    now=tx.now,
                    path="initial_version",
                    package=package,
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
        wanted = wanted_of(request, page, types)
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

    async def ListComponentTypes(
        self, _request: pb.ListComponentTypesRequest, _: Any
    ) -> pb.ListComponentTypesResponse:
        return pb.ListComponentTypesResponse(component_types=component_types())
