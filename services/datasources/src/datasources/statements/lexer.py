"""PostgreSQL's lexical rules, as far as a check needs them: what is an identifier, a string, a comment, an end.

A second reader beside sqlglot's, on purpose: a statement that the two understand differently is where an attack
would hide. The rules are those of PostgreSQL's scan.l with `standard_conforming_strings` on, which the connection
sets. What would make them depend on anything else is refused.
"""

import re
from dataclasses import dataclass
from typing import Final

from chassis.errors import Invalid

_SPACES: Final = " \t\n\r\f\v"
_SPACE: Final = re.compile(f"[{_SPACES}]+")
_LINE_COMMENT: Final = re.compile(r"--[^\n\r]*")
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
_WORD: Final = re.compile(r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*")
_NUMBER: Final = re.compile(r"(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_DOLLAR: Final = re.compile(r"\$(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?\$")
_PLAIN_STRING: Final = re.compile(r"'(?:[^']|'')*'")
_ESCAPE_STRING: Final = re.compile(r"'(?:[^'\\]|''|\\.)*'", re.DOTALL)
_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"')
_POSITIONAL: Final = re.compile(r"%s(?![A-Za-z0-9_$\x80-\U0010ffff])")
_NAMED: Final = re.compile(r"%\(([A-Za-z_][A-Za-z0-9_]{0,62})\)s")


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier or keyword as PostgreSQL reads it (folded unless quoted), and where it begins."""

    text: str
    quoted: bool
    offset: int


@dataclass(frozen=True, slots=True)
class Lexed:
    """A statement taken apart: its text with `$n` for the placeholders and no semicolon."""

    text: str
    names: tuple[Name, ...]
    positional: int
    """How many `%s` there are."""
    named: tuple[str, ...]
    """The names of `%(name)s`, in the order of their `$n`."""
    shifts: tuple[tuple[int, int], ...]
    """(offset in `text`, offset in the source) from where on the two run in parallel, ascending."""


def refused(why: str, source: str, offset: int) -> Invalid:
    """The refusal of a statement for what stands at `offset`; line and column count from 1."""
    before = source[:offset]
    line, column = before.count("\n") + 1, offset - before.rfind("\n")
    return Invalid(
        "STATEMENT_REFUSED",
        f"{why} (line {line}, column {column})",
        metadata={"line": str(line), "column": str(column)},
    )


def lex(source: str) -> Lexed:
    """Takes `source` apart. Raises Invalid STATEMENT_REFUSED with the place."""
    return _Lexer(source).run()


class _Lexer:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.names: list[Name] = []
        self.pieces: list[str] = []
        self.length = 0
        self.copied = 0
        self.shifts: list[tuple[int, int]] = [(0, 0)]
        self.positional = 0
        self.named: dict[str, int] = {}

    def run(self) -> Lexed:
        while self.at < len(self.source):
            self._step(self.source[self.at])
        self._copy(self.at)
        if self.positional and self.named:
            raise refused("positional (%s) and named (%(x)s) placeholders are mixed", self.source, 0)
        return Lexed(
            "".join(self.pieces).rstrip(_SPACES),
            tuple(self.names),
            self.positional,
            tuple(self.named),
            tuple(self.shifts),
        )

    def _step(self, char: str) -> None:
        source, at = self.source, self.at
        following = source[at + 1 : at + 2]
        if match := _SPACE.match(source, at) or _LINE_COMMENT.match(source, at):
            self.at = match.end()
        elif source.startswith("/*", at):
            self._comment()
        elif char == "'":
            self._string(_PLAIN_STRING, at)
        elif char in "eE" and following == "'":
            self._string(_ESCAPE_STRING, at + 1)
            self._no_continuation()
        elif char in "bBxXnN" and following == "'":
            self._string(_PLAIN_STRING, at + 1)
        elif char in "uU" and source.startswith(("&'", '&"'), at + 1):
            raise refused("U& escapes are not accepted; write the characters themselves", source, at)
        elif char == '"':
            self._quoted()
        elif char == "$":
            self._dollar()
        elif char == "%":
            self._percent()
        elif char == ";":
            self._end()
        elif match := _WORD.match(source, at):
            self.names.append(Name(match.group().lower(), quoted=False, offset=at))
            self.at = match.end()
        elif match := _NUMBER.match(source, at):
            self.at = match.end()
        else:
            self.at += 1

    def _comment(self) -> None:
        start, depth = self.at, 0
        position = start
        while True:
            edge = _COMMENT_EDGE.search(self.source, position)
            if edge is None:
                raise refused("the comment does not end", self.source, start)
            depth += 1 if edge.group() == "/*" else -1
            position = edge.end()
            if depth == 0:
                self.at = position
                return

    def _string(self, form: re.Pattern[str], start: int) -> None:
        match = form.match(self.source, start)
        if match is None:
            raise refused("the string does not end", self.source, self.at)
        self.at = match.end()

    def _no_continuation(self) -> None:
        """A string that goes on after a line break keeps its beginning's escapes: refused, not followed."""
        position = self.at
        while match := _SPACE.match(self.source, position) or _LINE_COMMENT.match(self.source, position):
            position = match.end()
        if self.source.startswith("'", position):
            raise refused("an E'…' string may not be continued by another string", self.source, position)

    def _quoted(self) -> None:
        match = _QUOTED.match(self.source, self.at)
        if match is None:
            raise refused("the quoted name does not end", self.source, self.at)
        self.names.append(Name(match.group(1).replace('""', '"'), quoted=True, offset=self.at))
        self.at = match.end()

    def _dollar(self) -> None:
        tag = _DOLLAR.match(self.source, self.at)
        if tag is None:
            raise refused("$ begins nothing here; parameters are %s or %(name)s", self.source, self.at)
        end = self.source.find(tag.group(), tag.end())
        if end < 0:
            raise refused("the dollar-quoted string does not end", self.source, self.at)
        self.at = end + len(tag.group())

    def _percent(self) -> None:
        if named := _NAMED.match(self.source, self.at):
            number = self.named.setdefault(named.group(1), len(self.named) + 1)
            self._placeholder(named.end(), number)
        elif _POSITIONAL.match(self.source, self.at):
            self.positional += 1
            self._placeholder(self.at + 2, self.positional)
        elif self.source.startswith("%%", self.at):
            self._replace(self.at + 2, "%")
        else:
            self.at += 1

    def _placeholder(self, end: int, number: int) -> None:
        # with a space: sqlglot would take the $ of `$1,$2` for quotes, and what is between for their tag
        self._replace(end, f"${number}" if self.source[end : end + 1] in _SPACES else f"${number} ")

    def _replace(self, end: int, text: str) -> None:
        self._copy(self.at)
        self.pieces.append(text)
        self.length += len(text)
        self.at = self.copied = end
        self.shifts.append((self.length, end))

    def _copy(self, end: int) -> None:
        self.pieces.append(self.source[self.copied : end])
        self.length += end - self.copied
        self.copied = end

    def _end(self) -> None:
        """A semicolon may only be followed by space and comments."""
        semicolon = self.at
        self._copy(semicolon)
        self.at += 1
        while self.at < len(self.source):
            if match := _SPACE.match(self.source, self.at) or _LINE_COMMENT.match(self.source, self.at):
                self.at = match.end()
            elif self.source.startswith("/*", self.at):
                self._comment()
            elif self.source[self.at] == ";":
                self.at += 1
            else:
                raise refused("only one statement is accepted", self.source, self.at)
        self.copied = self.at
