"""What each expression of a workflow may read: the steps with what they yield, and items inside `for_each`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chassis.jsonvalue import Json
from registry import schemas
from registry.domain.content import Absent, Content, Step
from registry.references import Leaf, Scope, is_constant, leaves, opened, read
from registry.schemas import Schema, Typed
from registry.validation.catalog import Catalog

_STRING: Final[dict[str, Json]] = {"type": "string"}
_APPROVED: Final[Schema] = {
    "type": "object",
    "properties": {"approved_by": _STRING, "comment": _STRING},
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A step's expressions; `inner` is what those may read that are evaluated for each item."""

    inner: Scope
    outside: tuple[Leaf, ...]
    inside: tuple[Leaf, ...]

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """All of them."""
        return (*self.inside, *self.outside)

    def named(self) -> set[str]:
        """The ids of the steps they read."""
        paths = (path for leaf in self.leaves for one in leaf.expressions for path in one.references)
        return {path[1] for path in paths if path[0] == "steps" and len(path) > 1}


def expressions(content: Content) -> int:
    """How many expressions there are."""
    count = opened(dict(content.outputs)) + opened(content.concurrency.key if content.concurrency else "")
    for step in content.steps:
        for_each: Json = None if isinstance(step.for_each, Absent) else step.for_each
        count += sum(map(opened, (dict(step.with_), step.if_, for_each, *_texts(step).values())))
    return count


def scope(content: Content, catalog: Catalog) -> Scope:
    """What the workflow's expressions may read. Of steps with one id the first counts."""
    outputs: dict[str, Typed | None] = {}
    for step in content.steps:
        outputs.setdefault(step.id, _output(step, catalog))
    return Scope(content.inputs, outputs)


def _output(step: Step, catalog: Catalog) -> Typed | None:
    if step.approval is not None and not step.component and not step.workflow:
        return _APPROVED, _APPROVED
    schema = catalog.interface(step).output_schema
    if not step.has("for_each"):
        return None if schema is None else (schema, schema)
    one = schemas.ANY if schema is None else schema
    return {"type": "array", "items": dict(one)}, one


def of_step(step: Step, path: str, around: Scope) -> Reading:
    """The expressions of a step at `path`, compiled."""
    inner = around.inside(_item(step, f"{path}.for_each", around)) if step.has("for_each") else around
    texts = _texts(step)
    inside = [*leaves(dict(step.with_), f"{path}.with", inner.roots)]
    for name in ("cache.key", "rate_limit.key"):
        inside += leaves(texts[name], f"{path}.{name}", inner.roots)
    outside = [read(step.if_, f"{path}.if")] if step.if_ else []
    if not isinstance(step.for_each, Absent):
        outside += leaves(step.for_each, f"{path}.for_each")
    outside += leaves(texts["approval.message"], f"{path}.approval.message")
    return Reading(inner, tuple(outside), tuple(inside))


def _texts(step: Step) -> Mapping[str, str]:
    return {
        "cache.key": step.cache.key if step.cache else "",
        "rate_limit.key": step.rate_limit.key if step.rate_limit else "",
        "approval.message": step.approval.message if step.approval else "",
    }


def _item(step: Step, path: str, around: Scope) -> Typed | None:
    """The type of the items that the step runs for, None when it is not known."""
    value = step.for_each
    if isinstance(value, list):
        if not value or any(isinstance(one, str) and not is_constant(one) for one in value):
            return None
        kinds: list[Json] = [*sorted({schemas.type_of(one) for one in value})]
        known: Schema = {"type": kinds}
        return known, known
    leaf = around.read(value, path) if isinstance(value, str) else None
    found = around.type_of(leaf) if leaf is not None and leaf.whole else None
    if found is None:
        return None
    items = schemas.followed(*found).get("items")
    return (items, found[1]) if isinstance(items, Mapping) else None
