"""JSON Schemas inferred from the signature of a Python script's `main`, read and never executed."""

import ast
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chassis.jsonvalue import Json

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_DEPTH: Final = 20
_MAX_WEIGHT: Final = 10_000
"""How many types the annotations may unfold to: a name for ten of a name for ten grows quickly."""
_SIMPLE: Final[dict[str, Schema]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "complex": {},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "list": {"type": "array"},
    "tuple": {"type": "array"},
    "set": {"type": "array"},
    "frozenset": {"type": "array"},
    "dict": {"type": "object"},
}
_ARRAYS: Final = frozenset(
    {"list", "set", "frozenset", "sequence", "iterable", "collection", "mutablesequence", "abstractset"}
)
_OBJECTS: Final = frozenset({"dict", "mapping", "mutablemapping", "ordereddict", "defaultdict"})
_WRAPPERS: Final = frozenset({"annotated", "required", "notrequired", "readonly", "final", "classvar"})
_GOOGLE: Final = re.compile(r"^\s+\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s+(.+)$")
_SPHINX: Final = re.compile(r"^\s*:param\s+(?:[\w\[\], .|]+\s)?(\w+):\s*(.+)$")


class ScriptError(Exception):
    """The script cannot be read or `main` cannot be called; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Signature:
    """What `main` takes and answers; None where the script does not say."""

    input_schema: Schema | None = None
    output_schema: Schema | None = None


NONE: Final = Signature()


def parse(code: str) -> ast.Module:
    """The script's syntax tree. Raises ScriptError where it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape is its author's business
            return ast.parse(code)
    except SyntaxError as error:
        raise ScriptError(error.msg, error.lineno or 1, error.offset or 1) from None
    except (ValueError, RecursionError, MemoryError):
        raise ScriptError(
            "the script cannot be parsed: it is nested too deeply or holds no text", 1, 1
        ) from None


def infer(code: str) -> Signature:
    """The schemas of the script's `main`; NONE when it has none. Raises ScriptError."""
    return of_module(parse(code))


def of_module(module: ast.Module) -> Signature:
    """Like `infer`, for a script that is parsed already."""
    main = next(
        (
            node
            for node in reversed(module.body)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == "main"
        ),
        None,
    )
    if main is None:
        return NONE
    scope = _Scope(module)
    return Signature(_inputs(main, scope), _output(main, scope))


def _inputs(main: ast.FunctionDef | ast.AsyncFunctionDef, scope: "_Scope") -> Schema:
    arguments = main.args
    if arguments.posonlyargs:
        first = arguments.posonlyargs[0]
        raise ScriptError(
            f"main takes {first.arg!r} by position only, and inputs arrive by name",
            first.lineno,
            first.col_offset + 1,
        )
    described = _descriptions(ast.get_docstring(main) or "")
    without = len(arguments.args) - len(arguments.defaults)
    defaults: list[ast.expr | None] = [None] * without + list(arguments.defaults)
    properties: Schema = {}
    required: list[Json] = []
    for argument, default in zip(
        (*arguments.args, *arguments.kwonlyargs), (*defaults, *arguments.kw_defaults), strict=True
    ):
        schema = scope.schema(argument.annotation)
        if default is None:
            required.append(argument.arg)
        elif (value := _constant(default)) is not _UNKNOWN:
            if value is None and schema:
                schema = _union([schema, {"type": "null"}])  # `n: int = None` takes None, whatever it says
            schema = schema | {"default": value}
        if argument.arg in described:
            schema = schema | {"description": described[argument.arg]}
        properties[argument.arg] = schema
    rest: Json = False
    if arguments.kwarg is not None:
        rest = scope.schema(arguments.kwarg.annotation) or True
    schema = {"$schema": DIALECT, "type": "object", "properties": properties, "additionalProperties": rest}
    if required:
        schema["required"] = required
    return scope.with_definitions(schema)


def _output(main: ast.FunctionDef | ast.AsyncFunctionDef, scope: "_Scope") -> Schema | None:
    schema = scope.schema(main.returns)
    return scope.with_definitions({"$schema": DIALECT} | schema) if schema else None


_UNKNOWN: Final = object()


def _constant(node: ast.expr) -> Any:
    """The JSON value of a literal, or _UNKNOWN."""
    try:
        return _jsonable(ast.literal_eval(node), 0)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _UNKNOWN


