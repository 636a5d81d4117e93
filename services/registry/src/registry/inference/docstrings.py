"""What a Python docstring says of each parameter."""

import re
from typing import Final

_GOOGLE: Final = re.compile(r"^\s+\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s+(.+)$")
_SPHINX: Final = re.compile(r"^\s*:param\s+(?:[\w\[\], .|]+\s)?(\w+):\s*(.+)$")
_LONG: Final = 1000


def parameters(docstring: str) -> dict[str, str]:
    """What is said of each parameter, in Google's or Sphinx's style; lines of over 1000 characters are passed over."""
    found: dict[str, str] = {}
    in_arguments = False
    for line in docstring.splitlines():
        if len(line) > _LONG:
            continue
        if sphinx := _SPHINX.match(line):
            found[sphinx[1]] = sphinx[2].strip()
        if line.strip() in ("Args:", "Arguments:", "Parameters:"):
            in_arguments = True
        elif line.strip() and not line[0].isspace():
            in_arguments = False
        elif in_arguments and (google := _GOOGLE.match(line)):
            found.setdefault(google[1], google[2].strip())
    return found
