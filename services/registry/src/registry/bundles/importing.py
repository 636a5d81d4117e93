"""What becomes of a bundle here: planned by doing it, in a transaction that is rolled back when it is a plan only."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from chassis import outbox
from chassis.access import Level, Subject
from chassis.database import Transaction
from chassis.errors import Denied, Invalid, NotFound
from chassis.ids import uuid7
from registry import drafts, graph, making, packages, semver, store
from registry.bundles.contents import Bundle, ComponentEntry, VersionEntry, WorkflowEntry
from registry.configs import Checked
from registry.domain import definitions, versions, workflows
from registry.domain.content import Content
from registry.domain.definitions import Definition
from registry.domain.plans import Item, Plan, Reference
from registry.domain.problems import Problem
from registry.domain.versions import Link, Links, Version
from registry.domain.workflows import CHANGEABLE, Workflow

_LABELS: Final = frozenset(definitions.CHANGEABLE) - {"visibility"}
_KEPT: Final = frozenset({"visibility"})
"""What counts of what is created only: who may see what is here already is not a bundle's business."""
_SAME: Final = (
    "config_digest",
    "input_schema",
    "output_schema",
    "data_sources",
    "secrets",
    "tags",
    "changelog",
    "effect",
)
_RENAME: Final = "import it under another name, with rename"


