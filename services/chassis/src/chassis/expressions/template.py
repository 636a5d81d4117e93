"""JSON values with expressions in their strings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from chassis import jsonvalue
from chassis.expressions import work
from chassis.expressions.compiled import DEFAULT_ROOTS, Expression
from chassis.expressions.errors import EvaluationError, ExpressionError
from chassis.expressions.syntax import Path
from chassis.jsonvalue import Json, Opaque

OPEN: Final = "${{"
CLOSE: Final = "}}"
MAX_EXPRESSIONS: Final = 1000
"""The most expressions in one template."""
MAX_RESULT: Final = 4 * 1024 * 1024
"""The largest result of a template, in bytes of its JSON."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A string with text around its expressions."""

    parts: tuple[str | Expression, ...]


_Node: TypeAlias = "bool | int | float | str | Expression | _Text | list[_Node] | dict[str, _Node] | None"


class Template:
    """A parsed JSON value; immutable, and safe to share."""

    __slots__ = ("_expressions", "_node")

    def __init__(self, node: _Node, expressions: tuple[tuple[Path, Expression], ...]) -> None:
        self._node = node
        self._expressions = expressions

    @staticmethod
    def parse(value: Json, roots: tuple[str, ...] = DEFAULT_ROOTS) -> "Template":
        """Parses every string in `value` (keys are left as they are). Raises ExpressionError with its `path`
        set.
        """
        found: list[tuple[Path, Expression]] = []
        node = _parse(value, roots, (), found)
        if len(found) > MAX_EXPRESSIONS:
            raise ExpressionError(f"more than {MAX_EXPRESSIONS} expressions", "")
        return Template(node, tuple(found))

    @property
    def is_constant(self) -> bool:
        """Whether there is no expression in it."""
        return not self._expressions

    @property
    def expressions(self) -> tuple[tuple[Path, Expression], ...]:
        """Its expressions, each with the place where it stands."""
        return self._expressions

    def references(self) -> list[Path]:
        """Every variable path its expressions read, each once, in order."""
        paths = (path for _, expression in self._expressions for path in expression.references)
        return list(dict.fromkeys(paths))

    def evaluate(self, variables: Mapping[str, Json]) -> Json:
        """The value with every expression replaced by its result. Raises EvaluationError with its `path` set."""
        value = _evaluate(self._node, variables, (), work.Meter())
        if self._expressions and len(jsonvalue.canonical(value, _nothing)) > MAX_RESULT:
            raise EvaluationError(
                f"the result is larger than {MAX_RESULT} bytes", self._expressions[0][1].source
            )
        return value


def split(text: str) -> Iterator[tuple[bool, str]]:
    """Cuts `text` into (is an expression, its source or the text around it). Raises ExpressionError if one is
    open.
    """
    position = 0
    while (start := text.find(OPEN, position)) >= 0:
        if start > position:
            yield False, text[position:start]
        end = _end(text, start + len(OPEN))
        yield True, text[start + len(OPEN) : end]
        position = end + len(CLOSE)
    if position < len(text):
        yield False, text[position:]


def _end(text: str, position: int) -> int:
    """Where the expression that begins at `position` ends, minding strings and braces."""
    begin, depth = position, 0
    while position < len(text):
        character = text[position]
        if character in "'\"":
            position = _after_string(text, position, raw=position > begin and text[position - 1] in "rR")
            continue
        if character == "{":
            depth += 1
        elif character == "}":
            if depth == 0 and text.startswith(CLOSE, position):
                return position
            depth -= 1
        position += 1
    source = text[begin:]
    line = source.count("\n") + 1
    raise ExpressionError(
        "the expression is not closed with }}", source, line, len(source.rpartition("\n")[2]) + 1
    )


def _after_string(text: str, position: int, *, raw: bool) -> int:
    quote = text[position]
    if text.startswith(quote * 3, position):
        quote *= 3
    position += len(quote)
    while position < len(text):
        if text[position] == "\\" and not raw:
            position += 2
        elif text.startswith(quote, position):
            return position + len(quote)
        else:
            position += 1
    return position


def _parse(value: Json, roots: tuple[str, ...], path: Path, found: list[tuple[Path, Expression]]) -> _Node:
    if isinstance(value, str):
        return _parse_text(value, roots, path, found)
    if isinstance(value, list):
        return [_parse(item, roots, (*path, str(index)), found) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _parse(item, roots, (*path, key), found) for key, item in value.items()}
    return value


def _parse_text(text: str, roots: tuple[str, ...], path: Path, found: list[tuple[Path, Expression]]) -> _Node:
    if OPEN not in text:
        return text
    try:
        parts = tuple(Expression.parse(part, roots) if is_one else part for is_one, part in split(text))
    except ExpressionError as error:
        raise error.at(path) from None
    expressions = [part for part in parts if isinstance(part, Expression)]
    found += [(path, expression) for expression in expressions]
    around = "".join(part for part in parts if isinstance(part, str))
    if len(expressions) == 1 and not around.strip():
        return expressions[0]
    return _Text(parts)


def _evaluate(node: _Node, variables: Mapping[str, Json], path: Path, meter: work.Meter) -> Json:
    if isinstance(node, Expression):
        return _value(node, variables, path, meter)
    if isinstance(node, _Text):
        return "".join(
            _text(part, variables, path, meter) if isinstance(part, Expression) else part
            for part in node.parts
        )
    if isinstance(node, list):
        return [_evaluate(item, variables, (*path, str(index)), meter) for index, item in enumerate(node)]
    if isinstance(node, dict):
        return {key: _evaluate(item, variables, (*path, key), meter) for key, item in node.items()}
    return node


def _value(expression: Expression, variables: Mapping[str, Json], path: Path, meter: work.Meter) -> Json:
    try:
        return expression.evaluate(variables, meter)
    except EvaluationError as error:
        raise error.at(path) from None


def _text(expression: Expression, variables: Mapping[str, Json], path: Path, meter: work.Meter) -> str:
    value = _value(expression, variables, path, meter)
    if isinstance(value, Opaque):
        raise EvaluationError(value.refusal, expression.source, path=path)
    return as_text(value)


def _nothing(value: object) -> None:
    """What counts of a value that is somewhere else."""
    if not isinstance(value, Opaque):
        raise TypeError(f"{type(value).__name__} is not JSON")


def as_text(value: Json) -> str:
    """How a value reads inside a longer string: text as it is, null as nothing, everything else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else jsonvalue.canonical(value).decode()
