"""What inference of every language has in common: schemas put together, within bounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chassis.jsonvalue import Json

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DEPTH: Final = 20
"""How deep types may lie inside each other; what is deeper is taken for anything."""
MAX_WEIGHT: Final = 10_000
"""How many types the declarations may unfold to: a name for ten of a name for ten grows quickly."""
MAX_TEXT: Final = 1000
"""The longest description, in characters; it ends there."""


class ScriptError(Exception):
    """The script cannot be read; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.line = line
        self.column = column


class TooMuchError(Exception):
    """The types unfold to more than anybody would read: they are taken for anything."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What `main` takes and answers; None where the script does not say."""

    input_schema: Schema | None = None
    output_schema: Schema | None = None


NONE: Final = Signature()


class Budget:
    """How much of one script has been looked at."""

    def __init__(self) -> None:
        self._spent = 0

    def spend(self, count: int = 1) -> None:
        """Counts types that were looked at. Raises TooMuchError."""
        self._spent += count
        if self._spent > MAX_WEIGHT:
            raise TooMuchError


def union(schemas: Sequence[Schema]) -> Schema:
    """Any of the schemas: one `type` or one `enum` where that says it all, else `anyOf`."""
    if any(not one for one in schemas):
        return {}
    kept: dict[str, Any] = {}
    for one in schemas:
        for item in one["anyOf"] if set(one) == {"anyOf"} else [one]:
            kept.setdefault(repr(item), item)  # to Python, 1 is True
    flat = list(kept.values())
    if all(set(one) == {"type"} for one in flat):
        words: list[Json] = []
        for one in flat:
            kind = one["type"]
            words += [word for word in (kind if isinstance(kind, list) else [kind]) if word not in words]
        return {"type": words[0] if len(words) == 1 else words}
    if all(set(one) == {"enum"} for one in flat):
        return one_of([value for one in flat for value in one["enum"]])
    return dict(flat[0]) if len(flat) == 1 else {"anyOf": flat}


def one_of(values: Sequence[Json]) -> Schema:
    """One of the values, each named once; True and 1 are two values."""
    kept: dict[tuple[bool, Json], Json] = {}
    for value in values:
        kept.setdefault((isinstance(value, bool), value), value)
    return {"enum": list(kept.values())} if kept else {}


def array(items: Schema) -> Schema:
    """A list of items of this schema."""
    return {"type": "array", "items": items} if items else {"type": "array"}


def mapping(values: Schema) -> Schema:
    """An object whose values have this schema, whatever their names."""
    return {"type": "object", "additionalProperties": values} if values else {"type": "object"}


def row(items: Sequence[Schema], required: int | None = None, rest: Schema | None = None) -> Schema:
    """A list of these items in order; `required` of them have to be there, `rest` may follow."""
    schema: Schema = {"type": "array", "prefixItems": list(items), "items": False if rest is None else rest}
    if not items:
        del schema["prefixItems"]
    if least := len(items) if required is None else required:
        schema["minItems"] = least
    if rest is None:
        schema["maxItems"] = len(items)
    elif not rest:
        del schema["items"]
    return schema


def described(schema: Schema, text: str) -> Schema:
    """The schema with a description, where there is one."""
    return schema | {"description": text.strip()[:MAX_TEXT]} if text.strip() else schema


def with_definitions(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """The schema with those definitions beside it that it refers to, however indirectly."""
    needed: dict[str, Json] = {}
    pending = _referred(schema)
    while pending:
        name = pending.pop()
        if name not in needed:
            needed[name] = definitions[name]
            pending |= _referred(definitions[name])
    return schema | {"$defs": dict(sorted(needed.items()))} if needed else schema


def reference(name: str) -> Schema:
    """The definition of this name."""
    return {"$ref": f"#/$defs/{name}"}


def _referred(value: Json) -> set[str]:
    """The definitions that a schema refers to directly."""
    if isinstance(value, dict):
        found = {str(value["$ref"]).removeprefix("#/$defs/")} if isinstance(value.get("$ref"), str) else set()
        return found.union(
            *(_referred(item) for key, item in value.items() if key not in ("default", "enum"))
        )
    if isinstance(value, list):
        return set().union(*(_referred(item) for item in value))
    return set()
