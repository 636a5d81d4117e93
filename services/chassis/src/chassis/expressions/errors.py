"""What can be wrong with an expression, told to the person who wrote it."""


class ExpressionError(Exception):
    """The expression cannot be used; `line` and `column` (from 1) say where, within `source`."""

    def __init__(
        self, message: str, source: str, line: int = 1, column: int = 1, path: tuple[str, ...] = ()
    ) -> None:
        self.message = message
        self.source = source
        self.line = line
        self.column = column
        self.path = path
        """Where in the template the expression stands, e.g. `("with", "rows")`."""
        super().__init__(message)

    def at(self, path: tuple[str, ...]) -> "ExpressionError":
        """The same error, said to stand at `path` of a template."""
        return type(self)(self.message, self.source, self.line, self.column, path)

    def __str__(self) -> str:
        """The message, the place, and the line with a caret under it."""
        lines = self.source.splitlines() or [""]
        shown = lines[min(self.line, len(lines)) - 1][:200]
        caret = " " * min(self.column - 1, len(shown)) + "^"
        return f"{self.message} (line {self.line}, column {self.column})\n  {shown}\n  {caret}"


class EvaluationError(ExpressionError):
    """The expression is right, but not for these values: a missing key, a wrong type, too much work."""

    def __str__(self) -> str:
        """The message and the expression."""
        return f"{self.message}, in ${{{{ {self.source.strip()[:200]} }}}}"
