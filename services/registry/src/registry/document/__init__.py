"""A workflow's `source` document, read strictly into the same draft that a message makes."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis import source
from chassis.source import Node, UnreadableError
from registry.document.fields import IGNORED, WORKFLOW
from registry.document.reader import Reader
from registry.domain.content import Content
from registry.domain.problems import Problem
from registry.domain.workflows import CONTENT, Draft

__all__ = ["Parsed", "of", "parse"]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a document says, as far as it could be read, and what could not."""

    draft: Draft
    problems: tuple[Problem, ...]
    misspelt: frozenset[str]
    """The paths of fields that are probably there under a misspelt name, which is a problem already."""
    places: Mapping[str, tuple[int, int]]
    """Line and column of each field by its path, e.g. `steps[1].with.rows`."""

    def place(self, path: str) -> tuple[int, int]:
        """Where the field at `path` is, or the nearest thing around it; (0, 0) when nothing is."""
        while path and path not in self.places:
            path = path[: max(path.rfind("."), path.rfind("["))] if "." in path or "[" in path else ""
        return self.places.get(path, (0, 0))


def parse(text: str) -> Parsed:
    """The workflow that `text` (YAML or JSON) describes. Raises UnreadableError when it is neither."""
    return of(source.read(text))


def of(root: Node) -> Parsed:
    """The workflow that a node of a document describes. Raises UnreadableError when it is no mapping."""
    if not isinstance(root.value, dict):
        raise UnreadableError(f"a workflow is a mapping, not {root.kind}", root.line, root.column)
    reader = Reader()
    values = reader.record(root, "", WORKFLOW, IGNORED)
    draft = Draft(
        name=values.get("name", ""),
        display_name=values.get("display_name", ""),
        description=values.get("description", ""),
        tags=tuple(values.get("tags", ())),
        visibility=values.get("visibility", ""),
        status=values.get("status", ""),
        etag=values.get("etag", ""),
        content=Content(**{name: value for name, value in values.items() if name in CONTENT}),
        present=_present(frozenset(values)),
    )
    return Parsed(draft, tuple(reader.problems), frozenset(reader.misspelt), reader.places)


def _present(fields: frozenset[str]) -> frozenset[str]:
    """What a document sets: with its steps also all else of the content, which it may have left out as empty."""
    return fields | set(CONTENT) if "steps" in fields else fields
