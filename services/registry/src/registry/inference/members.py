"""What TypeScript's interfaces, object types and enums hold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tree_sitter import Node

from chassis.jsonvalue import Json
from registry.inference import syntax
from registry.inference.jsdoc import Doc
from registry.inference.schema import Schema, mapping, union
from registry.inference.syntax import documented

if TYPE_CHECKING:
    from registry.inference.types import Types


class Members:
    """Reads the members of the types of one script."""

    def __init__(self, types: "Types") -> None:
        self._types = types

    def interface(self, nodes: Sequence[Node], depth: int) -> Schema:
        """An interface, all its declarations and those it extends together."""
        schemas: list[Schema] = []
        bodies: list[Node] = []
        for node in nodes:
            for child in node.named_children:
                if child.type == "extends_type_clause":
                    schemas += [self._types.schema(one, depth + 1) for one in child.named_children]
                elif child.type in ("interface_body", "object_type"):
                    bodies.append(child)
        own = self.object(bodies, depth)
        if not schemas:
            return own or {"type": "object", "properties": {}}
        return self.merged([*schemas, own] if own else schemas)

    def object(self, bodies: Sequence[Node], depth: int) -> Schema:
        """An object type; `{}` for one without members, which is anything."""
        properties: dict[str, Json] = {}
        required: list[Json] = []
        rest: Json = None
        complete = True
        for body in bodies:
            for node, said in documented(body):
                self._types.budget.spend()
                if node.type == "property_signature":
                    name = syntax.key(node.child_by_field_name("name"))
                    if not name:
                        complete = False
                        continue
                    properties[name], optional = self._property(node, said, depth)
                    if not optional and name not in required:
                        required.append(name)
                elif node.type == "index_signature":
                    rest = self._types.inside(node.child_by_field_name("type"), depth) or True
                elif node.type == "ERROR":
                    complete = False
        if not properties and complete:
            return {} if rest is None else mapping(rest if isinstance(rest, dict) else {})
        schema: Schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if rest is not None or not complete:
            schema["additionalProperties"] = True if rest is None else rest
        return schema

    def _property(self, node: Node, said: Doc, depth: int) -> tuple[Schema, bool]:
        """The schema of a property, and whether it may be left out."""
        annotation = node.child_by_field_name("type")
        optional = any(child.type == "?" for child in node.children)
        inner = (
            next((one for one in annotation.named_children if one.type != "comment"), None)
            if annotation
            else None
        )
        members, missing = self._types.alternatives(inner)
        schema = union([self._types.inside(one, depth) for one in members]) if members else {}
        return said.on(schema), optional or missing

    def merged(self, schemas: Sequence[Schema]) -> Schema:
        """An object with the fields of all; open where one of them is not known."""
        found: Schema = {"type": "object", "properties": {}}
        for schema in schemas:
            flat = self._types.flat(schema)
            if flat is None:
                rest = schema.get("additionalProperties", True) if schema.get("type") == "object" else True
                found["additionalProperties"] = rest
                continue
            self._types.budget.spend(len(flat["properties"]))
            found["properties"] |= flat["properties"]
            required = [*found.get("required", []), *flat.get("required", [])]
            if required:
                found["required"] = list(dict.fromkeys(required))
            if "additionalProperties" in flat:
                found["additionalProperties"] = flat["additionalProperties"]
        return found

    def part(self, name: str, arguments: Sequence[Node], depth: int) -> Schema:
        """`Partial<T>`, `Required<T>`, `Pick<T, K>`, `Omit<T, K>`; `{}` where T is not known."""
        whole = self._types.flat(self._types.schema(arguments[0], depth + 1))
        if whole is None:
            return {}
        found = {key: value for key, value in whole.items() if key != "description"}
        if name == "Partial":
            found.pop("required", None)
        elif name == "Required":
            found["required"] = list(found["properties"])
        else:
            chosen = self._types.schema(arguments[1], depth + 1).get("enum") if len(arguments) > 1 else None
            if not isinstance(chosen, list):
                return {}
            kept = [one for one in found["properties"] if (one in chosen) == (name == "Pick")]
            found["properties"] = {one: found["properties"][one] for one in kept}
            found["required"] = [one for one in found.get("required", []) if one in kept]
        if not found.get("required"):
            found.pop("required", None)
        return found

    def enum(self, node: Node) -> list[Json] | None:
        """The values of an enum's members; None where one is computed."""
        body = node.child_by_field_name("body")
        found: list[Json] = []
        following: Any = 0
        for one in body.named_children if body is not None else ():
            if one.type == "comment":
                continue
            value: Any = following
            if one.type == "enum_assignment":
                value = syntax.value(one.child_by_field_name("value"), self._types.budget)
            if isinstance(value, bool) or not isinstance(value, (int, float, str)):
                return None
            found.append(value)
            following = None if isinstance(value, str) else value + 1
        return found