def _jsonable(value: object, depth: int) -> Json:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)) and abs(value) <= 2**53:
        return value
    if isinstance(value, (list, tuple)) and depth < _DEPTH:
        return [_jsonable(item, depth + 1) for item in value]
    if isinstance(value, dict) and depth < _DEPTH and all(isinstance(key, str) for key in value):
        return {key: _jsonable(item, depth + 1) for key, item in value.items()}
    raise ValueError("not JSON")


def _descriptions(docstring: str) -> dict[str, str]:
    """What a docstring says of each parameter, in Google's or Sphinx's style."""
    found: dict[str, str] = {}
    in_arguments = False
    for line in docstring.splitlines():
        if sphinx := _SPHINX.match(line):
            found[sphinx[1]] = sphinx[2].strip()
        if line.strip() in ("Args:", "Arguments:", "Parameters:"):
            in_arguments = True
        elif line.strip() and not line[0].isspace():
            in_arguments = False
        elif in_arguments and (google := _GOOGLE.match(line)):
            found.setdefault(google[1], google[2].strip())
    return found


@dataclass(slots=True)
class _Scope:
    """The names a script declares, and the schemas of those that annotations use."""

    module: ast.Module
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    aliases: dict[str, ast.expr] = field(default_factory=dict)
    definitions: dict[str, Schema] = field(default_factory=dict)
    weight: int = 0

    def __post_init__(self) -> None:
        for node in self.module.body:
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
            elif (
                isinstance(node, ast.Assign)
                and len(node.targets) == 1
                and isinstance(node.targets[0], ast.Name)
            ):
                self.aliases[node.targets[0].id] = node.value
            elif (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and node.value is not None
            ):
                self.aliases[node.target.id] = node.value

    def with_definitions(self, schema: Schema) -> Schema:
        """The schema with those definitions beside it that it refers to, however indirectly."""
        needed: dict[str, Json] = {}
        pending = _referred(schema)
        while pending:
            name = pending.pop()
            if name not in needed:
                needed[name] = self.definitions[name]
                pending |= _referred(self.definitions[name])
        return schema | {"$defs": dict(sorted(needed.items()))} if needed else schema

    def schema(self, annotation: ast.expr | None, depth: int = 0) -> Schema:
        """The schema of an annotation; `{}`, anything, for what is unknown. Raises ScriptError."""
        self._weigh(annotation)
        if annotation is None or depth > _DEPTH:
            return {}
        if isinstance(annotation, ast.Constant):
            return self._of_constant(annotation.value, depth)
        if isinstance(annotation, (ast.Name, ast.Attribute)):
            return self._of_name(annotation, depth)
        if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
            sides = (annotation.left, annotation.right)
            return _union([self.schema(side, depth + 1) for side in sides])
        if isinstance(annotation, ast.Subscript):
            return self._of_subscript(annotation, depth)
        return {}

    def _weigh(self, node: ast.AST | None) -> None:
        self.weight += 1
        if self.weight > _MAX_WEIGHT:
            line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
            raise ScriptError(f"the types of main unfold to more than {_MAX_WEIGHT}", line, column)

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
        name = node.id if isinstance(node, ast.Name) else node.attr
        if isinstance(node, ast.Name) and name in self.classes:
            return self._of_class(self.classes[name], depth)
        if isinstance(node, ast.Name) and name in self.aliases:
            return self.schema(self.aliases[name], depth + 1)
        if name in _SIMPLE:
            return dict(_SIMPLE[name])
        if name.lower() in _ARRAYS or name == "Tuple":
            return {"type": "array"}
        return {"type": "object"} if name.lower() in _OBJECTS else {}

    def _of_subscript(self, node: ast.Subscript, depth: int) -> Schema:
        target = node.value
        name = (
            target.id
            if isinstance(target, ast.Name)
            else target.attr
            if isinstance(target, ast.Attribute)
            else ""
        )
        arguments: Sequence[ast.expr] = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        word = name.lower()
        if word == "optional":
            return _union([self.schema(arguments[0], depth + 1), {"type": "null"}])
        if word == "union":
            return _union([self.schema(one, depth + 1) for one in arguments])
        if word == "literal":
            return _literal(arguments)
        if word == "annotated":
            return self._annotated(arguments, depth)
        if word in _WRAPPERS:
            return self.schema(arguments[0], depth + 1)
        if word == "tuple":
            return self._tuple(arguments, depth)
        if word in _ARRAYS:
            items = self.schema(arguments[0], depth + 1)
            return {"type": "array", "items": items} if items else {"type": "array"}
        if word in _OBJECTS and len(arguments) == 2:
            values = self.schema(arguments[1], depth + 1)
            return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
        return {}

    def _annotated(self, arguments: Sequence[ast.expr], depth: int) -> Schema:
        schema = self.schema(arguments[0], depth + 1)
        for extra in arguments[1:]:
            if isinstance(extra, ast.Constant) and isinstance(extra.value, str):
                return schema | {"description": extra.value}
        return schema

    def _tuple(self, arguments: Sequence[ast.expr], depth: int) -> Schema:
        last = arguments[-1] if arguments else None
        if len(arguments) == 2 and isinstance(last, ast.Constant) and last.value is Ellipsis:
            items = self.schema(arguments[0], depth + 1)
            return {"type": "array", "items": items} if items else {"type": "array"}
        items_of: list[Json] = [self.schema(one, depth + 1) for one in arguments]
        return {
            "type": "array",
            "prefixItems": items_of,
            "items": False,
            "minItems": len(items_of),
            "maxItems": len(items_of),
        }

    def _of_class(self, node: ast.ClassDef, depth: int) -> Schema:
        typed = any(_name(base) == "TypedDict" for base in node.bases)
        data = any(_name(one) == "dataclass" for one in node.decorator_list)
        inherited = [base for base in node.bases if _name(base) in self.classes]
        if not typed and not data and not inherited:
            return {}
        if node.name not in self.definitions:
            self.definitions[node.name] = {}  # found again while it is made: a class that holds itself
            found = self._object(node, depth)
            if not found:
                del self.definitions[node.name]
                return {}
            self.definitions[node.name] = found
        return {"$ref": f"#/$defs/{node.name}"}

    def _object(self, node: ast.ClassDef, depth: int) -> Schema:
        self._weigh(node)
        properties: dict[str, Json] = {}
        required: list[Json] = []
        for base in node.bases:
            if _name(base) in self.classes and _name(base) != node.name and depth < _DEPTH:
                above = self._object(self.classes[_name(base)], depth + 1)
                properties |= above.get("properties", {})
                required += above.get("required", [])
        total = not any(
            one.arg == "total" and isinstance(one.value, ast.Constant) and one.value.value is False
            for one in node.keywords
        )
        typed = any(_name(base) == "TypedDict" for base in node.bases)
        for statement in node.body:
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                continue
            wrapper = (
                _name(statement.annotation.value) if isinstance(statement.annotation, ast.Subscript) else ""
            )
            if wrapper == "ClassVar":
                continue
            name = statement.target.id
            properties[name] = self.schema(statement.annotation, depth + 1)
            given = statement.value is not None
            if wrapper == "Required" or (not given and wrapper != "NotRequired" and (total or not typed)):
                required.append(name)
        schema: Schema = {"type": "object", "properties": properties}
        return schema | {"required": list(dict.fromkeys(map(str, required)))} if required else schema


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _name(node.func)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _literal(arguments: Sequence[ast.expr]) -> Schema:
    values = [one.value for one in arguments if isinstance(one, ast.Constant)]
    allowed: list[Json] = [value for value in values if value is None or isinstance(value, (bool, int, str))]
    return {"enum": allowed} if allowed and len(allowed) == len(arguments) else {}


def _union(schemas: Sequence[Schema]) -> Schema:
    """Any of the schemas: one `type` with several words where that says it all, else `anyOf`."""
    if any(not one for one in schemas):
        return {}
    flat: list[Any] = []
    for one in schemas:
        inner = one["anyOf"] if set(one) == {"anyOf"} else [one]
        flat += [item for item in inner if item not in flat]
    if all(set(one) == {"type"} for one in flat):
        words: list[Json] = []
        for one in flat:
            kind = one["type"]
            words += [word for word in (kind if isinstance(kind, list) else [kind]) if word not in words]
        return {"type": words[0] if len(words) == 1 else words}
    return dict(flat[0]) if len(flat) == 1 else {"anyOf": flat}


def _referred(value: Json) -> set[str]:
    """The definitions that a schema refers to directly."""
    if isinstance(value, dict):
        found = {str(value["$ref"]).removeprefix("#/$defs/")} if isinstance(value.get("$ref"), str) else set()
        return found.union(*(_referred(item) for key, item in value.items() if key != "default"))
    if isinstance(value, list):
        return set().union(*(_referred(item) for item in value))
    return set()
