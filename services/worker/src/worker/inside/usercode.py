"""Runs a Python component: calls its `main` with the inputs by name, or executes it with `inputs` and `outputs`."""

import _ast
import sys

TYPE_CHECKING = False
if (
    TYPE_CHECKING
):  # what is not needed by every step is imported where it is: each module costs every fork memory
    from typing import Any

MODULE = "mcpanel_component"
ONLY_TREE = 0x400  # ast.PyCF_ONLY_AST
_TRACEBACK_LIMIT = 32_000
_MISSING = object()
_Module = type(sys)


class BadInput(Exception):
    """The inputs do not fit `main`; the message names the argument."""


def call(component: str, source: str, inputs: "Any") -> "Any":
    """What the component returns: `main`'s value, or the global `outputs`.

    Raises BadInput, SyntaxError or whatever the code raises; NameError or TypeError where what should have
    defined `main` did not run, or made something else of it.
    """
    if not isinstance(inputs, dict):
        raise BadInput(
            f"the inputs must be an object with a name for each value, not {type(inputs).__name__}"
        )
    filename = f"{component}.py"
    tree = compile(source, filename, "exec", ONLY_TREE, dont_inherit=True)
    has_main = _defines_main(tree)
    name = MODULE if has_main else "__main__"
    module = _Module(name)
    module.__file__ = filename
    sys.modules[name] = module
    if not has_main:
        module.__dict__.update(inputs=inputs, outputs={})
    try:
        exec(compile(tree, filename, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  # its whole purpose
    except SystemExit as stop:
        if has_main or stop.code not in (None, 0):
            raise
    if not has_main:
        return module.__dict__.get("outputs")
    main = module.__dict__.get("main", _MISSING)
    if main is _MISSING:
        raise NameError(
            "main is not defined: its definition stands under a condition that did not hold, or was deleted; "
            "define it at the top level, or in every branch"
        )
    if not callable(main):
        raise TypeError(f"main is no function ({type(main).__name__}); write def main(...)")
    return _call_main(main, inputs)


def _defines_main(tree: "Any") -> bool:
    """Whether `main` is bound at the module's level, under a condition or not; not what `__name__` guards.

    The registry's inference reads the same statements.
    """
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.ClassDef):
            if node.name == "main":
                return True
        elif isinstance(node, _ast.Assign | _ast.AnnAssign):
            targets = node.targets if isinstance(node, _ast.Assign) else [node.target] if node.value else []
            if any(isinstance(target, _ast.Name) and target.id == "main" for target in targets):
                return True
        elif isinstance(node, _ast.ImportFrom):
            if any((item.asname or item.name) == "main" for item in node.names):
                return True
        elif not isinstance(node, _ast.If) or not _is_guard(node.test):
            for block in ("body", "handlers", "cases", "orelse", "finalbody"):
                waiting += getattr(node, block, ())
        else:
            waiting += node.orelse
    return False


def _is_guard(test: "Any") -> bool:
    """Whether a condition is `__name__ == "__main__"`, alone or among others."""
    if isinstance(test, _ast.BoolOp):
        return any(_is_guard(one) for one in test.values)
    return (
        isinstance(test, _ast.Compare)
        and isinstance(test.ops[0], _ast.Eq)
        and any(isinstance(one, _ast.Name) and one.id == "__name__" for one in (test.left, *test.comparators))
    )


def _call_main(main: "Any", inputs: "dict[str, Any]") -> "Any":
    arguments, by_name = _bind(main, inputs)
    output = main(*arguments, **by_name)
    if hasattr(output, "cr_await"):
        import asyncio  # noqa: PLC0415

        output = asyncio.run(output)
    return output


def _parameters(main: "Any") -> "tuple[list[tuple[str, bool, Any]], str]":
    """Name, whether only by position, and default (or _MISSING) of each parameter; and the name of `**rest`, if any."""
    code = getattr(main, "__code__", None)
    if code is None or hasattr(main, "__wrapped__") or type(main).__name__ != "function":
        import inspect  # noqa: PLC0415

        signature = inspect.signature(main).parameters.values()
        return [
            (p.name, p.kind is p.POSITIONAL_ONLY, _MISSING if p.default is p.empty else p.default)
            for p in signature
            if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ], next((p.name for p in signature if p.kind is p.VAR_KEYWORD), "")
    positional = code.co_varnames[: code.co_argcount]
    named = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    defaults = main.__defaults__ or ()
    by_position = [*[_MISSING] * (len(positional) - len(defaults)), *defaults]
    by_keyword = main.__kwdefaults__ or {}
    found = [
        (name, index < code.co_posonlyargcount, default)
        for index, (name, default) in enumerate(zip(positional, by_position, strict=True))
    ]
    found += [(name, False, by_keyword.get(name, _MISSING)) for name in named]
    if not code.co_flags & 0x08:  # CO_VARKEYWORDS
        return found, ""
    before = len(positional) + len(named) + bool(code.co_flags & 0x04)  # CO_VARARGS
    return found, code.co_varnames[before]


def _bind(main: "Any", inputs: "dict[str, Any]") -> "tuple[list[Any], dict[str, Any]]":
    """The inputs as arguments of `main`, converted as its hints say. Raises BadInput naming the argument."""
    parameters, others = _parameters(main)
    arguments: list[Any] = []
    by_name: dict[str, Any] = {}
    rest = dict(inputs)
    for name, by_position, default in parameters:
        value = rest.pop(name, _MISSING)
        if value is _MISSING:
            if default is _MISSING:
                given = ", ".join(sorted(inputs)) or "none"
                raise BadInput(f"main() needs the input '{name}', which was not given (given: {given})")
            value = default
        elif not (value is None and default is None):
            value = _converted(main, name, value, name)
        if by_position:
            arguments.append(value)
        else:
            by_name[name] = value
    if others:
        by_name.update((name, _converted(main, others, value, name)) for name, value in rest.items())
    elif rest:
        takes = ", ".join(name for name, _, _ in parameters) or "none"
        raise BadInput(f"main() takes no input named '{min(rest)}' (it takes: {takes})")
    return arguments, by_name


def _converted(main: "Any", parameter: str, value: "Any", name: str) -> "Any":
    """The value of an input as the parameter's hint asks for. Raises BadInput naming the input."""
    try:
        hint = main.__annotations__.get(parameter, _MISSING)
    except Exception:  # from 3.14 on a hint is evaluated here, and may be any expression
        return value
    if hint is _MISSING or (hint is type(value) and hint in (str, int, bool, dict, list)):
        return value
    from . import hints  # noqa: PLC0415

    try:
        return hints.convert(value, hints.of(main).get(parameter, object))
    except hints.Mismatch as problem:
        raise BadInput(f"the input '{name}{problem.path}' of main() {problem}") from None


def explain(error: BaseException, filename: str, source: str) -> tuple[str, str]:
    """A one-line message, and the traceback with only the component's own frames."""
    import linecache  # noqa: PLC0415
    import traceback  # noqa: PLC0415

    if isinstance(error, SystemExit):
        return f"the script exited with status {error.code!r}", ""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    summary = traceback.TracebackException.from_exception(error, compact=True)
    _keep_own_frames(summary, filename)
    text = "".join(summary.format())
    if len(text) > _TRACEBACK_LIMIT:
        half = _TRACEBACK_LIMIT // 2
        text = f"{text[:half]}\n  … {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    summary.__notes__ = None  # they stand in the traceback; the message is the exception's own
    lines = [line for line in summary.format_exception_only() if not line.startswith((" ", "\t"))]
    message = lines[-1].strip() if lines else type(error).__name__
    return _short_name(message, error)[:2000], text


def _short_name(message: str, error: BaseException) -> str:
    return message.removeprefix(f"{MODULE}.").removeprefix("__main__.") or type(error).__name__


def _keep_own_frames(summary: "Any", filename: str) -> None:
    import traceback  # noqa: PLC0415

    seen = [summary]
    while seen:
        part = seen.pop()
        part.stack = traceback.StackSummary.from_list(
            [frame for frame in part.stack if frame.filename == filename]
        )
        below = (part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or ()))
        seen += [other for other in below if other is not None]
