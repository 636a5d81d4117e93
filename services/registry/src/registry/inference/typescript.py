"""What a TypeScript script's `main` takes and answers."""

from collections.abc import Iterator
from typing import Any, Final

from tree_sitter import Node

from registry.inference import jsdoc, modules, syntax
from registry.inference.constants import UNKNOWN
from registry.inference.schema import DIALECT, NONE, Schema, Signature, TooMuchError, described
from registry.inference.syntax import Declarations, text
from registry.inference.types import Types

_PATTERNS: Final = frozenset({"object_pattern"})
_MAX_SOURCE: Final = 256 * 1024
"""The longest script that is read, in characters: reading what is no TypeScript takes the square of its length."""


def infer(code: str) -> Signature:
    """The schemas of the function that the script exports as `main`; NONE when it cannot be read.

    Raises ScriptError where it surely is no TypeScript, or exports no `main`. Scripts over 256 Ki characters are not
    read.
    """
    if len(code) > _MAX_SOURCE:
        return NONE
    root = syntax.parse(code)
    modules.check(code, root)
    declared = Declarations.of(root)
    named = declared.functions.get(declared.exported.get("main", ""), [])
    if len(named) != 1 or named[0][0].type == "function_signature":
        return NONE
    main, said = named[0]
    try:
        return Signature(_inputs(main, said, Types(declared)), _output(main, Types(declared, output=True)))
    except (TooMuchError, RecursionError):
        return NONE


def _inputs(main: Node, said: jsdoc.Doc, types: Types) -> Schema | None:
    names = main.child_by_field_name("type_parameters")
    parameters = main.child_by_field_name("parameters")
    if parameters is None or parameters.has_error or names is not None:
        return None
    first = next((one for one in parameters.named_children if one.type != "comment"), None)
    if first is None:
        return described({"$schema": DIALECT, "type": "object"}, said.text)
    pattern = first.child_by_field_name("pattern")
    schema = types.schema(first.child_by_field_name("type"))
    flat = types.flat(schema)
    if flat is None and schema and schema.get("type", "object") != "object":
        return None  # it gets an object, whatever it says
    found: Schema = dict(flat or schema or {"type": "object"})
    if flat is not None and "additionalProperties" not in flat:
        found["additionalProperties"] = False  # as TypeScript does with an object that is written out
    if (flat is not None or not schema) and pattern is not None and pattern.type in _PATTERNS:
        found = _with_defaults(found, pattern, types)
    found = _with_words(found, said, text(pattern))
    return types.complete({"$schema": DIALECT} | described(found, said.text))


def _with_defaults(schema: Schema, pattern: Node, types: Types) -> Schema:
    """The schema with the names and the default values of a destructured parameter."""
    properties = dict(schema.get("properties", {}))
    required = list(schema.get("required", ()))
    closed = schema.get("additionalProperties", True) is False
    for name, default in _taken(pattern):
        if name not in properties and closed:
            continue
        properties.setdefault(name, {})
        if default is None:
            continue
        if name in required:
            required.remove(name)
        value: Any = syntax.value(default, types.budget)
        if value is not UNKNOWN:
            properties[name] = properties[name] | {"default": value}
    found = {key: value for key, value in schema.items() if key != "required"}
    found["properties"] = properties
    return found | ({"required": required} if required else {})


def _taken(pattern: Node) -> Iterator[tuple[str, Node | None]]:
    """The names that a pattern takes out of an object, with their defaults: `{ city, days = 3, unit: u = "c" }`."""
    for one in pattern.named_children:
        if one.type == "shorthand_property_identifier_pattern":
            yield text(one), None
        elif one.type == "object_assignment_pattern":
            yield text(one.child_by_field_name("left")), one.child_by_field_name("right")
        elif one.type == "pair_pattern":
            name = syntax.key(one.child_by_field_name("key"))
            value = one.child_by_field_name("value")
            default = value.child_by_field_name("right") if value is not None else None
            if name:
                yield name, default


def _with_words(schema: Schema, said: jsdoc.Doc, parameter: str) -> Schema:
    """The schema with what `@param inputs.city` says of each property."""
    properties = dict(schema.get("properties", {}))
    for written, words in said.parameters.items():
        around, _, name = written.rpartition(".")
        if name in properties and "." not in around and (around == parameter or not parameter.isidentifier()):
            properties[name] = described(properties[name], words)
    return schema | {"properties": properties} if properties else schema


def _output(main: Node, types: Types) -> Schema | None:
    annotation = main.child_by_field_name("return_type")
    if annotation is None or annotation.has_error or main.child_by_field_name("type_parameters") is not None:
        return None
    schema = types.schema(annotation)
    return types.complete({"$schema": DIALECT} | schema) if schema else None
