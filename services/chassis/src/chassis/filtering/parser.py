"""A recursive-descent parser for filters (grammar: google.aip.dev/160, less functions and bare words)."""

import re
from dataclasses import dataclass
from typing import Final

from chassis.errors import FieldViolation, Invalid
from chassis.filtering.tree import And, Comparison, Filter, Not, Or

MAX_LENGTH: Final = 4096
_MAX_DEPTH: Final = 30
_OPERATORS: Final = ("<=", ">=", "!=", "=", "<", ">", ":")
_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<operator><=|>=|!=|=|<|>|:)
    | (?P<paren>[()])
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<minus>-(?=[A-Za-z_(]))
    | (?P<word>[^\s()=<>!:"',]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(text: str) -> Filter | None:
    """The filter that `text` writes, or None for an empty one. Raises Invalid INVALID_FILTER saying where."""
    if not text.strip():
        return None
    if len(text) > MAX_LENGTH:
        raise refused(f"longer than {MAX_LENGTH} characters", 1)
    parser = _Parser(_tokens(text), len(text))
    found = parser.conjunction(0)
    if (rest := parser.peek()) is not None:
        raise refused(f"unexpected {rest.text!r}", rest.position)
    return found


def refused(why: str, position: int) -> Invalid:
    """The refusal of a filter, naming the place."""
    sentence = f"{why} at position {position}"
    return Invalid("INVALID_FILTER", f"filter: {sentence}", fields=[FieldViolation("filter", sentence)])


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            what = "a string that is not closed" if text[start] in "\"'" else f"an unexpected {text[start]!r}"
            raise refused(what, start + 1)
        kind = match.lastgroup
        tokens.append(_Token(kind, match.group(kind), match.start(kind) + 1))
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[_Token], length: int) -> None:
        self._tokens = tokens
        self._next = 0
        self._length = length

    def peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def conjunction(self, depth: int) -> Filter:
        """`a AND b`, or simply `a b`."""
        if depth > _MAX_DEPTH:
            raise refused("nested too deeply", self._position())
        parts = [self._disjunction(depth)]
        while (token := self.peek()) is not None and token.text != ")":
            if _is_word(token, "AND"):
                self._next += 1
            parts.append(self._disjunction(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _disjunction(self, depth: int) -> Filter:
        parts = [self._term(depth)]
        while (token := self.peek()) is not None and _is_word(token, "OR"):
            self._next += 1
            parts.append(self._term(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _term(self, depth: int) -> Filter:
        token = self.peek()
        if token is not None and (_is_word(token, "NOT") or token.kind == "minus"):
            self._next += 1
            return Not(self._simple(depth))
        return self._simple(depth)

    def _simple(self, depth: int) -> Filter:
        token = self._take("a field or '('")
        if token.text == "(" and token.kind == "paren":
            found = self.conjunction(depth + 1)
            closing = self._take("')'")
            if closing.text != ")" or closing.kind != "paren":
                raise refused(f"expected ')', not {closing.text!r}", closing.position)
            return found
        if token.kind != "word" or not _FIELD.fullmatch(token.text):
            raise refused(f"expected a field, not {token.text!r}", token.position)
        operator = self._take(f"an operator after {token.text!r}")
        if operator.kind != "operator":
            raise refused(
                f"expected an operator ({' '.join(_OPERATORS)}) after {token.text!r}, not {operator.text!r}",
                operator.position,
            )
        value = self._take(f"a value after {operator.text!r}")
        if value.kind not in ("word", "string"):
            raise refused(f"expected a value, not {value.text!r}", value.position)
        quoted = value.kind == "string"
        text = re.sub(r"\\(.)", r"\1", value.text[1:-1], flags=re.DOTALL) if quoted else value.text
        return Comparison(token.text, operator.text, text, quoted, token.position)

    def _take(self, expected: str) -> _Token:
        token = self.peek()
        if token is None:
            raise refused(f"expected {expected}, but the filter ends", self._length + 1)
        self._next += 1
        return token

    def _position(self) -> int:
        token = self.peek()
        return token.position if token is not None else self._length + 1


def _is_word(token: _Token, word: str) -> bool:
    return token.kind == "word" and token.text == word
