"""One CEL expression, compiled."""

import re
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any, Final, cast

from cel_expr_python import cel
from cel_expr_python.ext import ext_encoders, ext_math, ext_optional, ext_strings
from google.protobuf.message import DecodeError

from chassis.expressions import depth, functions, hoisting, loops, results, work
from chassis.expressions.errors import EvaluationError, ExpressionError
from chassis.expressions.syntax import Path, certain, compiled, only_tested, plain_path, references
from chassis.jsonvalue import Json, Opaque

DEFAULT_ROOTS: Final = ("inputs", "steps", "item", "index", "run", "env", "trigger")
"""The variables an expression may start from, unless told otherwise."""
MAX_SOURCE: Final = 4096
"""The longest expression, in characters."""
_PLACE: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_OVERLOAD: Final = re.compile(r"[Nn]o matching overloads? (?:found :|for) ?(.*)")
_UNEXPECTED: Final = re.compile(r"(?:mismatched|extraneous) input .* expecting (.*)", re.DOTALL)
_MISSING: Final = re.compile(r"missing (.*) at .*", re.DOTALL)
_TOKEN: Final = re.compile(r"""[A-Za-z_0-9]+|[=!<>&|]+|"[^"]*"|'[^']*'|.""", re.DOTALL)
_QUOTES: Final = ("'", '"')
_INSTEAD: Final = {"=": "to compare write '=='", "&": "write '&&'", "|": "write '||'"}
_MAX_KEYS: Final = 20
_WORDS: Final = {
    "list": "a list",
    "string": "a string",
    "number": "a number",
    "boolean": "a boolean",
    "null": "null",
}
_JSON_TYPES: Final = {
    "BOOL": "boolean",
    "INT": "integer",
    "UINT": "integer",
    "DOUBLE": "number",
    "STRING": "string",
    "BYTES": "string",
    "TIMESTAMP": "string",
    "DURATION": "string",
    "LIST": "array",
    "MAP": "object",
    "NULL": "null",
}


