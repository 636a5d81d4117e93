"""The first layer of read-only: a statement is understood completely, or refused.

Two independent readings must agree that it is harmless: the lexer's (one statement, no denied name anywhere)
and sqlglot's syntax tree, of which every node must be on the list of what a query consists of.
"""

import hashlib
import logging
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.parsers.postgres import PostgresParser

from chassis.errors import Invalid
from datasources.statements.functions import is_denied
from datasources.statements.lexer import Lexed, lex, refused

# A statement may hold personal data, and sqlglot would log it.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

_STEPS: Final = 2000
_STEPS_EACH: Final = 4
"""How many steps sqlglot may take: so many, and so many a token. It takes up to 2 a token when it need not try things
out, and twice as many for each level of `date(date(date(…`: a hundred characters of that would never end."""

_DIALECT: Final = Postgres()
_ROOTS: Final = (exp.Select, exp.SetOperation, exp.Values, exp.Subquery)
_FAMILIES: Final = (exp.Func, exp.Binary, exp.Unary, exp.Predicate, exp.JSONPathPart)
_PARTS: Final = frozenset(
    {
        exp.Alias,
        exp.Aliases,
        exp.AtTimeZone,
        exp.BitString,
        exp.Boolean,
        exp.Bracket,
        exp.ByteString,
        exp.CTE,
        exp.Column,
        exp.ColumnDef,
        exp.DataType,
        exp.DataTypeParam,
        exp.Distinct,
        exp.Dot,
        exp.Except,
        exp.Fetch,
        exp.Filter,
        exp.From,
        exp.FromTimeZone,
        exp.Group,
        exp.Cube,
        exp.GroupingSets,
        exp.Rollup,
        exp.Having,
        exp.HexString,
        exp.Identifier,
        exp.Intersect,
        exp.Interval,
        exp.IntervalSpan,
        exp.JSONColumnDef,
        exp.JSONKeyValue,
        exp.JSONPath,
        exp.JSONSchema,
        exp.Join,
        exp.Lateral,
        exp.Limit,
        exp.LimitOptions,
        exp.Literal,
        exp.National,
        exp.Null,
        exp.ObjectIdentifier,
        exp.Offset,
        exp.Operator,
        exp.Order,
        exp.Ordered,
        exp.Parameter,
        exp.PropertyEQ,
        exp.PseudoType,
        exp.RawString,
        exp.RecursiveWithSearch,
        exp.Select,
        exp.Slice,
        exp.Star,
        exp.Subquery,
        exp.Table,
        exp.TableAlias,
        exp.TableSample,
        exp.Tuple,
        exp.Union,
        exp.Values,
        exp.Var,
        exp.Where,
        exp.Window,
        exp.WindowSpec,
        exp.With,
        exp.WithinGroup,
        exp.Kwarg,
        exp.Variadic,
    }
)
_WHAT: Final[dict[type[exp.Expr], str]] = {
    exp.Into: "SELECT INTO creates a table",
    exp.Lock: "FOR UPDATE and FOR SHARE lock rows",
    exp.Insert: "INSERT changes data",
    exp.Update: "UPDATE changes data",
    exp.Delete: "DELETE changes data",
    exp.Merge: "MERGE changes data",
    exp.Copy: "COPY is not a query",
}


class LongError(Exception):
    """A statement would take more steps to check than there were to spend."""


class _TiredError(Exception):
    """The parser has taken all its steps."""


class _Parser(PostgresParser):
    """sqlglot's parser, counting its steps forward and back."""

    steps = 0

    def _advance(self, times: int = 1) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise _TiredError
        super()._advance(times)


@dataclass(frozen=True, slots=True)
class Statement:
    """A query that passed. `text` has `$1 …` for its placeholders."""

    source: str
    text: str
    positional: int
    named: tuple[str, ...]
    shifts: tuple[tuple[int, int], ...]

    @property
    def digest(self) -> str:
        """SHA-256 over the statement as it was sent."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    def place(self, offset: int) -> tuple[int, int]:
        """The line and column in the source, from 1, of what stands at `offset` in `text`."""
        found = _in_source(self.shifts, offset)
        before = self.source[:found]
        return before.count("\n") + 1, found - before.rfind("\n")


def check(source: str, steps: float = math.inf) -> Statement:
    """The statement, when it is one read-only query. Raises Invalid STATEMENT_REFUSED that says why and where.

    Raises LongError, and soon, when it may take more than `steps` steps of about 10 microseconds.
    """
    lexed = lex(source)
    if not lexed.text.strip():
        raise refused("there is no statement", source, 0)
    for name in lexed.names:
        if is_denied(name.text):
            raise refused(f"{name.text} is not accepted in a query", source, name.offset)
    _check_tree(lexed, source, steps)
    return Statement(source, lexed.text, lexed.positional, lexed.named, lexed.shifts)


def _check_tree(lexed: Lexed, source: str, steps: float) -> None:
    # the context of an error is all that stands before it: its length is the place (sqlglot miscounts lines)
    parser = _Parser(
        dialect=_DIALECT, error_level=ErrorLevel.IMMEDIATE, error_message_context=len(lexed.text)
    )
    try:
        tokens = _DIALECT.tokenize(lexed.text)
        parser.steps = _STEPS + _STEPS_EACH * len(tokens)
        if parser.steps > steps:
            raise LongError
        trees = parser.parse(tokens, lexed.text)
    except _TiredError:
        raise refused(
            "the statement is too ambiguous to be read: nest its calls less deeply", source, 0
        ) from None
    except RecursionError:
        raise refused("the statement is nested too deeply", source, 0) from None
    except SqlglotError as error:
        raise _unreadable(error, lexed, source) from None
    if len(trees) != 1 or trees[0] is None:
        raise refused("exactly one statement is accepted", source, 0)
    root = trees[0]
    if not isinstance(root, _ROOTS):
        raise refused(
            f"{_word(lexed)} is not accepted; a query is SELECT, WITH … SELECT, VALUES or TABLE", source, 0
        )
    try:
        nodes: Sequence[exp.Expr] = list(root.walk())
    except RecursionError:
        raise refused("the statement is nested too deeply", source, 0) from None
    for node in nodes:
        if type(node) not in _PARTS and not isinstance(node, _FAMILIES):
            what = _WHAT.get(type(node), f"{type(node).__name__.upper()} is no part of a query")
            raise refused(f"{what}; only reading is accepted", source, 0)
        for name in _called(node):
            if is_denied(name):
                raise refused(f"the function {name} is not accepted", source, 0)


def _called(node: exp.Expr) -> Sequence[str]:
    if isinstance(node, exp.Anonymous):
        return [str(node.name)]
    return type(node).sql_names() if isinstance(node, exp.Func) else ()


def _word(lexed: Lexed) -> str:
    return lexed.names[0].text.upper() if lexed.names else "this"


def _unreadable(error: SqlglotError, lexed: Lexed, source: str) -> Invalid:
    details = getattr(error, "errors", None)
    if not details:
        return refused("the statement cannot be read", source, 0)
    offset = _in_source(lexed.shifts, len(details[0].get("start_context") or ""))
    why = str(details[0].get("description") or "unexpected").rstrip(".")
    if "<class" in why:
        why = "something is missing"
    return refused(f"the statement cannot be read: {why}", source, min(offset, len(source)))


def _in_source(shifts: Sequence[tuple[int, int]], offset: int) -> int:
    here, there = shifts[max(bisect_right(shifts, (offset, 1 << 62)) - 1, 0)]
    return there + offset - here
