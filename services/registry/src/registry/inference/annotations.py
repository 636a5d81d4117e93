"""The schema of a Python annotation."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chassis.jsonvalue import Json
from registry.inference import constraints
from registry.inference.classes import Classes
from registry.inference.constants import UNKNOWN, constant
from registry.inference.generics import Generics
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

_SIMPLE: Final[dict[str, Schema]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "NoneType": {"type": "null"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "UUID": {"type": "string", "format": "uuid"},
    "Decimal": {"type": ["number", "string"]},
}
_OF_MODELS: Final[dict[str, Schema]] = {
    "EmailStr": {"type": "string", "format": "email"},
    "HttpUrl": {"type": "string", "format": "uri"},
    "AnyUrl": {"type": "string", "format": "uri"},
    "AnyHttpUrl": {"type": "string", "format": "uri"},
    "StrictInt": {"type": "integer"},
    "StrictFloat": {"type": "number"},
    "StrictStr": {"type": "string"},
    "StrictBool": {"type": "boolean"},
}
"""What only pydantic converts."""
_ARRAYS: Final = frozenset(
    {
        "list",
        "set",
        "frozenset",
        "sequence",
        "iterable",
        "collection",
        "mutablesequence",
        "abstractset",
        "mutableset",
    }
)
_OBJECTS: Final = frozenset({"dict", "mapping", "mutablemapping", "ordereddict", "defaultdict"})
_WRAPPERS: Final = frozenset({"Required", "NotRequired", "ReadOnly", "Final", "ClassVar", "Unpack"})


@dataclass(slots=True)
class Scope:
    """The names a script declares, and the schemas of those that annotations use.

    `output` says what the schemas are of: what `main` answers has every field, and those an input may not name.
    """

    module: ast.Module
    output: bool = False
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    aliases: dict[str, ast.expr] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, Schema] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    level: int = 0
    """How many lists, objects and classes are around what is being read."""
    in_model: bool = False
    generics: Generics = field(init=False)
    _active: dict[str, int] = field(default_factory=dict)
    _recursive: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.generics = Generics(self)
        for node in self.module.body:
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.aliases[node.targets[0].id] = node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                self.aliases[node.target.id] = node.value
            elif isinstance(node, ast.ImportFrom):
                self.imported |= {one.asname: one.name for one in node.names if one.asname}
            elif type(node).__name__ == "TypeAlias":  # `type Name = …`, from Python 3.12 on
                declared: Any = node
                self.aliases[declared.name.id] = declared.value

    def complete(self, schema: Schema) -> Schema:
        """The schema with the definitions it refers to."""
        return with_definitions(schema, self.definitions)

    def schema(self, annotation: ast.expr | None, depth: int = 0) -> Schema:
        """The schema of an annotation; `{}`, anything, for what is unknown. Raises TooMuchError."""
        self.budget.spend()
        if annotation is None or depth > DEPTH:
            return {}
        if isinstance(annotation, ast.Constant):
            return self._of_constant(annotation.value, depth)
        if isinstance(annotation, (ast.Name, ast.Attribute)):
            return self._of_name(annotation, depth)
        if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
            return union([self.schema(side, depth + 1) for side in (annotation.left, annotation.right)])
        if isinstance(annotation, ast.Subscript):
            return self._of_subscript(annotation, depth)
        if isinstance(annotation, ast.Call):
            return self._of_call(annotation, depth)
        return {}

    def inside(self, annotation: ast.expr | None, depth: int) -> Schema:
        """The schema of what lies in a list or an object."""
        self.level += 1
        found = self.schema(annotation, depth + 1)
        self.level -= 1
        return found

    def value(self, node: ast.expr | None) -> Any:
        """The JSON value of a literal, a module's constant or an enum's member; or UNKNOWN."""
        if isinstance(node, ast.Name) and node.id in self.aliases:
            return constant(self.aliases[node.id])
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in self.classes
        ):
            members = Classes(self).members(self.classes[node.value.id])
            return (members or {}).get(node.attr, UNKNOWN)
        return constant(node)

    def word(self, node: ast.AST | None) -> str:
        """The name something was imported by; empty for a name of the script's own."""
        if isinstance(node, ast.Call):
            return self.word(node.func)
        if isinstance(node, ast.Name):
            own = node.id in self.classes or node.id in self.aliases
            return "" if own else self.imported.get(node.id, node.id)
        return node.attr if isinstance(node, ast.Attribute) else ""

    def _of_constant(self, value: object, depth: int) -> Schema:
        if value is None:
            return {"type": "null"}
        if isinstance(value, str):  # a forward reference
            try:
                return self.schema(ast.parse(value, mode="eval").body, depth + 1)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return {}
        return {}

    def _of_name(self, node: ast.Name | ast.Attribute, depth: int) -> Schema:
        if isinstance(node, ast.Name) and (argument := self.generics.argument(node.id)) is not None:
            with self.generics.within({}):
                return self.schema(argument, depth + 1)
        if isinstance(node, ast.Name) and node.id in self.classes:
            return Classes(self).schema(self.classes[node.id], depth)
        if isinstance(node, ast.Name) and node.id in self.aliases:
            return self._of_alias(node.id, depth)
        name = self.word(node)
        if name in _SIMPLE:
            return dict(_SIMPLE[name])
        if name in constraints.NAMED:
            kind, word, bound = constraints.NAMED[name]
            return constraints.with_keywords(dict(_SIMPLE[kind]), {word: ast.Constant(bound)})
        if name.lower() in _ARRAYS or name in ("tuple", "Tuple"):
            return {"type": "array"}
        if name.lower() in _OBJECTS:
            return {"type": "object"}
        return dict(_OF_MODELS.get(name, {})) if self.in_model else {}

    def _of_alias(self, name: str, depth: int) -> Schema:
        """What a name stands for; one that stands for something with itself inside becomes a definition."""
        if name in self._active:
            if self.level == self._active[name]:
                return {}  # nothing lies between: it says nothing
            self._recursive.add(name)
            return reference(name)
        self._active[name] = self.level
        with self.generics.within({}):
            found = self.schema(self.aliases[name], depth + 1)
        del self._active[name]
        if name in self._recursive:
            self.definitions[name] = found
            return reference(name)
        return found

    def _of_subscript(self, node: ast.Subscript, depth: int) -> Schema:
        name = self.word(node.value)
        arguments: Sequence[ast.expr] = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        word = name.lower()
        if not arguments:
            return {"type": "array"} if word == "tuple" else {}
        if name == "Optional":
            return union([self.schema(arguments[0], depth + 1), {"type": "null"}])
        if name == "Union":
            return union([self.schema(one, depth + 1) for one in arguments])
        if name == "Literal":
            return self._literal(arguments)
        if name == "Annotated":
            schema = self.schema(arguments[0], depth + 1)
            for extra in arguments[1:]:
                schema = constraints.narrowed(schema, extra)
            return schema
        if name in _WRAPPERS:
            return self.schema(arguments[0], depth + 1)
        if word == "tuple":
            return self._tuple(arguments, depth)
        if word in _ARRAYS:
            return array(self.inside(arguments[0], depth))
        if word in _OBJECTS and len(arguments) == 2:
            return mapping(self.inside(arguments[1], depth))
        if isinstance(node.value, ast.Name) and node.value.id in self.classes:
            return Classes(self).schema(self.classes[node.value.id], depth, arguments)
        return {}

    def _literal(self, arguments: Sequence[ast.expr]) -> Schema:
        values: list[Json] = []
        self.budget.spend(len(arguments))
        for one in arguments:
            nested = self.aliases.get(one.id) if isinstance(one, ast.Name) else one
            if isinstance(nested, ast.Subscript) and self.word(nested.value) == "Literal":
                inner = nested.slice.elts if isinstance(nested.slice, ast.Tuple) else [nested.slice]
                self.budget.spend(len(inner))
                values += [constant(item) for item in inner]
            else:
                values.append(self.value(one))
        if any(not isinstance(value, (bool, int, str)) and value is not None for value in values):
            return {}
        return one_of(values)

    def _tuple(self, arguments: Sequence[ast.expr], depth: int) -> Schema:
        last = arguments[-1]
        if len(arguments) == 2 and isinstance(last, ast.Constant) and last.value is Ellipsis:
            return array(self.inside(arguments[0], depth))
        return row([self.inside(one, depth) for one in arguments])

    def _of_call(self, node: ast.Call, depth: int) -> Schema:
        name = self.word(node)
        if name == "NewType" and len(node.args) == 2:
            return self.schema(node.args[1], depth + 1)
        if name in constraints.CALLS:
            keywords = {one.arg: one.value for one in node.keywords if one.arg}
            items = self.inside(node.args[0], depth) if name == "conlist" and node.args else {}
            base = array(items) if name == "conlist" else dict(_SIMPLE[constraints.CALLS[name]])
            return constraints.with_keywords(base, keywords)
        return {}
