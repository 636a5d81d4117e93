"""A TypeScript script's syntax tree: its declarations by name, and the values it writes out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from registry.inference import jsdoc
from registry.inference.constants import UNKNOWN
from registry.inference.schema import DEPTH, Budget

FUNCTIONS: Final = frozenset({"function_declaration", "arrow_function", "function_expression"})


@cache
def _language() -> Language:
    return Language(tree_sitter_typescript.language_typescript())


def parse(code: str) -> Node:
    """The script's tree; what is no TypeScript stands in it as an error."""
    return Parser(_language()).parse(code.encode("utf-8", "replace")).root_node


def text(node: Node | None) -> str:
    """The source of a node."""
    return (node.text or b"").decode("utf-8", "replace") if node is not None else ""


def documented(node: Node) -> Iterator[tuple[Node, jsdoc.Doc]]:
    """The named children of a node, each with what the comment before it says."""
    said = jsdoc.NOTHING_SAID
    for child in node.named_children:
        if child.type == "comment":
            said = jsdoc.read(text(child))
        else:
            yield child, said
            said = jsdoc.NOTHING_SAID


@dataclass(slots=True)
class Declarations:
    """What a script declares at its top level, by name."""

    interfaces: dict[str, list[Node]] = field(default_factory=dict)
    aliases: dict[str, Node] = field(default_factory=dict)
    enums: dict[str, Node] = field(default_factory=dict)
    values: dict[str, Node] = field(default_factory=dict)
    functions: dict[str, list[tuple[Node, jsdoc.Doc]]] = field(default_factory=dict)
    """Functions by their names; one with several signatures is there with each."""
    exported: dict[str, str] = field(default_factory=dict)
    """The names by which others know a function, and its own."""
    docs: dict[str, jsdoc.Doc] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Node) -> "Declarations":
        """The declarations of a script."""
        found = cls()
        for node, said in documented(root):
            inner = node.child_by_field_name("declaration") if node.type == "export_statement" else node
            if inner is not None:
                found._take(inner, said, exported=inner is not node and node.children[1].type != "default")
            elif node.type == "export_statement" and node.child_by_field_name("source") is None:
                found._take_names(node)
        return found

    def _take(self, node: Node, said: jsdoc.Doc, *, exported: bool) -> None:
        name = text(node.child_by_field_name("name"))
        if node.type == "interface_declaration":
            self.interfaces.setdefault(name, []).append(node)
        elif node.type == "type_alias_declaration":
            self.aliases[name] = node
        elif node.type == "enum_declaration":
            self.enums[name] = node
        elif node.type in ("function_declaration", "function_signature"):
            self.functions.setdefault(name, []).append((node, said))
        elif node.type == "lexical_declaration":
            for one in node.named_children:
                value = one.child_by_field_name("value")
                own = text(one.child_by_field_name("name"))
                if value is not None and value.type in FUNCTIONS:
                    self.functions.setdefault(own, []).append((value, said))
                elif value is not None and node.children[0].type == "const":
                    self.values[own] = value
                if exported:
                    self.exported[own] = own
        if exported and name:
            self.exported[name] = name
        if name:
            self.docs.setdefault(name, said)

    def _take_names(self, node: Node) -> None:
        for clause in node.named_children:
            if clause.type != "export_clause":
                continue
            for one in clause.named_children:
                own = text(one.child_by_field_name("name"))
                self.exported[text(one.child_by_field_name("alias")) or own] = own


def value(node: Node | None, budget: Budget, depth: int = 0) -> Any:
    """The JSON value of a literal expression, or UNKNOWN. Raises TooMuchError."""
    budget.spend()
    if node is None or depth > DEPTH:
        return UNKNOWN
    if node.type in ("as_expression", "satisfies_expression", "parenthesized_expression", "literal_type"):
        return value(node.named_children[0] if node.named_child_count else None, budget, depth + 1)
    if node.type in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[node.type]
    if node.type == "number":
        return _number(text(node))
    if node.type == "unary_expression":
        inner = value(node.child_by_field_name("argument"), budget, depth + 1)
        is_number = isinstance(inner, (int, float)) and not isinstance(inner, bool)
        return -inner if is_number and text(node).startswith("-") else UNKNOWN
    if node.type in ("string", "template_string"):
        return _string(node)
    if node.type == "array":
        items = [value(one, budget, depth + 1) for one in node.named_children if one.type != "comment"]
        return UNKNOWN if any(one is UNKNOWN for one in items) else items
    if node.type == "object":
        return _object(node, budget, depth)
    return UNKNOWN


def _object(node: Node, budget: Budget, depth: int) -> Any:
    found: dict[str, Any] = {}
    for pair in node.named_children:
        if pair.type == "comment":
            continue
        name = key(pair.child_by_field_name("key")) if pair.type == "pair" else ""
        item = value(pair.child_by_field_name("value"), budget, depth + 1) if name else UNKNOWN
        if item is UNKNOWN:
            return UNKNOWN
        found[name] = item
    return found


def key(node: Node | None) -> str:
    """The name of a property; empty for one that is computed or no text."""
    if node is None:
        return ""
    if node.type in ("property_identifier", "number", "shorthand_property_identifier_pattern", "identifier"):
        return text(node)
    found = _string(node) if node.type == "string" else UNKNOWN
    return found if isinstance(found, str) else ""


def _string(node: Node) -> Any:
    inner = text(node)[1:-1]
    if node.type == "template_string" and any(
        one.type == "template_substitution" for one in node.named_children
    ):
        return UNKNOWN
    if "\\" not in inner:
        return inner
    try:
        return json.loads('"' + inner.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"') + '"')
    except ValueError:
        return UNKNOWN


def _number(written: str) -> Any:
    plain = written.replace("_", "").lower()
    try:
        found = int(plain, 0) if plain[:2] in ("0x", "0o", "0b") else float(plain)
    except (ValueError, OverflowError):
        return UNKNOWN
    if not abs(found) <= 2**53:
        return UNKNOWN
    return int(found) if found == int(found) else found
