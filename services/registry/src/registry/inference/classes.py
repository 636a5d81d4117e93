"""The schemas of classes that a Python script declares: enums, dataclasses, typed dicts and pydantic's models."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from chassis.jsonvalue import Json
from registry.inference import constraints, generics
from registry.inference.constants import UNKNOWN, constant, first_line, last_name
from registry.inference.schema import DEPTH, Schema, described, one_of, reference, union

if TYPE_CHECKING:
    from registry.inference.annotations import Scope

_ENUMS: Final = frozenset({"Enum", "StrEnum", "IntEnum", "ReprEnum"})
_HARMLESS: Final = frozenset({"object", "Generic", "Protocol", "ABC", "BaseModel", "TypedDict", "str", "int"})
_BEFORE: Final = frozenset({"before", "wrap", "plain"})


@dataclass(slots=True)
class _Fields:
    """What is known of a class's fields."""

    properties: dict[str, Json] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    complete: bool = True
    """Whether these are all of them."""
    extra: str = ""
    """What a model's config says of other fields: forbid, allow, ignore."""


class Classes:
    """Reads the classes of one script."""

    def __init__(self, scope: "Scope") -> None:
        self._scope = scope

    def schema(self, node: ast.ClassDef, depth: int, arguments: Sequence[ast.expr] = ()) -> Schema:
        """The schema of a class, of a generic one with its type arguments; `{}` for one whose objects no input becomes.

        Raises TooMuchError.
        """
        kind = self._kind(node)
        if kind == "enum":
            members = self.members(node)
            return one_of(list(members.values())) if members else {}
        if not kind:
            return {}
        scope = self._scope
        given = scope.generics.given(node, arguments)
        name = scope.generics.name(node, given)
        if name not in scope.definitions:
            scope.definitions[name] = {}  # found again while it is made: a class that holds itself
            around, scope.in_model = scope.in_model, kind == "model"
            scope.level += 1
            with scope.generics.within(given):
                found = self._root(node, depth) if self._is_root(node) else self._object(node, kind, depth)
            scope.level -= 1
            scope.in_model = around
            scope.definitions[name] = described(found, first_line(ast.get_docstring(node)))
        return reference(name)

    def members(self, node: ast.ClassDef) -> dict[str, Json] | None:
        """The values of an enum's members by their names, None where only running the script would tell."""
        bases = [self._scope.word(base) for base in node.bases]
        if any(
            isinstance(one, ast.FunctionDef) and one.name in ("__new__", "__init__", "_missing_")
            for one in node.body
        ):
            return None
        found: dict[str, Json] = {}
        last: Json = 0
        for one in node.body:
            if not isinstance(one, ast.Assign) or not isinstance(one.targets[0], ast.Name):
                continue
            name = one.targets[0].id
            if name.startswith("_"):
                continue
            value: Any = constant(one.value)
            if isinstance(one.value, ast.Call) and last_name(one.value) == "auto":
                number = last + 1 if isinstance(last, int) else UNKNOWN
                value = name.lower() if "StrEnum" in bases else number
            if value is not None and not isinstance(value, (bool, int, float, str)):
                return None
            if "str" in bases and not isinstance(value, str):
                return None
            found[name] = last = value
        return found

    def _kind(self, node: ast.ClassDef, depth: int = 0) -> str:
        """What a class is: enum, data, typed, model, or nothing we know."""
        words = {
            self._scope.word(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases
        }
        if words & _ENUMS:
            return "enum"
        if _dataclass(node):
            return "data"
        if "TypedDict" in words:
            return "typed"
        if words & {"BaseModel", "RootModel"}:
            return "model"
        above = [self._kind(base, depth + 1) for base in self._bases(node)] if depth < DEPTH else []
        return next((kind for kind in above if kind), "")

    def _bases(self, node: ast.ClassDef) -> list[ast.ClassDef]:
        self._scope.budget.spend(len(node.bases))
        names = [last_name(base) for base in node.bases]
        return [self._scope.classes[one] for one in names if one in self._scope.classes and one != node.name]

    def _is_root(self, node: ast.ClassDef) -> bool:
        return any(last_name(base) == "RootModel" for base in node.bases)

    def _root(self, node: ast.ClassDef, depth: int) -> Schema:
        """A model that is one value."""
        base = next(one for one in node.bases if last_name(one) == "RootModel")
        declared = [
            one.annotation
            for one in node.body
            if isinstance(one, ast.AnnAssign) and last_name(one.target) == "root"
        ]
        inner = base.slice if isinstance(base, ast.Subscript) else declared[0] if declared else None
        found = self._scope.schema(inner, depth + 1)
        return {} if found == reference(node.name) or _meddles(node) is None else found

    def _object(self, node: ast.ClassDef, kind: str, depth: int) -> Schema:
        fields = self._fields(node, kind, depth)
        if fields is None:
            return {}
        schema: Schema = {"type": "object", "properties": fields.properties}
        if fields.required:
            schema["required"] = list(dict.fromkeys(fields.required))
        closed = kind == "data" or fields.extra == "forbid"
        if not fields.complete or fields.extra == "allow":
            schema["additionalProperties"] = True
        elif closed and not self._scope.output:
            schema["additionalProperties"] = False
        return schema

    def _fields(self, node: ast.ClassDef, kind: str, depth: int) -> _Fields | None:
        """The fields of a class and of those above it; None where anything may become one of it."""
        self._scope.budget.spend()
        found = _Fields()
        for base in reversed(node.bases):
            name = last_name(base)
            if name in self._scope.classes and name != node.name and depth < DEPTH:
                parent = self._scope.classes[name]
                passed = self._scope.generics.given(parent, generics.arguments(base))
                with self._scope.generics.within(passed):
                    above = self._fields(parent, kind, depth + 1)
                if above is None:
                    return None
                self._scope.budget.spend(len(above.properties))
                found.properties |= above.properties
                found.required = [
                    one for one in found.required if one not in above.properties
                ] + above.required
                found.complete &= above.complete
                found.extra = above.extra or found.extra
            elif name not in _HARMLESS:
                found.complete = False
        meddled = _meddles(node) if kind == "model" else frozenset()
        if meddled is None:
            return None
        if kind == "data" and not _dataclass(node):
            return found  # below a dataclass, an annotation alone makes no field
        config = _config(node) if kind == "model" else {}
        found.extra = str(config.get("extra", "")) or found.extra
        if config.keys() - {"extra"}:  # names made by a function, or two for each field
            return None
        total = all(one.arg != "total" or constant(one.value) is not False for one in node.keywords)
        for index, one in enumerate(node.body):
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                after = node.body[index + 1] if index + 1 < len(node.body) else None
                self._add(found, one, _text(after), kind, depth, total=total, meddled=meddled)
        return found

    def _add(
        self,
        found: _Fields,
        one: ast.AnnAssign,
        text: str,
        kind: str,
        depth: int,
        *,
        total: bool,
        meddled: frozenset[str],
    ) -> None:
        name = last_name(one.target)
        word = last_name(one.annotation)
        if word in ("ClassVar", "KW_ONLY", "InitVar") or (kind == "model" and name.startswith("_")):
            return
        call = (
            one.value
            if isinstance(one.value, ast.Call) and last_name(one.value) in ("Field", "field")
            else None
        )
        schema = self._scope.schema(one.annotation, depth + 1)
        keywords = {key.arg: key.value for key in call.keywords if key.arg} if call else {}
        if kind == "data" and constant(keywords.get("init")) is False and not self._scope.output:
            return
        if kind == "model":
            schema = constraints.with_keywords(schema, keywords)
            keywords |= _annotated_keywords(one.annotation)
            name = self._public(name, keywords)
            if not name:
                found.complete = False
                return
        optional, default = (
            constraints.default(call) if call else (one.value is not None, self._scope.value(one.value))
        )
        if kind == "model" and "default" in keywords and not optional:
            optional, default = True, self._scope.value(keywords["default"])
        if kind == "model" and "default_factory" in keywords:
            optional = True
        if optional and default is None and schema and not constraints.takes_null(schema):
            # `n: int = None`: what is left out becomes None, and what is given is still a number
            schema = union([schema, {"type": "null"}]) if self._scope.output else schema
        elif optional and default is not UNKNOWN and kind != "typed":
            schema = schema | {"default": default}
        if "description" not in schema:
            schema = described(schema, text)
        if last_name(one.target) in meddled or "*" in meddled:
            schema = {}
        found.properties[name] = schema
        if name in found.required:
            found.required.remove(name)
        if word == "Required" or (not optional and word != "NotRequired" and (total or kind != "typed")):
            found.required.append(name)

    def _public(self, name: str, keywords: dict[str, ast.expr]) -> str:
        """The name under which a model's field is given; empty where only running the script would tell."""
        if self._scope.output:
            return name
        alias = keywords.get("validation_alias", keywords.get("alias"))
        if alias is None:
            return name
        given = constant(alias)
        return given if isinstance(given, str) else ""


def _dataclass(node: ast.ClassDef) -> bool:
    return any(last_name(one) == "dataclass" for one in node.decorator_list)


def _text(node: ast.stmt | None) -> str:
    """The description that stands below a field as a string of its own."""
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return first_line(node.value.value)
    return ""


def _annotated_keywords(annotation: ast.expr) -> dict[str, ast.expr]:
    """The keywords of the `Field(…)` that stands in an `Annotated`."""
    if not isinstance(annotation, ast.Subscript) or last_name(annotation) != "Annotated":
        return {}
    extras = annotation.slice.elts[1:] if isinstance(annotation.slice, ast.Tuple) else []
    calls = [one for one in extras if isinstance(one, ast.Call) and last_name(one) == "Field"]
    return {key.arg: key.value for call in calls for key in call.keywords if key.arg}


def _meddles(node: ast.ClassDef) -> frozenset[str] | None:
    """The fields that a model's own functions see before they are checked, `*` for all; None for the whole model."""
    found: set[str] = set()
    for one in node.body:
        if not isinstance(one, ast.FunctionDef):
            continue
        if one.name in ("__init__", "model_validate", "__get_pydantic_core_schema__"):
            return None
        for decorator in one.decorator_list:
            if not isinstance(decorator, ast.Call):
                continue
            mode = constant(next((key.value for key in decorator.keywords if key.arg == "mode"), None))
            early = mode in _BEFORE if isinstance(mode, str) else False
            pre = any(key.arg == "pre" and constant(key.value) is True for key in decorator.keywords)
            if last_name(decorator) in ("model_validator", "root_validator") and (early or pre):
                return None
            if last_name(decorator) in ("field_validator", "validator") and (early or pre):
                names = [constant(name) for name in decorator.args]
                found |= {name if isinstance(name, str) else "*" for name in names}
    return frozenset(found)


def _config(node: ast.ClassDef) -> dict[str, Any]:
    """What a model's config says that changes its schema: `extra`, and the presence of anything about names."""
    settings: dict[str, ast.expr] = {key.arg: key.value for key in node.keywords if key.arg}
    for one in node.body:
        if isinstance(one, ast.Assign) and last_name(one.targets[0]) == "model_config":
            if isinstance(one.value, ast.Call):
                settings |= {key.arg: key.value for key in one.value.keywords if key.arg}
            elif isinstance(one.value, ast.Dict):
                pairs = zip(one.value.keys, one.value.values, strict=True)
                settings |= {str(constant(key)): value for key, value in pairs}
        elif isinstance(one, ast.ClassDef) and one.name == "Config":
            settings |= {
                last_name(line.targets[0]): line.value for line in one.body if isinstance(line, ast.Assign)
            }
    about_names = (
        "alias_generator",
        "populate_by_name",
        "validate_by_name",
        "allow_population_by_field_name",
    )
    found: dict[str, Any] = {name: True for name in about_names if name in settings}
    extra = constant(settings.get("extra"))
    return found | ({"extra": extra} if isinstance(extra, str) else {})