class Expression:
    """A compiled expression; immutable, and safe to share."""

    __slots__ = (
        "_loop",
        "_parts",
        "_plain_path",
        "_program",
        "_read",
        "_rest",
        "_tested",
        "_tree",
        "_weight",
        "certain",
        "references",
        "source",
    )

    def __init__(self, source: str, program: Any) -> None:
        serialized = program.serialize()
        self.source = source
        self.references: tuple[Path, ...] = references(serialized)
        """Every variable path it reads, such as `("steps", "extract", "output")`."""
        self.certain: frozenset[Path] = certain(serialized)
        """Those of the paths without which it has no value."""
        self._program = program
        self._tree = compiled(serialized)
        self._weight = work.weight(self._tree)
        self._loop = loops.loop(self._tree)
        self._parts: tuple[tuple[hoisting.Part, Expression], ...] = ()
        """The loops inside it, each an expression by itself."""
        self._rest = self
        """What is computed of what came of these."""
        self._plain_path = plain_path(serialized)
        self._tested = only_tested(serialized)
        self._read = tuple(path for path in self.references if path not in self._tested)

    @staticmethod
    def parse(source: str, roots: tuple[str, ...] = DEFAULT_ROOTS) -> "Expression":
        """Compiles `source`, which may read the variables `roots`. Raises ExpressionError with line and
        column.
        """
        return _compiled(source, tuple(roots))

    def in_parts(self, environment: Any) -> "Expression":
        """The same, which hands long lists over in parts wherever they are gone through."""
        if self._weight and (found := hoisting.hoisted(self._program.serialize())) is not None:
            self._parts = tuple(
                (one, Expression(self.source, environment.deserialize(one.program))) for one in found.parts
            )
            self._rest = Expression(self.source, environment.deserialize(found.rest))
        return self

    @property
    def result_type(self) -> str | None:
        """The JSON type of its value where the expression alone decides it, as in `size(x) > 0`; else None."""
        return _JSON_TYPES.get(str(self._program.return_type().name()).partition("<")[0])

    def evaluate(
        self, variables: Mapping[str, Json], meter: work.Meter | None = None, *, exact: bool = False
    ) -> Json:
        """The value for these variables: integers stay int, timestamps and durations become their JSON text.

        What it takes is taken off the `meter`, which others share; without one it has a whole one to itself.

        The value of a plain path such as `inputs.rows` is the variable's own, not a copy. Raises EvaluationError;
        a missing key is named together with the keys there are. With `exact` its values are those of JSON, or it raises
        InexactError.
        """
        if self._plain_path is not None:
            return self._look_up(self._plain_path, variables)
        if any(part._is_long(variables) for _, part in self._parts):
            meter = meter or work.Meter()
            given = self._with_parts(variables, meter)
            if given is not None:
                return self._rest.evaluate(given, meter)
        # Only what the expression reads: the library converts everything it is given, for every evaluation.
        data = _pruned(variables, self._read, self._tested)
        functions.restart()
        try:
            parts = None if self._loop is None else self._loop.parts(data)
            apart = () if parts is None or self._loop is None else self._loop.path
            part = 0 if parts is None or self._loop is None else self._loop.part
            if meter is not None or self._weight:
                (meter or work.Meter()).check(self._tree, self._weight, data, apart, part)
        except (OverflowError, work.TooMuchError) as error:
            raise EvaluationError(str(error), self.source) from None
        left = results.Left(results.MAX_INNER) if exact else results.Left()
        evaluate = partial(self._evaluate, variables=variables, left=left, exact=exact)
        if parts is None:
            return evaluate(data)
        return [one for part in parts for one in cast("list[Json]", evaluate(part))]

    def _is_long(self, variables: Mapping[str, Json]) -> bool:
        return self._loop is not None and self._loop.is_long(variables)

    def _with_parts(self, variables: Mapping[str, Json], meter: work.Meter) -> dict[str, Json] | None:
        """The variables, and what comes of the loops inside; None where it has to be computed as it is written.

        Raises EvaluationError for a loop that is computed in any case.
        """
        given = dict(variables)
        for part, expression in self._parts:
            try:
                given[part.name] = expression.evaluate(variables, meter, exact=True)
            except results.InexactError:
                return None
            except EvaluationError:
                if part.is_needed:
                    raise
                return None
        return given

    def _evaluate(
        self, data: dict[str, Any], *, variables: Mapping[str, Json], left: results.Left, exact: bool
    ) -> Json:
        try:
            value = self._program.eval(data=data)
            failed = value.type() == cel.Type.ERROR
            told = str(value.plain_value()) if failed else ""
            found = None if failed else results.convert(value, left, exact=exact)
        except results.UnusableError as error:
            raise EvaluationError(str(error), self.source) from None
        except RuntimeError as error:
            raise EvaluationError(self._refuse(data, variables) or _work(str(error)), self.source) from None
        except (TypeError, ValueError, OverflowError, UnicodeError, RecursionError) as error:
            raise EvaluationError(
                f"a variable holds what no expression can read: {error}", self.source
            ) from None
        if failed:
            raise EvaluationError(
                self._refuse(data, variables) or self._explain(told, variables), self.source
            )
        return found

    def _look_up(self, path: Path, variables: Mapping[str, Json]) -> Json:
        value: Any = variables
        for key in path:
            if isinstance(value, Opaque) and not _lacks(value, key):
                value = value.part(key)
                continue
            if not isinstance(value, Mapping) or key not in value:
                raise EvaluationError(_missing(path, variables) or f"there is no '{key}'", self.source)
            value = value[key]
        found: Json = value
        return found

    def _refuse(self, data: Mapping[str, Any], variables: Mapping[str, Json]) -> str:
        """Why a value that is somewhere else cannot be computed on, after what it does not even have."""
        refusal = _refusal(data)
        if not refusal:
            return ""
        missing = (_missing(path, variables) for path in self.references)
        return "; ".join([*dict.fromkeys(one for one in missing if one is not None), refusal])

    def _explain(self, text: str, variables: Mapping[str, Json]) -> str:
        """The library's error in words that help."""
        if "Key not found" in text or "No value with name" in text or "non-message type" in text:
            for path in self.references:
                if (sentence := _missing(path, variables)) is not None:
                    return sentence
        reason = text.partition(": ")[2] or text
        if (match := _OVERLOAD.search(text)) is not None:
            return f"no operation {_operator(match.group(1))} for these types; convert with int(), double() or string()"
        return reason[:1].lower() + reason[1:]


@lru_cache(maxsize=64)
def _environment(roots: tuple[str, ...]) -> Any:
    extensions = [
        ext_strings.ExtStrings(),
        ext_math.ExtMath(),
        ext_optional.ExtOptional(),
        ext_encoders.ExtEncoders(),
        functions.extension(),
    ]
    return cel.NewEnv(variables=dict.fromkeys(roots, cel.Type.DYN), extensions=extensions)


@lru_cache(maxsize=4096)
def _compiled(source: str, roots: tuple[str, ...]) -> Expression:
    if not source.strip():
        raise ExpressionError("the expression is empty", source)
    if len(source) > MAX_SOURCE:
        raise ExpressionError(f"the expression is longer than {MAX_SOURCE} characters", source[:200])
    try:
        program = _environment(roots).compile(source)
        return Expression(source, program).in_parts(_environment(roots))
    except RuntimeError as error:
        if depth.is_told_by(str(error)):
            raise ExpressionError(depth.TOO_DEEP, source, *depth.place(source)) from None
        raise _syntax_error(str(error), source, roots) from None
    except DecodeError:
        raise ExpressionError(depth.TOO_DEEP, source, *depth.place(source)) from None
    except (UnicodeError, RecursionError) as error:
        raise ExpressionError(f"the expression cannot be read: {error}", source) from None


def _syntax_error(text: str, source: str, roots: tuple[str, ...]) -> ExpressionError:
    match = _PLACE.search(text)
    if match is None:
        return ExpressionError(text.splitlines()[0], source)
    message = match.group(3).removesuffix(" [INVALID_ARGUMENT]")
    if (unknown := re.match(r"undeclared reference to '([^']*)'", message)) is not None:
        message = f"unknown name '{unknown.group(1)}'; known: {', '.join(roots)}"
    line, column = int(match.group(1)), int(match.group(2))
    if message.startswith("Syntax error: "):
        rest = "\n".join(source.splitlines()[line - 1 :])[column - 1 :]
        message = _plainly(message.removeprefix("Syntax error: "), rest)
    return ExpressionError(message, source, line, column)


