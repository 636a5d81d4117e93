"""What a Python script's `main` takes and answers."""

import ast
import warnings
from collections.abc import Iterator
from typing import Any, Final

from chassis.jsonvalue import Json
from registry.inference import docstrings
from registry.inference.annotations import Scope
from registry.inference.constants import UNKNOWN, first_line, last_name
from registry.inference.schema import (
    DIALECT,
    NONE,
    Schema,
    ScriptError,
    Signature,
    TooMuchError,
    described,
    union,
)

_Main = ast.FunctionDef | ast.AsyncFunctionDef
_TRANSPARENT: Final = frozenset({"cache", "lru_cache", "override", "final"})
"""Decorators that leave a function's parameters as they are."""


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
    """The schemas of the script's `main`; NONE when it has none that can be read. Raises ScriptError."""
    module = parse(code)
    main = _main(module)
    if main is None or not all(last_name(one) in _TRANSPARENT for one in main.decorator_list):
        return NONE
    try:
        return Signature(_inputs(main, Scope(module)), _output(main, Scope(module, output=True)))
    except (TooMuchError, RecursionError):
        return NONE


def _main(module: ast.Module) -> _Main | None:
    """The one function that `main` is when the script has run; None where there is none, or only running would tell.

    Above all others is what is bound last and under no condition.
    """
    found = list(_bindings(module))
    if not found:
        return None
    last = found[-1]
    only = len(found) == 1 or any(last is node for node in module.body)
    return last if only and isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _bindings(module: ast.Module) -> Iterator[ast.stmt]:
    """The statements that bind `main`, as the step looks for them (`worker.inside.usercode`), in their order."""
    waiting: list[Any] = [*reversed(module.body)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if node.value else []
            names = [target.id for target in targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.ImportFrom):
            names = [item.asname or item.name for item in node.names]
        else:
            hidden = isinstance(node, ast.If) and _is_guard(node.test)
            blocks = ("orelse",) if hidden else ("body", "handlers", "cases", "orelse", "finalbody")
            inner = [one for block in blocks for one in getattr(node, block, ())]
            waiting += reversed(inner)
            names = []
        if "main" in names:
            yield node


def _is_guard(test: ast.expr) -> bool:
    """Whether a condition is `__name__ == "__main__"`, alone or among others: what it guards does not run."""
    if isinstance(test, ast.BoolOp):
        return any(_is_guard(one) for one in test.values)
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Eq)
        and any(isinstance(one, ast.Name) and one.id == "__name__" for one in (test.left, *test.comparators))
    )


def _inputs(main: _Main, scope: Scope) -> Schema:
    arguments = main.args
    text = ast.get_docstring(main) or ""
    said = docstrings.parameters(text)
    positional = [*arguments.posonlyargs, *arguments.args]
    without = len(positional) - len(arguments.defaults)
    defaults: list[ast.expr | None] = [None] * without + list(arguments.defaults)
    properties: Schema = {}
    required: list[Json] = []
    for argument, default in zip(
        (*positional, *arguments.kwonlyargs), (*defaults, *arguments.kw_defaults), strict=True
    ):
        schema = scope.schema(argument.annotation)
        if default is None:
            required.append(argument.arg)
        elif (value := scope.value(default)) is not UNKNOWN:
            if value is None and schema:
                schema = union([schema, {"type": "null"}])  # `n: int = None` takes None, whatever it says
            schema = schema | {"default": value}
        properties[argument.arg] = described(schema, said.get(argument.arg, ""))
    rest: Json = False
    if arguments.kwarg is not None:
        rest = scope.schema(arguments.kwarg.annotation) or True
    schema = {"$schema": DIALECT, "type": "object", "properties": properties, "additionalProperties": rest}
    if required:
        schema["required"] = required
    return scope.complete(described(schema, first_line(text)))


def _output(main: _Main, scope: Scope) -> Schema | None:
    schema = scope.schema(main.returns)
    return scope.complete({"$schema": DIALECT} | schema) if schema else None
