"""The parsed form of a CEL expression, and what it refers to.

The CEL library gives its syntax tree only as bytes: a `google.protobuf.Any` of `cel.expr.CheckedExpr`. The
part of that schema which references need is declared here (field numbers from cel-spec,
proto/cel/expr/syntax.proto and checked.proto) in a descriptor pool of its own.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

Path: TypeAlias = tuple[str, ...]

_MESSAGE: Final = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
_STRING: Final = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
_BOOL: Final = descriptor_pb2.FieldDescriptorProto.TYPE_BOOL
_UINT64: Final = descriptor_pb2.FieldDescriptorProto.TYPE_UINT64
_SCHEMA: Final[dict[str, tuple[tuple[str, int, Any, str, bool], ...]]] = {
    # name: (field, number, type, message, repeated)
    "CheckedExpr": (("expr", 4, _MESSAGE, "Expr", False),),
    "Expr": (
        ("const", 3, _MESSAGE, "Constant", False),
        ("ident", 4, _MESSAGE, "Ident", False),
        ("select", 5, _MESSAGE, "Select", False),
        ("call", 6, _MESSAGE, "Call", False),
        ("list", 7, _MESSAGE, "CreateList", False),
        ("struct", 8, _MESSAGE, "CreateStruct", False),
        ("comprehension", 9, _MESSAGE, "Comprehension", False),
    ),
    "Constant": (("uint64_value", 4, _UINT64, "", False), ("string_value", 6, _STRING, "", False)),
    "Ident": (("name", 1, _STRING, "", False),),
    "Select": (
        ("operand", 1, _MESSAGE, "Expr", False),
        ("field", 2, _STRING, "", False),
        ("test_only", 3, _BOOL, "", False),
    ),
    "Call": (
        ("target", 1, _MESSAGE, "Expr", False),
        ("function", 2, _STRING, "", False),
        ("args", 3, _MESSAGE, "Expr", True),
    ),
    "CreateList": (("elements", 1, _MESSAGE, "Expr", True),),
    "CreateStruct": (("entries", 2, _MESSAGE, "Entry", True),),
    "Entry": (("map_key", 3, _MESSAGE, "Expr", False), ("value", 4, _MESSAGE, "Expr", False)),
    "Comprehension": (
        ("iter_var", 1, _STRING, "", False),
        ("iter_range", 2, _MESSAGE, "Expr", False),
        ("accu_var", 3, _STRING, "", False),
        ("accu_init", 4, _MESSAGE, "Expr", False),
        ("loop_condition", 5, _MESSAGE, "Expr", False),
        ("loop_step", 6, _MESSAGE, "Expr", False),
        ("result", 7, _MESSAGE, "Expr", False),
        ("iter_var2", 8, _STRING, "", False),
    ),
}
_OPTIONAL: Final = frozenset({"_?._", "_[?_]"})
_CERTAIN: Final = {"_?_:_": 1, "_&&_": 0, "_||_": 0}
"""How many of a call's arguments it needs whatever they are: of `&&` and `||`, either may decide alone."""
_PACKAGE: Final = "chassis.cel"


def _checked_expr() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="chassis/cel.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of, repeated in fields:
            one = message.field.add(name=field, number=number, label=3 if repeated else 1)
            one.type = kind
            if name == "Constant":  # which of its fields it has matters where that is 0 or empty, too
                one.oneof_index = len(message.oneof_decl)
                one.proto3_optional = True
                message.oneof_decl.add(name=f"_{field}")
            if of:
                one.type_name = f".{_PACKAGE}.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.CheckedExpr"))


_CheckedExpr: Final = _checked_expr()


def references(serialized: bytes) -> tuple[Path, ...]:
    """Every variable path the serialized expression reads, each once, in the order they appear.

    A path goes as deep as constant keys lead: `steps['a'].output.rows[0].x` is `("steps", "a", "output",
    "rows")`. Variables that macros such as `map` bind are left out; their ranges are not.
    """
    return tuple(dict.fromkeys(path for path, _ in _paths(serialized)))


def only_tested(serialized: bytes) -> frozenset[Path]:
    """Those of the paths that `has()` asks for, and that nothing else reads."""
    found = list(_paths(serialized))
    return frozenset(path for path, is_test in found if is_test) - {
        path for path, is_test in found if not is_test
    }


def certain(serialized: bytes) -> frozenset[Path]:
    """Those of the paths that it needs: they are in no branch, and not asked for only if they are there.

    What a macro such as `map` does with each item counts as done.
    """
    return frozenset(_certain(compiled(serialized), frozenset()))


