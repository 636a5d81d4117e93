"""What a Python script's `main` takes and answers."""

import ast
import warnings
from typing import Final

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
    main = next(
        (
            node
            for node in reversed(module.body)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == "main"
        ),
        None,
    )
    if main is None or not all(last_name(one) in _TRANSPARENT for one in main.decorator_list):
        return NONE
    try:
        return Signature(_inputs(main, Scope(module)), _output(main, Scope(module, output=True)))
    except (TooMuchError, RecursionError):
        return NONE


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
