"""Where an expression is nested too deeply, in its author's words and at its author's place."""

import re
from typing import Final

MOST: Final = 32
"""How many levels the library takes."""
TOO_DEEP: Final = (
    f"the expression is nested too deeply: {MOST} levels at most, of brackets and calls in each other and of "
    "operators, fields or macros in a row; do part of it in another step"
)
_TOKEN: Final = re.compile(
    r"""r?\"\"\".*?\"\"\"|r?'''.*?'''|r?"(?:\\.|[^"\\])*"|r?'(?:\\.|[^'\\])*'|//[^\n]*|[([{]|[)\]}]|[-+*/%.!]|==|.""",
    re.DOTALL,
)
_FEW: Final = MOST // 4


def is_told_by(message: str) -> bool:
    """Whether the library complains about that."""
    return "recursion" in message


def place(source: str) -> tuple[int, int]:
    """Line and column, from 1: of the innermost bracket, or of the operator or field that is one too many."""
    at, deepest, depth, seen = 0, 0, 0, 0
    chain = 0
    for token in _TOKEN.finditer(source):
        text = token.group()
        if text in ("(", "[", "{"):
            depth += 1
            if depth > deepest:
                deepest, at = depth, token.start()
        elif text in (")", "]", "}"):
            depth -= 1
        if text in ("+", "-", "*", "/", "%", ".", "!", "["):
            seen += 1
            if seen == MOST:
                chain = token.start()
    found = at if deepest >= _FEW or not chain else chain
    before = source[:found]
    return before.count("\n") + 1, found - (before.rfind("\n") + 1) + 1