class _Facts(Protocol):
    """What the action log keeps something of."""

    def facts(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Known:
    """What was asked of others before."""

    data_sources: Mapping[str, Link | None]
    """The data sources of the bundle, by its names; None for those that the caller does not find here."""
    secrets: Mapping[str, Link | None]
    """Its secrets, likewise."""
    checked: Mapping[str, Checked]
    """What was found in the configs of versions, by their paths."""
    strangers: Mapping[str, Mapping[str, tuple[str, str]]]
    """The approvers who cannot decide, by the paths of workflows."""


@dataclass(slots=True)
class Import:
    """One bundle being taken in."""

    tx: Transaction
    viewer: Subject
    bundle: Bundle
    known: Known
    plan: Plan = field(default_factory=Plan)
    blocked: set[str] = field(default_factory=set)
    """The names of the bundle's components and workflows that cannot be here, so that nothing can run them."""

    async def run(self) -> Plan:
        """Takes everything, and says what became of it; what cannot be is left out and told."""
        deprecated: list[tuple[Version, str]] = []
        for component in self._components_in_order():
            deprecated += await self._component(component)
        for workflow in self._in_order():
            await self._workflow(workflow)
        for version, message in deprecated:  # last, as workflows of the bundle may run them
            await self._deprecate(version, message)
        return self.plan

    async def _component(self, entry: ComponentEntry) -> list[tuple[Version, str]]:
        """Takes a component; returns its new versions that are deprecated, and why."""
        sent = entry.sent
        current = await self._definition(sent.name)
        if current is None:
            if (created := await self._create(sent)) is not None:
                return await self._versions(created, entry)
            current = await self._definition(sent.name)  # somebody was faster
        if current is None:
            text = f"the name is taken by a component that you may not see; {_RENAME}"
            self._conflict(Item("COMPONENT", sent.name, "CONFLICT", message=text))
            return []
        if current.type != sent.type:
            text = f"it is here already, of type {current.type} and not {sent.type}; {_RENAME}"
            self._conflict(Item("COMPONENT", sent.name, "CONFLICT", id=current.id, message=text))
            return []
        changed = definitions.update(current, sent, _LABELS, self.tx.now)
        if changed != current:
            if not await self._may_change(current, "COMPONENT"):
                return []
            await store.definitions.save(self.tx, changed)
            await self._changed("MCP_UPDATED", ("definition", current.id), current, changed)
        action = "UPDATE" if changed != current else "UNCHANGED"
        self.plan.items.append(Item("COMPONENT", sent.name, action, id=current.id))
        return await self._versions(changed, entry)

    async def _create(self, sent: definitions.Sent) -> Definition | None:
        """The new definition; None when its name is taken."""
        new = definitions.create(sent, id=uuid7(self.tx.now), owner_id=self.viewer.id, now=self.tx.now)
        if not await store.definitions.insert_new(self.tx, new):
            return None
        await outbox.add(self.tx, entity=("definition", new.id), new=new.facts(), action="MCP_CREATED")
        self.plan.items.append(Item("COMPONENT", new.name, "CREATE", id=new.id))
        return new

    async def _versions(self, definition: Definition, entry: ComponentEntry) -> list[tuple[Version, str]]:
        deprecated: list[tuple[Version, str]] = []
        latest = definition
        for one in entry.versions:
            new = await self._new_version(definition, one)
            if new is None:
                continue
            item = Item("VERSION", definition.name, "CREATE", new.version, new.id)
            existing = await store.versions.named(self.tx, definition, new.version)
            if existing is not None:
                self._compare(item, existing, new, has_tools=bool(one.tools))
                continue
            if not await self._may_change(definition, "VERSION", new.version):
                continue
            await store.versions.insert_new(self.tx, new)
            await outbox.add(
                self.tx, entity=("version", new.id), new=new.facts(), action="MCP_VERSION_CREATED"
            )
            if not new.draft:
                newest = versions.latest_after(latest.latest_version, new.version)
                latest = definitions.with_latest(latest, newest, self.tx.now)
            self.plan.items.append(item)
            if one.deprecated is not None and not new.draft:
                deprecated.append((new, one.deprecated))
        if latest != definition:
            await store.definitions.save(self.tx, latest)
        return deprecated

    async def _new_version(self, definition: Definition, entry: VersionEntry) -> Version | None:
        """The version as it would be here; None when it cannot be, which is a problem of the bundle then."""
        data_sources = self._links("DATA_SOURCE", definition, entry, self.known.data_sources)
        secrets = self._links("SECRET", definition, entry, self.known.secrets)
        checked, document = self.known.checked[entry.path], packages.read(entry.sent)
        made = await making.check(self.tx, entry.exact, document, checked, self.viewer, own_id=definition.id)
        try:
            return versions.create(
                definition,
                entry.sent,
                Links(data_sources, secrets),
                made,
                id=uuid7(self.tx.now),
                created_by=self.viewer.id,
                now=self.tx.now,
                path=entry.path,
            )
        except Invalid as error:
            for one in error.fields:
                place = self.bundle.place(one.field)
                self.plan.problems.append(Problem("", one.field, one.description, "", *place))
            self.blocked.add(definition.name)
            return None

    def _links(
        self, kind: str, definition: Definition, entry: VersionEntry, known: Mapping[str, Link | None]
    ) -> tuple[Link, ...]:
        """What a version names of a kind. What is not here is missing then, and stands there without an id."""
        names = entry.sent.secret_ids if kind == "SECRET" else entry.sent.data_source_ids
        for name in names:
            if known[name] is None:
                used_by = f"component '{definition.name}@{entry.sent.version}'"
                fix = f"create it, or say with {kind.lower()}s which one here stands for {name!r}"
                self.plan.missing.append(Reference(kind, name, used_by, fix))
        return tuple(known[name] or Link("", name) for name in names)

    def _compare(self, item: Item, existing: Version, new: Version, *, has_tools: bool) -> None:
        """`has_tools` is whether the bundle says which versions it calls; else any are the same."""
        others = [name for name in _SAME if getattr(existing, name) != getattr(new, name)]
        if has_tools and existing.calls != new.calls:
            others.append("tools")
        if not others:
            self.plan.items.append(replace(item, action="UNCHANGED", id=existing.id))
            return
        text = f"it is here already with another {' and '.join(others)}, and versions never change"
        fix = f"give it another number, or {_RENAME.replace('it', 'the component', 1)}"
        self._conflict(replace(item, action="CONFLICT", id=existing.id, message=f"{text}; {fix}"))

    async def _deprecate(self, version: Version, message: str) -> None:
        new = versions.deprecate(version, message, self.tx.now)
        await store.versions.save(self.tx, new)
        definition = await store.definitions.get(self.tx, version.definition_id, self.viewer)
        newest = semver.newest(await store.versions.current(self.tx, definition))
        await store.definitions.save(self.tx, definitions.with_latest(definition, newest, self.tx.now))
        await self._changed("MCP_VERSION_DEPRECATED", ("version", new.id), version, new)

    def _components_in_order(self) -> list[ComponentEntry]:
        """The components by their names, so that two imports at once do not wait for each other; packages and
        assistants after what they are made of.
        """
        entries = {
            one.sent.name: one for one in sorted(self.bundle.components, key=lambda one: one.sent.name)
        }
        needs = {name: one.made_of & entries.keys() for name, one in entries.items()}
        if circle := graph.cycle(needs):
            path = entries[circle[0]].path
            text = f"the components are made of each other in a circle: {' → '.join(circle)}"
            place = self.bundle.place(path)
            self.plan.problems.append(Problem("", path, text, "leave one of them out", *place))
            return []
        return [entries[name] for name in graph.order(needs)]

    def _in_order(self) -> list[WorkflowEntry]:
        """The workflows, each after those it runs."""
        entries = {one.name: one for one in self.bundle.workflows}
        needs = {name: one.calls & entries.keys() for name, one in entries.items()}
        if circle := graph.cycle(needs):
            path = f"{entries[circle[0]].path}.steps"
            text = f"the workflows run each other in a circle: {' → '.join(circle)}"
            place = self.bundle.place(path)
            self.plan.problems.append(Problem("", path, text, "let one of them not run the next", *place))
            return []
        return [entries[name] for name in graph.order(needs)]

    async def _workflow(self, entry: WorkflowEntry) -> None:
        draft = entry.parsed.draft
        if not await self._has_parts(entry):
            self.blocked.add(draft.name)
            self.plan.items.append(Item("WORKFLOW", draft.name, "MISSING"))
            return
        old = await self._current_workflow(draft.name)
        sent = drafts.Sent(draft, entry.parsed)
        found = await drafts.check(
            self.tx,
            sent,
            _exact(draft.content, entry.pins),
            self.viewer,
            old,
            strangers=self.known.strangers.get(entry.path, {}),
            lock=True,
        )
        if found.problems:
            self.blocked.add(draft.name)
            self.plan.problems += [replace(one, field=f"{entry.path}.{one.field}") for one in found.problems]
            return
        content = _as_written(found.content, draft.content)
        if old is None:
            if await self._create_workflow(draft, content, found):
                return
            old = await self._current_workflow(draft.name)  # somebody was faster
        if old is None:
            text = f"the name is taken by a workflow that you may not see; {_RENAME}"
            self._conflict(Item("WORKFLOW", draft.name, "CONFLICT", message=text))
            return
        await self._update_workflow(old, draft, content, found)

    async def _create_workflow(self, draft: workflows.Draft, content: Content, found: drafts.Checked) -> bool:
        """Creates a workflow; False when its name is taken."""
        new = workflows.create(
            draft, content, id=uuid7(self.tx.now), owner_id=self.viewer.id, now=self.tx.now
        )
        if not await store.workflows.insert_new(self.tx, new, self.viewer.id, found.uses):
            return False
        await outbox.add(self.tx, entity=("workflow", new.id), new=new.facts(), action="WORKFLOW_CREATED")
        self.plan.items.append(Item("WORKFLOW", new.name, "CREATE", "1", new.id))
        return True

    async def _update_workflow(
        self, old: Workflow, draft: workflows.Draft, content: Content, found: drafts.Checked
    ) -> None:
        wanted, _ = workflows.merged(old, replace(draft, etag=""), frozenset(CHANGEABLE) - _KEPT)
        new = workflows.update(old, workflows.with_content(wanted, content), self.tx.now)
        item = Item("WORKFLOW", old.name, "UNCHANGED", str(new.version), old.id)
        if new != old:
            try:
                await store.workflows.find(self.tx, old.id, self.viewer, Level.EDIT)
            except Denied:
                text = (
                    f"it is here already, is another, and you may not change it; ask its owner, or {_RENAME}"
                )
                self._conflict(replace(item, action="CONFLICT", version=str(old.version), message=text))
                return
            if new.version != old.version:
                await store.workflows.save_version(self.tx, new, self.viewer.id, found.uses)
            else:
                await store.workflows.save(self.tx, new)
            await self._changed("WORKFLOW_UPDATED", ("workflow", old.id), old, new)
            item = replace(item, action="UPDATE" if new.version == old.version else "NEW_VERSION")
        self.plan.items.append(item)

    async def _has_parts(self, entry: WorkflowEntry) -> bool:
        """Whether there is all that a workflow runs; what there is not is missing then."""
        components = {step.component.partition("@")[0] for step in entry.steps if step.component}
        there = await store.versions.components(self.tx, components, self.viewer)
        callees = await store.workflows.callees(self.tx, entry.calls, self.viewer) if entry.calls else {}
        used_by = f"workflow '{entry.name}'"
        has_all = not self.blocked & (components | entry.calls)
        for kind, names in (
            ("COMPONENT", components - there.keys()),
            ("WORKFLOW", entry.calls - callees.keys()),
        ):
            for name in sorted(names - self.blocked):
                fix = "add it to the bundle, create it here first, or ask its owner to share it with you"
                self.plan.missing.append(Reference(kind, name, used_by, fix))
                has_all = False
        return has_all

    async def _changed(self, action: str, entity: tuple[str, str], old: _Facts, new: _Facts) -> None:
        await outbox.add(self.tx, entity=entity, action=action, old=old.facts(), new=new.facts())

    async def _definition(self, name: str) -> Definition | None:
        try:
            return await store.definitions.get(self.tx, name, self.viewer, lock=True)
        except NotFound:
            return None

    async def _current_workflow(self, name: str) -> Workflow | None:
        try:
            return await store.workflows.get(self.tx, name, self.viewer, lock="change")
        except NotFound:
            return None

    async def _may_change(self, definition: Definition, kind: str, version: str = "") -> bool:
        try:
            await store.definitions.get(self.tx, definition.id, self.viewer, Level.EDIT)
        except Denied:
            text = f"the component is here already, and you may not change it; ask its owner, or {_RENAME}"
            self._conflict(Item(kind, definition.name, "CONFLICT", version, message=text))
            return False
        return True

    def _conflict(self, item: Item) -> None:
        self.blocked.add(item.name)
        self.plan.items.append(item)


def _exact(content: Content, pins: Mapping[str, str]) -> Content:
    """The content with its components at the exact versions that were written down."""
    steps = (
        replace(step, component=f"{step.component.partition('@')[0]}@{pins[step.id]}")
        if step.component and step.id in pins
        else step
        for step in content.steps
    )
    return replace(content, steps=tuple(steps))


def _as_written(content: Content, written: Content) -> Content:
    """The pinned content, which names its components as it was written."""
    steps = (
        replace(step, component=one.component) for step, one in zip(content.steps, written.steps, strict=True)
    )
    return replace(content, steps=tuple(steps))