def _plainly(message: str, rest: str) -> str:
    """The parser's complaint, made for who builds parsers, in other words; `rest` is what it did not read."""
    expected = ", expected a value"
    if (known := _UNEXPECTED.fullmatch(message)) is not None:
        words = re.findall(r"'(?:[^']+|')'", known.group(1))
        if known.group(1) == "<EOF>":
            expected = ", expected an operator or the end"
        elif "IDENTIFIER" not in known.group(1) and words:
            expected = f", expected {' or '.join(words)}"
    elif (known := _MISSING.fullmatch(message)) is not None:
        expected = f", expected {known.group(1)}"
    elif message.startswith("token recognition error"):
        if rest[:1] in _INSTEAD:
            return f"unexpected {rest[:1]!r}; {_INSTEAD[rest[:1]]}"
        if rest[:1] in _QUOTES:
            return "a string that is not closed, or has an escape that there is not"
        expected = ""
    if not rest.strip():
        return f"the expression ends too early{expected}"
    token = _TOKEN.match(rest.lstrip())
    found = token.group() if token else rest.lstrip()[:1]
    return f"unexpected {found if found[0] in _QUOTES else repr(found)}{expected}"


def _work(text: str) -> str:
    if "budget" in text:
        return loops.TOO_MANY
    return text.partition(": ")[2].removesuffix("]").rpartition(" [")[0] or text


def _operator(signature: str) -> str:
    name, _, types = signature.partition("(")
    symbol = name.strip().strip("_")
    return f"{symbol}({types}" if types and symbol else signature


def _pruned(
    variables: Mapping[str, Json], paths: tuple[Path, ...], tested: frozenset[Path]
) -> dict[str, Any]:
    """The parts of `variables` that lie on `paths`, and that there are those that `has()` asks for; what is not there
    stays out.
    """
    kept: dict[str, Any] = {}
    whole: set[int] = set()  # the mappings taken over as they are, which must not be added to
    for path in sorted(paths, key=len):
        source: Any = variables
        target = kept
        for length, key in enumerate(path, 1):
            if not isinstance(source, Mapping) or key not in source:
                break
            source = source[key]
            if length == len(path) or not isinstance(source, Mapping):
                target[key] = source
                whole.add(id(source))
                break
            if id(target.get(key)) in whole:
                break
            target = target.setdefault(key, {})
    for path in sorted(tested, key=len, reverse=True):
        _add_tested(kept, whole, variables, path)
    return kept


def _add_tested(kept: dict[str, Any], whole: set[int], variables: Mapping[str, Json], path: Path) -> None:
    """Adds null at `path` where there is something, also inside a value that is somewhere else, as far as its fields
    are known; where they are not, that value.
    """
    source: Any = variables
    target = kept
    for key in path[:-1]:
        if not _has(source, key):
            return
        source = source.part(key) if isinstance(source, Opaque) else source[key]
        is_object = source.kind == "object" if isinstance(source, Opaque) else isinstance(source, Mapping)
        inside = target.setdefault(key, {} if is_object else source)
        if not is_object or id(inside) in whole or not isinstance(inside, dict):
            return
        target = inside
    if _has(source, path[-1]):
        target.setdefault(path[-1], None)


def _has(value: Any, key: str) -> bool:
    """Whether an object has a key."""
    return key in value.fields if isinstance(value, Opaque) else isinstance(value, Mapping) and key in value


def _refusal(value: Any) -> str:
    """Why the first value in `value` that cannot be looked into is not; empty when there is none."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Opaque):
            return one.refusal
        if isinstance(one, (list, tuple)):
            waiting += one
        elif isinstance(one, Mapping):
            waiting += one.values()
    return ""


def _missing(path: Path, variables: Mapping[str, Json]) -> str | None:
    """The sentence about the first key of `path` that is not there, or None when all are."""
    value: Any = variables
    walked: list[str] = []
    for key in path:
        where = ".".join(walked)
        if isinstance(value, Opaque):
            if not value.kind:
                return None
            if value.kind != "object":
                return f"{where} is {_WORDS[value.kind]} and has no '{key}'"
        elif not isinstance(value, Mapping):
            return f"{where} is {_kind(value)} and has no '{key}'"
        keys = value.fields if isinstance(value, Opaque) else value
        if key not in keys:
            names = sorted(map(str, keys))[:_MAX_KEYS]
            known = f"; it has: {', '.join(names)}" if names else "; it is empty"
            return f"{where} has no '{key}'{known}" if walked else f"there is no '{key}' here{known}"
        walked.append(key)
        value = value.part(key) if isinstance(value, Opaque) else value[key]
    return None


def _lacks(value: Opaque, key: str) -> bool:
    """Whether it is known to have nothing under a key."""
    return bool(value.kind) and (value.kind != "object" or key not in value.fields)


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
