"""The immutable versions of components."""

from collections.abc import Callable
from typing import Any

from chassis import outbox, paging
from chassis.access import Level
from chassis.database import Transaction
from chassis.ids import uuid7
from mcpanel.registry.v1 import registry_pb2 as pb
from registry import making, packages, semver, store, submissions, wire
from registry.api.common import Base, viewer
from registry.domain import definitions, versions
from registry.domain.versions import Version
from registry.domain.workflows import Draft
from registry.store.lookup import Wanted, position


class Versions(Base):
    """The RPCs about versions."""

    async def CreateVersion(self, request: pb.CreateVersionRequest, _: Any) -> pb.CreateVersionResponse:
        submissions.require_one(request.source, "version", is_given=request.HasField("version"))
        given, path = request.version, "version"
        if request.source:
            await self.db.answer_repeat()
            async with self.db.read() as tx:
                of = await store.definitions.get(tx, request.definition_id, viewer(), Level.EDIT)
            given, path = submissions.version(request.source, name=of.name, type=of.type), "source"
        sent = wire.components.sent_version(given, path)
        checked = await self.inspector.check(sent.config_field, sent.config)
        document = packages.read(sent)
        links = await self.linked.links(sent)
        async with self.db.begin() as tx:
            definition = await store.definitions.get(
                tx, request.definition_id, viewer(), Level.EDIT, lock=True
            )
            made = await making.check(tx, sent, document, checked, viewer(), own_id=definition.id)
            new = versions.create(
                definition,
                sent,
                links,
                made,
                id=uuid7(tx.now),
                created_by=viewer().id,
                now=tx.now,
                path=path,
            )
            if not await store.versions.insert_new(tx, new):
                raise versions.exists(definition, new.version)
            if not new.draft:
                latest = versions.latest_after(definition.latest_version, new.version)
                await store.definitions.save(tx, definitions.with_latest(definition, latest, tx.now))
            await outbox.add(tx, entity=("version", new.id), new=new.facts())
            return tx.reply(pb.CreateVersionResponse(version=wire.components.version(new)))

    async def GetVersion(self, request: pb.GetVersionRequest, _: Any) -> pb.GetVersionResponse:
        async with self.db.read() as tx:
            found = await store.versions.get(tx, request.version_id, viewer())
        answer = pb.GetVersionResponse(version=wire.components.version(found))
        if found.package is not None:
            answer.package.CopyFrom(wire.workflows.drafted(Draft(), found.package))
        return answer

    async def ListVersions(self, request: pb.ListVersionsRequest, _: Any) -> pb.ListVersionsResponse:
        page = paging.parse(request, bound=(request.definition_id, viewer().id))
        wanted = Wanted(page.limit, page.after)
        async with self.db.read() as tx:
            definition = await store.definitions.get(tx, request.definition_id, viewer())
            found = await store.versions.listed(tx, definition, viewer(), wanted)
        items, token = page.cut(found, lambda one: position(one, wanted.orders))
        return pb.ListVersionsResponse(versions=wire.components.versions(items), next_page_token=token)

    async def DeprecateVersion(
        self, request: pb.DeprecateVersionRequest, _: Any
    ) -> pb.DeprecateVersionResponse:
        async with self.db.begin() as tx:
            new = await _moved(
                tx, request.version_id, lambda old: versions.deprecate(old, request.message, tx.now)
            )
            return tx.reply(pb.DeprecateVersionResponse(version=wire.components.version(new)))

    async def UndeprecateVersion(
        self, request: pb.UndeprecateVersionRequest, _: Any
    ) -> pb.UndeprecateVersionResponse:
        async with self.db.begin() as tx:
            new = await _moved(tx, request.version_id, versions.undeprecate)
            return tx.reply(pb.UndeprecateVersionResponse(version=wire.components.version(new)))

    async def PublishVersion(self, request: pb.PublishVersionRequest, _: Any) -> pb.PublishVersionResponse:
        async with self.db.begin() as tx:
            new = await _moved(tx, request.version_id, versions.publish)
            return tx.reply(pb.PublishVersionResponse(version=wire.components.version(new)))


async def _moved(tx: Transaction, key: str, move: Callable[[Version], Version]) -> Version:
    """The version after the move, stored and recorded with its definition's newest one when that changes something."""
    definition = await store.versions.lock_definition(tx, key, viewer())
    old = await store.versions.get(tx, key, viewer())
    new = move(old)
    if new != old:
        await store.versions.save(tx, new)
        latest = semver.newest(await store.versions.current(tx, definition))
        await store.definitions.save(tx, definitions.with_latest(definition, latest, tx.now))
        await outbox.add(tx, entity=("version", old.id), old=old.facts(), new=new.facts())
    return new
