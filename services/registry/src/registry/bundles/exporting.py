"""What is in a bundle: what was asked for, and what that runs, as far as the caller may see it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from chassis.access import Subject
from chassis.database import Transaction
from chassis.errors import NotFound, Precondition, TooLarge
from registry import resolution, store
from registry.bundles import rendering
from registry.bundles.reading import MOST_COMPONENTS, MOST_VERSIONS, MOST_WORKFLOWS
from registry.domain.content import Pin, Step, WorkflowPin
from registry.domain.definitions import Definition
from registry.domain.plans import Reference
from registry.domain.versions import Version, not_found
from registry.domain.workflows import Workflow
from registry.domain.workflows import not_found as no_workflow
from registry.store.lookup import Wanted

MAX_BYTES: Final = 3 * 1024 * 1024
"""How large a bundle may be: what ImportBundle takes."""
_ALL: Final = "*"


@dataclass(slots=True)
class Export:
    """What is in the bundle, by id, and what it refers to besides."""

    tx: Transaction
    viewer: Subject
    only_named: bool
    definitions: dict[str, Definition] = field(default_factory=dict)
    versions: dict[str, dict[str, Version]] = field(default_factory=dict)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    holders: list[Version] = field(default_factory=list)
    """The packages and assistants whose components were not looked at yet."""
    left_out: dict[tuple[str, str], Reference] = field(default_factory=dict)

    async def gather(self, components: Sequence[str], workflows: Sequence[str]) -> None:
        """Takes what was asked for, and what that runs. Raises NotFound, Precondition BUNDLE_AMBIGUOUS and TooLarge."""
        for text in components:
            await self._add_named(text)
        for text in workflows:
            key, _, number = text.partition("@")
            await self._take(key, _number(number, text))
        ahead = list(self.workflows.values())
        while ahead:
            workflow = ahead.pop()
            used_by = f"workflow '{workflow.name}'"
            for step in workflow.content.steps:
                if step.pin is not None:
                    await self._component(used_by, step, step.pin)
                if step.workflow_pin is not None:
                    ahead += [one async for one in self._callee(workflow, step, step.workflow_pin)]
            self._bound()
        while self.holders:
            holder = self.holders.pop()
            used_by = f"component '{holder.definition_name}@{holder.version}'"
            for step in holder.parts.steps if holder.parts is not None else ():
                if step.pin is not None:
                    await self._component(used_by, step, step.pin)
            self._bound()

    def text(self) -> str:
        """The bundle. Raises TooLarge when it is larger than an import takes."""
        components = [
            (definition, list(self.versions.get(id_, {}).values()))
            for id_, definition in self.definitions.items()
        ]
        names = {one.name for one in self.workflows.values()}
        found = rendering.bundle(components, list(self.workflows.values()), names)
        if len(found.encode()) > MAX_BYTES:
            raise _too_large(f"the bundle would be larger than {MAX_BYTES // 1024**2} MiB")
        return found

    def references(self) -> Iterator[Reference]:
        """What the bundle refers to and does not hold."""
        yield from self.left_out.values()
        for id_, versions in self.versions.items():
            for one in rendering.in_order(list(versions.values())):
                used_by = f"component '{self.definitions[id_].name}@{one.version}'"
                for kind, links in (("DATA_SOURCE", one.data_sources), ("SECRET", one.secrets)):
                    word = f"{kind.lower()}s"
                    what = f"create a {kind.lower().replace('_', ' ')} of this name"
                    fix = f"where it is imported, {what}, or map it in {word}"
                    yield from (Reference(kind, link.name, used_by, fix) for link in links)

    async def _add_named(self, text: str) -> None:
        key, at, wanted = text.partition("@")
        definition = await store.definitions.get(self.tx, key, self.viewer)
        self.definitions[definition.id] = definition
        listed = await store.versions.listed(self.tx, definition, self.viewer, Wanted(MOST_VERSIONS + 1))
        if wanted == _ALL:
            chosen = listed
        else:
            number = wanted if at else definition.latest_version
            chosen = [one for one in listed if one.version == number]
            if at and not chosen:
                raise not_found(text)
        for one in chosen:
            await self._add(one.id, definition)
            self._bound()

    async def _add(self, version_id: str, definition: Definition) -> None:
        known = self.versions.setdefault(definition.id, {})
        if version_id not in known:
            known[version_id] = found = await store.versions.get(self.tx, version_id, self.viewer)
            self.holders += [found] if found.parts is not None else []

    async def _component(self, used_by: str, step: Step, pin: Pin) -> None:
        if pin.version_id in self.versions.get(pin.definition_id, {}):
            return
        name = resolution.parse(step.component).name
        if self.only_named:
            self._leave_out(
                "COMPONENT", f"{name}@{pin.version}", used_by, "ask for it too, or have it where you import"
            )
            return
        try:
            if pin.definition_id not in self.definitions:
                found = await store.definitions.get(self.tx, pin.definition_id, self.viewer)
                self.definitions[found.id] = found
            await self._add(pin.version_id, self.definitions[pin.definition_id])
        except NotFound:
            fix = "it was deleted, or you may not see it: have it where you import, or ask its owner to share it"
            self._leave_out("COMPONENT", f"{name}@{pin.version}", used_by, fix)

    async def _callee(self, workflow: Workflow, step: Step, pin: WorkflowPin) -> AsyncIterator[Workflow]:
        name = step.workflow.partition("@")[0]
        known = self.workflows.get(pin.workflow_id)
        if known is None and not self.only_named:
            try:
                yield await self._take(pin.workflow_id, pin.version)
            except NotFound:
                fix = "it was deleted, or you may not see it: have it where you import, or ask its owner to share it"
                self._leave_out("WORKFLOW", f"{name}@{pin.version}", f"workflow '{workflow.name}'", fix)
        elif known is None:
            self._leave_out(
                "WORKFLOW",
                f"{name}@{pin.version}",
                f"workflow '{workflow.name}'",
                "ask for it too, or have it where you import",
            )
        elif known.version != pin.version:
            raise Precondition(
                "BUNDLE_AMBIGUOUS",
                f"a bundle has one version of a workflow, and this one would need two of {name!r}: "
                f"version {known.version}, and version {pin.version}, which step {step.id!r} of {workflow.name!r} "
                f"runs; save {workflow.name!r} again so that it runs the newest, or ask for {name}@{pin.version}",
                metadata={"workflow": name, "versions": f"{known.version},{pin.version}"},
            )

    async def _take(self, key: str, version: int) -> Workflow:
        if version:
            found = await store.workflows.get_version(self.tx, key, version, self.viewer)
        else:
            found = await store.workflows.get(self.tx, key, self.viewer)
        self.workflows.setdefault(found.id, found)
        return found

    def _leave_out(self, kind: str, name: str, used_by: str, fix: str) -> None:
        self.left_out.setdefault((kind, name), Reference(kind, name, used_by, fix))

    def _bound(self) -> None:
        counts = (
            ("components", len(self.definitions), MOST_COMPONENTS),
            ("versions", sum(map(len, self.versions.values())), MOST_VERSIONS),
            ("workflows", len(self.workflows), MOST_WORKFLOWS),
        )
        for what, count, most in counts:
            if count > most:
                raise _too_large(f"the bundle would have more than {most} {what}")


def _number(text: str, reference: str) -> int:
    if text and not (text.isascii() and text.isdigit() and 0 < int(text) < 2**31):
        raise no_workflow(reference)
    return int(text) if text else 0


def _too_large(why: str) -> TooLarge:
    return TooLarge(
        "MESSAGE_TOO_LARGE", f"{why}; ask for fewer at once", metadata={"limit_bytes": str(MAX_BYTES)}
    )
