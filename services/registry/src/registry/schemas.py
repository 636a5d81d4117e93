"""JSON Schemas (2020-12) as types: whether they are sound, what lies at a path, and what fits where."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from chassis.jsonschema import MAX_WEIGHT, SchemaError, is_recursive, resolve, structure, walk, weight
from chassis.jsonschema import Schema as Matchable
from chassis.jsonvalue import Json

Schema: TypeAlias = Mapping[str, Json]
Path: TypeAlias = tuple[str | int, ...]
Typed: TypeAlias = tuple[Schema, Schema]
"""A schema and the root its references start from."""

ANY: Final[Schema] = {}
TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")
_DEPTH: Final = 20
_DIALECT: Final = re.compile(r"https?://json-schema\.org/draft/2020-12/schema#?")
_MAX_ERRORS: Final = 10


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that the value at `where` does not have; `known` are those it has, None for what is no object."""

    name: str
    known: tuple[str, ...] | None
    where: Path


def problems(schema: Schema) -> list[tuple[str, str]]:
    """What is wrong with a schema: (path below it such as `.properties.x`, sentence) pairs."""
    dialect = schema.get("$schema")
    if isinstance(dialect, str) and not _DIALECT.fullmatch(dialect):
        return [(".$schema", f"{dialect!r} is not supported; use JSON Schema 2020-12 or leave it out")]
    try:
        found = [
            (_path_text(tuple(error.absolute_path)), error.message[:300])
            for error in _META.iter_errors(schema)
        ]
        if found:
            return found[:_MAX_ERRORS]
        found = [(_path_text(path), message) for path, message in _unresolved(schema)]
        if found:
            return found[:_MAX_ERRORS]
        if weight(schema) > MAX_WEIGHT:
            return [("", f"the schema unfolds to more than {MAX_WEIGHT} subschemas; simplify it")]
        Matchable(schema)
    except RecursionError:
        return [("", "the schema is nested too deeply")]
    except SchemaError as error:
        return [("", f"no value can be matched with the schema: {error}")]
    return []


def input_problems(schema: Schema) -> list[tuple[str, str]]:
    """What is wrong with a schema of inputs: the same, and whether it takes any, which are an object's fields."""
    found = problems(schema)
    kinds = None if found else types(schema, schema)
    if kinds is not None and "object" not in kinds:
        return [(".type", f"inputs are an object, with a field for each: {words(kinds)} takes none")]
    return found


_META: Final = Draft202012Validator(
    Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER
)


def _unresolved(schema: Schema) -> Iterator[tuple[Path, str]]:
    for path, one in walk(schema):
        for keyword in structure.REFERENCES:
            reference = one.get(keyword)
            if isinstance(reference, str) and not isinstance(resolve(one, schema, keyword), dict | bool):
                known = "" if reference.startswith("#") else "; references lead to #/$defs/… only"
                yield (*path, keyword), f"{reference!r} leads nowhere in this schema{known}"
        for keyword in ("$id", "$anchor", "$dynamicAnchor"):
            if keyword in one and path:
                yield (*path, keyword), f"{keyword} is not supported; refer by #/$defs/…"


def followed(schema: "Json | Schema", root: Schema) -> Schema:
    """The schema behind a chain of references; a boolean or nothing becomes ANY."""
    for _ in range(_DEPTH):
        if not isinstance(schema, Mapping):
            return ANY
        if "$ref" not in schema:
            return schema
        schema = resolve(schema, root)
    return ANY


def types(schema: "Json | Schema", root: Schema, depth: int = 0) -> frozenset[str] | None:
    """The JSON types its values can have, None when it does not say."""
    if depth > _DEPTH or not isinstance(schema, Mapping):
        return None
    if "$ref" in schema:
        return types(resolve(schema, root), root, depth + 1)
    found: frozenset[str] | None = None
    declared = schema.get("type")
    if isinstance(declared, str):
        found = frozenset({declared})
    elif isinstance(declared, list):
        found = frozenset(map(str, declared))
    elif "const" in schema:
        found = frozenset({type_of(schema["const"])})
    elif isinstance(allowed := schema.get("enum"), list):
        found = frozenset(type_of(value) for value in allowed)
    for keyword in ("anyOf", "oneOf"):
        branches = schema.get(keyword)
        if isinstance(branches, list):
            each = [types(branch, root, depth + 1) for branch in branches]
            if all(one is not None for one in each):
                found = _narrowed(found, frozenset().union(*(one for one in each if one is not None)))
    everything = schema.get("allOf")
    for branch in everything if isinstance(everything, list) else ():
        found = _narrowed(found, types(branch, root, depth + 1))
    return found


