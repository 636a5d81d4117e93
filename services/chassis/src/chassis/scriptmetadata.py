"""The metadata that a Python script carries in its comments (PEP 723).

The specification's regular expression backtracks without bound over comments that end in nothing; this reads each
line once or twice.

https://packaging.python.org/en/latest/specifications/inline-script-metadata/
"""

import re
import tomllib
from dataclasses import dataclass
from typing import Final

_OPENING: Final = re.compile(r"# /// ([a-zA-Z0-9-]+)")
_CLOSING: Final = "# ///"


class MetadataError(Exception):
    """The metadata cannot be used; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a script asks for: packages as PEP 508 lines, and a Python as a PEP 440 specifier."""

    dependencies: tuple[str, ...] = ()
    python: str = ""
    line: int = 0
    """The line its block begins in; 0 when there is none."""


def read(code: str) -> Metadata:
    """The script's metadata, empty when it has none. Raises MetadataError."""
    found = _blocks(code)
    if not found:
        return Metadata()
    line, text = found[-1]
    if len(found) > 1:
        raise MetadataError("a second block of script metadata (PEP 723)", line)
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MetadataError(f"the script metadata is no TOML: {error}", line) from None
    dependencies, python = values.get("dependencies", []), values.get("requires-python", "")
    if not isinstance(dependencies, list) or not all(isinstance(one, str) for one in dependencies):
        raise MetadataError("dependencies is a list of strings", line)
    if not isinstance(python, str):
        raise MetadataError("requires-python is a string", line)
    return Metadata(tuple(dependencies), python, line)


def _blocks(code: str) -> list[tuple[int, str]]:
    """The blocks of type `script`: the line each begins in, and its content without the comment signs."""
    lines = [line.rstrip() for line in code.split("\n")]
    found: list[tuple[int, str]] = []
    here = 0
    while here < len(lines):
        opening = _OPENING.fullmatch(lines[here])
        if opening is None:
            here += 1
            continue
        end, closing = here + 1, 0
        while end < len(lines) and (lines[end] == "#" or lines[end].startswith("# ")):
            if lines[end] == _CLOSING:
                closing = end
            elif closing == end - 1 > here and _OPENING.fullmatch(lines[end]):
                break  # the next block
            end += 1
        if closing <= here + 1:  # nothing closes it, nor any that is opened in the same comment
            here = end
            continue
        if opening[1] == "script":
            found.append((here + 1, "\n".join(line[2:] for line in lines[here + 1 : closing])))
        here = closing + 1
    return found
