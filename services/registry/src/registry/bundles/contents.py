"""What a bundle holds, as it was read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from chassis.errors import FieldViolation, Invalid
from registry import models, packages
from registry.document import Parsed
from registry.domain import definitions, versions
from registry.domain.content import Step
from registry.domain.packages import Package
from registry.kinds import ASSISTANT


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """A version of a component, which names data sources and secrets as the bundle does; `path` is where it lies."""

    sent: versions.Sent
    path: str
    deprecated: str | None = None
    """Why it is deprecated, which may be empty; None for one that is not."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """Of an assistant: the exact versions of the components that it calls, by their names, where that is written."""

    @property
    def exact(self) -> versions.Sent:
        """The version, which calls the exact versions that were written down."""
        if not self.tools:
            return self.sent

        def pinned(text: str) -> str:
            name = text.partition("@")[0]
            return f"{name}@{self.tools[name]}" if name in self.tools else text

        return replace(self.sent, config=models.renamed(self.sent.config or {}, pinned))


@dataclass(frozen=True, slots=True)
class ComponentEntry:
    """A component with its versions."""

    sent: definitions.Sent
    path: str
    versions: tuple[VersionEntry, ...] = ()

    @property
    def packed(self) -> frozenset[str]:
        """The names of the components that its versions are packages of."""
        documents = (packages.read(one.sent).parsed for one in self.versions)
        found = (one.content for one in documents if one is not None)
        parts = (part for one in found if isinstance(one, Package) for part in one.components)
        return frozenset(part.component.partition("@")[0] for part in parts)

    @property
    def made_of(self) -> frozenset[str]:
        """The names of the components that its versions are packages of, or call as assistants."""
        if self.sent.type != ASSISTANT:
            return self.packed
        called = (text for one in self.versions for text in models.components(one.sent.config or {}).values())
        return frozenset(text.partition("@")[0] for text in called)


@dataclass(frozen=True, slots=True)
class WorkflowEntry:
    """A workflow, and which exact version of its component each step ran, by its id, where that is written."""

    parsed: Parsed
    path: str
    pins: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The workflow's name."""
        return self.parsed.draft.name

    @property
    def calls(self) -> frozenset[str]:
        """The names of the workflows that it runs."""
        return frozenset(step.workflow.partition("@")[0] for step in self.steps if step.workflow)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Its steps."""
        return self.parsed.draft.content.steps


@dataclass(frozen=True, slots=True)
class Bundle:
    """All of it, and where everything stands: line and column by path."""

    components: tuple[ComponentEntry, ...] = ()
    workflows: tuple[WorkflowEntry, ...] = ()
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def place(self, path: str) -> tuple[int, int]:
        """Where the field at `path` is, or the nearest thing around it; (0, 0) when nothing is."""
        while path and path not in self.places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.places.get(path, (0, 0))

    @property
    def versions(self) -> Iterator[tuple[ComponentEntry, VersionEntry]]:
        """Every version, with its component."""
        return ((component, version) for component in self.components for version in component.versions)

    def renamed(self, names: Mapping[str, str]) -> "Bundle":
        """The bundle with these components and workflows called otherwise, and what runs them.

        Raises Invalid for a name that is not in it.
        """
        there = {one.sent.name for one in self.components} | {one.name for one in self.workflows}
        unknown(names, there, "rename", "component or workflow")
        if not names:
            return self
        if fixed := sorted({name for one in self.components for name in one.packed} & names.keys()):
            text = f"{fixed[0]!r} cannot be renamed: a package of the bundle names it in its document"
            raise Invalid("INVALID_FIELD", f"rename: {text}", fields=[FieldViolation("rename", text)])
        return replace(
            self,
            components=tuple(_component(one, names) for one in self.components),
            workflows=tuple(_renamed(one, names) for one in self.workflows),
        )


def _component(entry: ComponentEntry, names: Mapping[str, str]) -> ComponentEntry:
    sent = replace(entry.sent, name=names.get(entry.sent.name, entry.sent.name))
    if sent.type != ASSISTANT:
        return replace(entry, sent=sent)
    return replace(entry, sent=sent, versions=tuple(_assistant(one, names) for one in entry.versions))


def _assistant(entry: VersionEntry, names: Mapping[str, str]) -> VersionEntry:
    """The version of an assistant, which calls components by their other names."""
    if not models.components(entry.sent.config or {}):
        return entry
    config = models.renamed(entry.sent.config or {}, lambda text: _reference(text, names))
    tools = {names.get(name, name): version for name, version in entry.tools.items()}
    return replace(entry, sent=replace(entry.sent, config=config), tools=tools)


def _renamed(entry: WorkflowEntry, names: Mapping[str, str]) -> WorkflowEntry:
    draft = entry.parsed.draft
    steps = tuple(
        replace(step, component=_reference(step.component, names), workflow=_reference(step.workflow, names))
        for step in draft.content.steps
    )
    draft = replace(
        draft, name=names.get(draft.name, draft.name), content=replace(draft.content, steps=steps)
    )
    return replace(entry, parsed=replace(entry.parsed, draft=draft))


def _reference(text: str, names: Mapping[str, str]) -> str:
    name, at, version = text.partition("@")
    return names.get(name, name) + at + version


def unknown(given: Mapping[str, str], there: set[str], name: str, what: str) -> None:
    """Raises Invalid when the request's map `name` has a key that the bundle has no such thing for."""
    strays = sorted(given.keys() - there)
    if strays:
        shown = ", ".join(sorted(there)[:20]) or "none"
        text = f"the bundle has no {what} {strays[0]!r}; there are: {shown}"
        raise Invalid(
            "INVALID_FIELD", f"{name}: {text}", fields=[FieldViolation(f"{name}[{strays[0]!r}]", text)]
        )