def _narrowed(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return frozenset(kind for kind in one if fits(kind, other)) | frozenset(
        kind for kind in other if fits(kind, one)
    )


def type_of(value: Any) -> str:
    """The JSON type of a value, `integer` for whole numbers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def fits(kind: str, allowed: frozenset[str]) -> bool:
    """Whether a value of type `kind` may have one of the `allowed` types; a number may turn out to be whole."""
    return kind in allowed or (kind == "integer" and "number" in allowed)


def overlap(given: frozenset[str] | None, wanted: frozenset[str] | None) -> bool:
    """Whether some value of the one kind is of the other; unknown kinds overlap with all."""
    if given is None or wanted is None:
        return True
    return any(fits(kind, wanted) for kind in given) or any(fits(kind, given) for kind in wanted)


def at(typed: Typed, path: Sequence[str | int]) -> Typed | Unknown | None:
    """The schema at a path of keys and indices below another.

    None when the schema says nothing about it; Unknown when an object that lists its properties, and does not
    say that it has others, lacks the name.
    """
    current, root = typed
    for position, key in enumerate(path):
        current = followed(current, root)
        kinds = types(current, root)
        inside = {"array"} if isinstance(key, int) else {"object"}
        if kinds is not None and not kinds & inside:
            return Unknown(str(key), None, tuple(path[:position]))
        found = _inside(current, key)
        if isinstance(found, Unknown):
            return Unknown(found.name, found.known, tuple(path[:position]))
        if not isinstance(found, Mapping):
            return None
        current = found
    return followed(current, root), root


def _inside(schema: Schema, key: str | int) -> "Json | Schema | Unknown":
    if any(keyword in schema for keyword in ("anyOf", "oneOf", "allOf", "if", "patternProperties")):
        return None
    if isinstance(key, int):
        prefix = schema.get("prefixItems")
        if isinstance(prefix, list) and key < len(prefix):
            return prefix[key]
        return schema.get("items")
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    if key in properties:
        return properties[key]
    rest = schema.get("additionalProperties", None if not properties else False)
    return Unknown(key, tuple(properties), ()) if rest is False else rest


def mismatch(
    given: Schema, given_root: Schema, wanted: Schema, wanted_root: Schema, depth: int = 0
) -> tuple[str, str] | None:
    """Why no value of the `given` schema is one of the `wanted`: (what it is, what is wanted), None if one may be.

    Looks at types, into arrays and into the properties both sides name.
    """
    if depth > _DEPTH:
        return None
    given, wanted = followed(given, given_root), followed(wanted, wanted_root)
    have, want = types(given, given_root), types(wanted, wanted_root)
    if not overlap(have, want):
        return words(have), words(want)
    if have == want == frozenset({"array"}):
        inner_given, inner_wanted = given.get("items"), wanted.get("items")
        if isinstance(inner_given, Mapping) and isinstance(inner_wanted, Mapping):
            inner = mismatch(inner_given, given_root, inner_wanted, wanted_root, depth + 1)
            return inner and (f"a list of {inner[0]}", f"a list of {inner[1]}")
    if have == want == frozenset({"object"}):
        ours, theirs = given.get("properties"), wanted.get("properties")
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            for name in ours:
                one, other = ours[name], theirs.get(name)
                if isinstance(one, Mapping) and isinstance(other, Mapping):
                    inner = mismatch(one, given_root, other, wanted_root, depth + 1)
                    if inner:
                        return (
                            f"an object whose {name!r} is {inner[0]}",
                            f"an object whose {name!r} is {inner[1]}",
                        )
    return None


def words(kinds: Collection[str] | None) -> str:
    """The types in words with their articles: `an array or null`."""
    articles = {"array": "an array", "integer": "an integer", "object": "an object", "null": "null"}
    return " or ".join(articles.get(kind, f"a {kind}") for kind in sorted(kinds or ()))


class Values:
    """Checks values without expressions against the subschemas of one root.

    Patterns are left to the run: somebody else's regular expression is not tried here. Recursive schemas are left to it
    as well, for their checking has no bound.
    """

    def __init__(self, root: Schema) -> None:
        self.root = root
        self._validator = None if is_recursive(root) else Draft202012Validator(_tame(root))
        self._tame: dict[
            int, tuple[Schema, Schema]
        ] = {}  # by id, with the schema itself, which keeps its id its own

    def problems(self, value: Json, schema: Schema) -> Iterator[tuple[Path, str]]:
        """Why `value` does not match `schema`, which is of the root: (path in the value, sentence) pairs."""
        if self._validator is None:
            return
        if id(schema) not in self._tame:
            self._tame[id(schema)] = (schema, _tame(schema))
        tame = self._tame[id(schema)][1]
        for error in islice(self._validator.evolve(schema=tame).iter_errors(value), _MAX_ERRORS):
            yield tuple(error.absolute_path), _sentence(error)


def _tame(schema: Schema) -> Schema:
    """The schema without regular expressions, nor what only makes sense with them."""
    dropped = {"pattern"}
    if "patternProperties" in schema:
        dropped |= {"patternProperties", "additionalProperties", "unevaluatedProperties"}
    tame: dict[str, Any] = {}
    for key, value in schema.items():
        if key in dropped:
            continue
        if key in (*structure.SUBSCHEMAS, *structure.SUBSCHEMAS_LATER) and isinstance(value, Mapping):
            tame[key] = _tame(value)
        elif key in structure.LISTS and isinstance(value, list):
            tame[key] = [_tame(one) if isinstance(one, Mapping) else one for one in value]
        elif key in structure.MAPS and isinstance(value, Mapping):
            tame[key] = {name: _tame(one) if isinstance(one, Mapping) else one for name, one in value.items()}
        else:
            tame[key] = value
    return tame


def _sentence(error: ValidationError) -> str:
    if error.validator == "type":
        wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        return f"expected {words(frozenset(map(str, wanted)))}, found {words(frozenset({type_of(error.instance)}))}"
    return str(error.message)[:300]


def _path_text(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