def _certain(expr: Any, bound: frozenset[str]) -> Iterator[Path]:
    path = _path(expr)
    if path is not None:
        if path[0] not in bound and not _is_optional(expr):
            yield path
        return
    kind = next((field.name for field, _ in expr.ListFields()), "")
    if kind == "select" and not expr.select.test_only:
        yield from _certain(expr.select.operand, bound)
    elif kind == "call" and expr.call.function not in _OPTIONAL:
        parts = ([expr.call.target] if expr.call.HasField("target") else []) + list(expr.call.args)
        for part in parts[: _CERTAIN.get(expr.call.function)]:
            yield from _certain(part, bound)
    elif kind == "list":
        for element in expr.list.elements:
            yield from _certain(element, bound)
    elif kind == "struct":
        for entry in expr.struct.entries:
            yield from _certain(entry.value, bound)
    elif kind == "comprehension":
        loop, step = expr.comprehension, expr.comprehension.loop_step
        yield from _certain(loop.iter_range, bound)
        # `exists` and `all` are `result || …` and `result && …`, of which the first item always tries the second.
        if step.call.function in ("_||_", "_&&_") and step.call.args[0].ident.name == loop.accu_var:
            step = step.call.args[1]
        yield from _certain(step, bound | {loop.accu_var, loop.iter_var, loop.iter_var2})


def _is_optional(expr: Any) -> bool:
    """Whether a path is asked for in a way that does without it: `has(a.b)`, `a.?b`."""
    while not expr.HasField("ident"):
        if expr.HasField("select"):
            if expr.select.test_only:
                return True
            expr = expr.select.operand
        elif expr.call.function in _OPTIONAL:
            return True
        else:
            expr = expr.call.args[0]
    return False


def _paths(serialized: bytes) -> Iterator[tuple[Path, bool]]:
    return _walk(compiled(serialized), frozenset())


def compiled(serialized: bytes) -> Any:
    """The tree of a serialized expression."""
    return checked(serialized).expr


def checked(serialized: bytes) -> Any:
    """The tree, in what the library keeps beside it."""
    return _CheckedExpr.FromString(any_pb2.Any.FromString(serialized).value)


def paths(expr: Any) -> Iterator[Path]:
    """Every path that a part of a tree reads, those of variables that are bound around it included."""
    return (path for path, _ in _walk(expr, frozenset()))


def constant_path(expr: Any) -> Path | None:
    """The path that a part of a tree is, when it is nothing else."""
    path = _path(expr)
    return None if path is None or _is_optional(expr) else path


def plain_path(serialized: bytes) -> Path | None:
    """The path, when the whole expression is nothing but one: `inputs.city` or `steps['a'].output`."""
    expr = compiled(serialized)
    keys: list[str] = []
    while not expr.HasField("ident"):
        if expr.HasField("select") and not expr.select.test_only:
            keys.append(expr.select.field)
            expr = expr.select.operand
        elif expr.HasField("call") and expr.call.function == "_[_]" and expr.call.args[1].const.string_value:
            keys.append(expr.call.args[1].const.string_value)
            expr = expr.call.args[0]
        else:
            return None
    return (expr.ident.name, *reversed(keys))


def _walk(expr: Any, bound: frozenset[str]) -> Iterator[tuple[Path, bool]]:
    """Each path, and whether it is only asked for by `has()` there."""
    path = _path(expr)
    if path is not None:
        if path[0] not in bound:
            yield path, bool(expr.HasField("select") and expr.select.test_only)
        return
    kind = next((field.name for field, _ in expr.ListFields()), "")
    if kind == "select":
        yield from _walk(expr.select.operand, bound)
    elif kind == "call":
        parts: Iterable[Any] = ([expr.call.target] if expr.call.HasField("target") else []) + list(
            expr.call.args
        )
        for part in parts:
            yield from _walk(part, bound)
    elif kind == "list":
        for element in expr.list.elements:
            yield from _walk(element, bound)
    elif kind == "struct":
        for entry in expr.struct.entries:
            yield from _walk(entry.map_key, bound)
            yield from _walk(entry.value, bound)
    elif kind == "comprehension":
        loop = expr.comprehension
        yield from _walk(loop.iter_range, bound)
        yield from _walk(loop.accu_init, bound)
        inner = bound | {loop.accu_var, loop.iter_var, loop.iter_var2}
        for part in (loop.loop_condition, loop.loop_step, loop.result):
            yield from _walk(part, inner)


def _path(expr: Any) -> Path | None:
    """The constant path that `expr` is, or None; an index that is no constant string ends it one step up."""
    if expr.HasField("ident"):
        return (expr.ident.name,)
    if expr.HasField("select"):
        operand = _path(expr.select.operand)
        return None if operand is None else (*operand, expr.select.field)
    if expr.HasField("call") and expr.call.function in ("_[_]", *_OPTIONAL) and len(expr.call.args) == 2:
        key = expr.call.args[1]
        if key.HasField("const") and key.const.string_value:
            operand = _path(expr.call.args[0])
            return None if operand is None else (*operand, key.const.string_value)
    return None
