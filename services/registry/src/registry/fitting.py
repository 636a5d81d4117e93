"""Whether what a step is given fits what its component takes."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chassis.jsonvalue import Json
from registry import schemas
from registry.references import Finding, Scope, is_constant
from registry.resolution import did_you_mean, nearest
from registry.schemas import Schema, Values

_HANDLED: Final = frozenset(
    {"$schema", "title", "description", "default", "examples", "$comment", "$defs"}
    | {"type", "properties", "required", "additionalProperties"}
)
_FITTING: Final = "give a value that the component's input schema takes"


def findings(given: Mapping[str, Json], schema: Schema, scope: Scope, path: str) -> Iterator[Finding]:
    """Why `given`, a step's inputs by name, does not match the component's input schema."""
    wanted = schemas.types(schema, schema)
    if wanted is not None and "object" not in wanted:
        return  # no workflow could give it that; the run says so
    values = Values(schema)
    yield from _object(dict(given), schemas.followed(schema, schema), values, scope, path, top=True)
    rest = {keyword: value for keyword, value in schema.items() if keyword not in _HANDLED}
    if rest and is_constant(dict(given)):
        for where, message in values.problems(dict(given), rest):
            yield Finding(path + _text(where), message, _FITTING)


def _fit(value: Json, schema: "Json | Schema", values: Values, scope: Scope, path: str) -> Iterator[Finding]:
    if schema is False:
        yield Finding(path, "nothing may be given here", "remove it")
        return
    if not isinstance(schema, Mapping):
        return
    if is_constant(value):
        for where, message in values.problems(value, schema):
            yield Finding(
                path + _text(where), message, _example(schemas.followed(schema, values.root)) or _FITTING
            )
        return
    if isinstance(value, str):
        leaf = scope.read(value, path)
        typed = scope.type_of(leaf) if not leaf.error else None
        found = schemas.mismatch(*typed, schema, values.root) if typed is not None else None
        if found is not None:
            yield Finding(path, f"expected {found[1]}, found {found[0]}", _conversion(*found))
        return
    kind = "object" if isinstance(value, dict) else "array"
    wanted = schemas.types(schema, values.root)
    if wanted is not None and kind not in wanted:
        yield Finding(path, f"expected {' or '.join(sorted(wanted))}, found {kind}", _FITTING)
        return
    inner = schemas.followed(schema, values.root)
    if isinstance(value, dict):
        yield from _object(value, inner, values, scope, path)
    elif isinstance(value, list):
        yield from _array(value, inner, values, scope, path)


def _object(
    value: dict[str, Json], schema: Schema, values: Values, scope: Scope, path: str, *, top: bool = False
) -> Iterator[Finding]:
    noun = "input" if top else "field"
    properties: Any = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    rest = schema.get("additionalProperties")
    missing = [one for one in properties if one not in value]
    is_closed = rest is False and "patternProperties" not in schema
    misspelt = {nearest(name, missing) for name in value if is_closed and name not in properties}
    for name in required if isinstance(required, list) else ():
        if name not in value and name not in misspelt:
            yield Finding(
                path,
                f"the {noun} {name!r} is missing",
                _addition(str(name), properties.get(name), values.root),
            )
    for name, item in value.items():
        if name in properties:
            yield from _fit(item, properties[name], values, scope, f"{path}.{name}")
        elif is_closed:
            fix = did_you_mean(name, missing) if missing else "remove it"
            yield Finding(f"{path}.{name}", f"there is no {noun} {name!r}", fix)
        elif isinstance(rest, Mapping) and "patternProperties" not in schema:
            yield from _fit(item, rest, values, scope, f"{path}.{name}")


def _array(value: list[Json], schema: Schema, values: Values, scope: Scope, path: str) -> Iterator[Finding]:
    prefix = schema.get("prefixItems")
    listed = prefix if isinstance(prefix, list) else []
    for index, item in enumerate(value):
        inner = listed[index] if index < len(listed) else schema.get("items")
        yield from _fit(item, inner, values, scope, f"{path}[{index}]")


def _addition(name: str, schema: Any, root: Schema) -> str:
    kinds = schemas.types(schema, root) if isinstance(schema, Mapping) else None
    return f"add {name}, {' or '.join(sorted(kinds))}" if kinds else f"add {name}"


def _example(schema: Schema) -> str:
    allowed = schema.get("enum")
    return f"one of {', '.join(map(str, allowed[:20]))}" if isinstance(allowed, list) else ""


def _conversion(given: str, wanted: str) -> str:
    functions = {"a string": "string()", "an integer": "int()", "a number": "double()"}
    if wanted in functions and given in (*functions, "a boolean"):
        return f"convert it with {functions[wanted]}"
    return f"give {wanted}"


def _text(path: schemas.Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
