"""The schema of a TypeScript type."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from tree_sitter import Node

from chassis.jsonvalue import Json
from registry.inference import syntax
from registry.inference.constants import UNKNOWN
from registry.inference.members import Members
from registry.inference.schema import (
    DEPTH,
    Budget,
    Schema,
    array,
    mapping,
    one_of,
    reference,
    row,
    union,
    with_definitions,
)
from registry.inference.syntax import Declarations, text

_SIMPLE: Final[dict[str, Schema]] = {
    "number": {"type": "number"},
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
}
_WRAPPERS: Final = frozenset({"Readonly", "Promise", "PromiseLike", "Awaited"})
_ARRAYS: Final = frozenset({"Array", "ReadonlyArray"})
_NOTHING: Final = frozenset({"undefined", "void"})


class Types:
    """Reads the types of one script. `output` says of which schemas: what `main` answers has been written as JSON."""

    def __init__(self, declared: Declarations, *, output: bool = False) -> None:
        self.declared = declared
        self.output = output
        self.budget = Budget()
        self.definitions: dict[str, Schema] = {}
        self.level = 0
        self._active: dict[str, int] = {}
        self._recursive: set[str] = set()
        self._hidden: list[set[str]] = []
        self._members = Members(self)

    def complete(self, schema: Schema) -> Schema:
        """The schema with the definitions it refers to."""
        return with_definitions(schema, self.definitions)

    def schema(self, node: Node | None, depth: int = 0) -> Schema:
        """The schema of a type; `{}`, anything, for what is unknown. Raises TooMuchError."""
        self.budget.spend()
        if node is None or depth > DEPTH:
            return {}
        reader = _READERS.get(node.type)
        return reader(self, node, depth) if reader else {}

    def inside(self, node: Node | None, depth: int) -> Schema:
        """The schema of what lies in a list or an object."""
        self.level += 1
        found = self.schema(node, depth + 1)
        self.level -= 1
        return found

    def flat(self, schema: Schema) -> Schema | None:
        """The object that a schema stands for, references followed; None for what is no object with known fields."""
        for _ in range(DEPTH):
            if "$ref" not in schema:
                break
            schema = self.definitions.get(schema["$ref"].removeprefix("#/$defs/"), {})
        return schema if schema.get("type") == "object" and "properties" in schema else None

    def alternatives(self, node: Node | None) -> tuple[list[Node], bool]:
        """The members of a union, one alone for what is none; and whether `undefined` was among them."""
        found: list[Node] = []
        waiting = [node] if node is not None else []
        missing = False
        while waiting:
            one = waiting.pop()
            self.budget.spend()
            if one.type in ("union_type", "parenthesized_type"):
                waiting += reversed(types_in(one))
            elif text(one) in _NOTHING:
                missing = True
            else:
                found.append(one)
        return found, missing

    def _union(self, node: Node, depth: int) -> Schema:
        members, missing = self.alternatives(node)
        schemas = [self.schema(one, depth + 1) for one in members]
        return union([*schemas, {"type": "null"}] if missing and self.output else schemas)

    def _predefined(self, node: Node, depth: int) -> Schema:
        if text(node) == "void" and self.output:
            return {"type": "null"}
        return dict(_SIMPLE.get(text(node), {}))

    def _literal(self, node: Node, depth: int) -> Schema:
        if text(node) in ("null", "undefined"):
            return {"type": "null"} if text(node) == "null" or self.output else {}
        found = syntax.value(node, self.budget)
        return one_of([found]) if isinstance(found, (bool, int, float, str)) else {}

    def _wrapped(self, node: Node, depth: int) -> Schema:
        inner = types_in(node)
        return self.schema(inner[0], depth + 1) if inner else {}

    def _array(self, node: Node, depth: int) -> Schema:
        inner = types_in(node)
        return array(self.inside(inner[0] if inner else None, depth))

    def _tuple(self, node: Node, depth: int) -> Schema:
        items: list[Schema] = []
        required = 0
        for one in types_in(node):
            inner = one.child_by_field_name("type") or one
            inner = types_in(inner)[0] if inner.type == "type_annotation" and types_in(inner) else inner
            named = one.child_by_field_name("name") or one.child_by_field_name("pattern")
            if one.type == "rest_type" or (named is not None and named.type == "rest_pattern"):
                rest = self.inside(inner if one is not inner else types_in(one)[0], depth)
                return row(items, required, rest.get("items", {}))
            optional = one.type in ("optional_type", "optional_parameter")
            if one.type == "optional_type":
                inner = types_in(one)[0]
            required += not optional
            items.append(self.inside(inner, depth))
        return row(items, required)

    def _object(self, node: Node, depth: int) -> Schema:
        return self._members.object([node], depth)

    def _intersection(self, node: Node, depth: int) -> Schema:
        parts: list[Node] = []
        waiting = [node]
        while waiting:
            one = waiting.pop()
            self.budget.spend()
            if one.type in ("intersection_type", "parenthesized_type") and types_in(one):
                waiting += reversed(types_in(one))
            else:
                parts.append(one)
        schemas = [self.schema(one, depth + 1) for one in parts]
        plain = [one for one in schemas if one and "$ref" not in one and one.get("type") != "object"]
        if plain:
            return plain[0]  # a branded type: `string & { __unit: "km" }`
        return self._members.merged(schemas)

    def _named(self, node: Node, depth: int) -> Schema:
        name = text(node)
        if any(name in names for names in self._hidden):
            return {}
        if name in self.declared.enums:
            values = self._members.enum(self.declared.enums[name])
            return one_of(values) if values else {}
        if name in self.declared.interfaces:
            nodes = self.declared.interfaces[name]
            return self._defined(name, nodes[0], lambda: self._members.interface(nodes, depth))
        if name in self.declared.aliases:
            return self._of_alias(name, depth)
        return {"type": "string", "format": "date-time"} if name == "Date" and self.output else {}

    def _defined(self, name: str, node: Node, make: Callable[[], Schema]) -> Schema:
        if name not in self.definitions:
            self.definitions[name] = {}  # found again while it is made
            self.level += 1
            found = self._within(node, make)
            self.level -= 1
            said = self.declared.docs.get(name)
            self.definitions[name] = said.on(found) if said else found
        return reference(name)

    def _within(self, node: Node, make: Callable[[], Schema]) -> Schema:
        """What `make` finds, the declaration's own type parameters being anything."""
        parameters = node.child_by_field_name("type_parameters")
        names = [one.child_by_field_name("name") for one in parameters.named_children] if parameters else []
        self._hidden.append({text(one) for one in names if one is not None})
        found = make()
        self._hidden.pop()
        return found

    def _of_alias(self, name: str, depth: int) -> Schema:
        node = self.declared.aliases[name]
        value = node.child_by_field_name("value")
        if value is not None and value.type in ("object_type", "intersection_type"):
            return self._defined(name, node, lambda: self.schema(value, depth + 1))
        if name in self._active:
            if self.level == self._active[name]:
                return {}
            self._recursive.add(name)
            return reference(name)
        self._active[name] = self.level
        found = self._within(node, lambda: self.schema(value, depth + 1))
        del self._active[name]
        if name in self._recursive:
            self.definitions[name] = found
            return reference(name)
        return found

    def _generic(self, node: Node, depth: int) -> Schema:
        name = text(node.child_by_field_name("name"))
        given = node.child_by_field_name("type_arguments")
        arguments = types_in(given) if given is not None else []
        if name in self.declared.interfaces or name in self.declared.aliases:
            own = node.child_by_field_name("name")
            return self._named(own, depth) if own is not None else {}
        if not arguments:
            return {}
        if name in _WRAPPERS:
            return self.schema(arguments[0], depth + 1)
        if name in _ARRAYS:
            return array(self.inside(arguments[0], depth))
        if name == "NonNullable":
            members = [self.schema(one, depth + 1) for one in self.alternatives(arguments[0])[0]]
            return union([one for one in members if one != {"type": "null"}])
        if name == "Record" and len(arguments) == 2:
            return self._record(arguments, depth)
        if name in ("Partial", "Required", "Pick", "Omit"):
            return self._members.part(name, arguments, depth)
        return {}

    def _record(self, arguments: Sequence[Node], depth: int) -> Schema:
        keys = self.schema(arguments[0], depth + 1).get("enum")
        values = self.inside(arguments[1], depth)
        if not isinstance(keys, list):
            return mapping(values)
        names: list[Json] = [str(one) for one in keys]
        return {"type": "object", "properties": {str(one): values for one in names}, "required": names}

    def _keys(self, node: Node, depth: int) -> Schema:
        inner = types_in(node)
        if inner and inner[0].type == "type_query":
            found = self._constant(inner[0])
            return one_of(list(found)) if isinstance(found, dict) else {}
        known = self.flat(self.schema(inner[0], depth + 1)) if inner else None
        if known is None or known.get("additionalProperties", False) is not False:
            return {}
        return one_of(list(known["properties"]))

    def _lookup(self, node: Node, depth: int) -> Schema:
        inner = types_in(node)
        if len(inner) != 2:
            return {}
        target, index = inner
        target = types_in(target)[0] if target.type == "parenthesized_type" and types_in(target) else target
        if target.type == "type_query":
            found = self._constant(target)
            values: list[Any] = (
                found if isinstance(found, list) else list(found.values()) if isinstance(found, dict) else []
            )
            simple = all(isinstance(one, (bool, int, float, str)) for one in values)
            return one_of(values) if simple else {}
        schema = self.schema(target, depth + 1)
        if text(index) == "number" and schema.get("type") == "array":
            items = schema.get("items", {})
            return items if isinstance(items, dict) else {}
        known = self.flat(schema)
        name = syntax.value(index, self.budget)
        part = known["properties"].get(name, {}) if known is not None and isinstance(name, str) else {}
        return dict(part)

    def _constant(self, query: Node) -> Any:
        """The value of `typeof NAME`, where it is written out `as const`."""
        name = text(query).removeprefix("typeof").strip()
        written = self.declared.values.get(name)
        if written is None or written.type != "as_expression" or not text(written).rstrip().endswith("const"):
            return UNKNOWN
        return syntax.value(written, self.budget)


def types_in(node: Node) -> list[Node]:
    """The named children of a node that are no comments."""
    return [one for one in node.named_children if one.type != "comment"]


_READERS: Final[dict[str, Callable[[Types, Node, int], Schema]]] = {
    "predefined_type": Types._predefined,
    "literal_type": Types._literal,
    "template_literal_type": lambda types, node, depth: {"type": "string"},
    "parenthesized_type": Types._wrapped,
    "readonly_type": Types._wrapped,
    "type_annotation": Types._wrapped,
    "union_type": Types._union,
    "intersection_type": Types._intersection,
    "array_type": Types._array,
    "tuple_type": Types._tuple,
    "object_type": Types._object,
    "type_identifier": Types._named,
    "generic_type": Types._generic,
    "index_type_query": Types._keys,
    "lookup_type": Types._lookup,
}
