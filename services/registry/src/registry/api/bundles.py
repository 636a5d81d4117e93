"""Bundles of components and workflows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chassis import outbox
from chassis.ids import uuid7
from mcpanel.registry.v1 import bundle_pb2
from registry import wire
from registry.api.common import Base, viewer
from registry.bundles import contents, reading
from registry.bundles.contents import Bundle
from registry.bundles.exporting import Export
from registry.bundles.importing import Import, Known
from registry.domain.plans import refused
from registry.domain.versions import Link
from registry.links import Things


class Bundles(Base):
    """The RPCs about bundles."""

    async def ExportBundle(
        self, request: bundle_pb2.ExportBundleRequest, _: Any
    ) -> bundle_pb2.ExportBundleResponse:
        async with self.db.read() as tx:
            export = Export(tx, viewer(), request.only_named)
            await export.gather(request.components, request.workflows)
        return bundle_pb2.ExportBundleResponse(
            source=export.text(), references=wire.bundles.references(export.references())
        )

    async def ImportBundle(
        self, request: bundle_pb2.ImportBundleRequest, _: Any
    ) -> bundle_pb2.ImportBundleResponse:
        await self.db.answer_repeat()
        bundle = reading.taken(request.source).renamed(request.rename)
        known = await self._known(bundle, request)
        async with self.db.begin() as tx:
            plan = await Import(tx, viewer(), bundle, known).run()
            if plan.problems:
                raise refused(plan.problems, "WORKFLOW_INVALID" if plan.only_workflows else "INVALID_FIELD")
            if not request.validate_only:
                plan.refuse()
            if changes := plan.changes():
                await outbox.add(tx, entity=("bundle", uuid7(tx.now)), details=changes)
            else:
                outbox.covered(tx)  # there is nothing to record, though rows were tried to be inserted
            answer = bundle_pb2.ImportBundleResponse(
                items=wire.bundles.items(plan.items), missing=wire.bundles.references(plan.missing)
            )
            return tx.reply(answer)

    async def _known(self, bundle: Bundle, request: bundle_pb2.ImportBundleRequest) -> Known:
        """What others have to be asked before: of data sources, of approvers, and of long scripts."""
        sent = [one.sent for _, one in bundle.versions]
        sources = {name for one in sent for name in one.data_source_ids}
        secrets = {name for one in sent for name in one.secret_ids}
        contents.unknown(request.data_sources, sources, "data_sources", "data source")
        contents.unknown(request.secrets, secrets, "secrets", "secret")
        checked = {
            one.path: await self.inspector.check(one.sent.config_field, one.sent.config)
            for _, one in bundle.versions
        }
        strangers = {
            one.path: await self.people.strangers(one.parsed.draft.content) for one in bundle.workflows
        }
        return Known(
            await _links(self.linked.data_sources, sources, request.data_sources),
            await _links(self.linked.secrets, secrets, request.secrets),
            checked,
            strangers,
        )


async def _links(things: Things, names: set[str], mapped: Mapping[str, str]) -> dict[str, Link | None]:
    """What is here for the bundle's names: what stands for one keeps its name in the bundle."""
    found = await things.found({mapped.get(name, name) for name in names})
    links: dict[str, Link | None] = {}
    for name in sorted(names):
        link = found.get(mapped.get(name, name))
        links[name] = replace(link, name=name) if link is not None and name in mapped else link
    return links
