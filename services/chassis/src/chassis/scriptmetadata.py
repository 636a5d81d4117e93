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
_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class MetadataError(Exception):
    """The metadata cannot be used; `line` counts from 1, in the script."""

    def __init__(self, message: str, line: int, column: int = 0) -> None:
        place = f"line {line}, column {column}" if column else f"line {line}"
        super().__init__(f"in the script's metadata block, {place}: {message}")
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
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(str(error), line, text) from None
    except RecursionError:
        raise MetadataError("nested too deeply", line) from None
    dependencies, python = values.get("dependencies", []), values.get("requires-python", "")
    if not isinstance(dependencies, list) or not all(isinstance(one, str) for one in dependencies):
        raise MetadataError("dependencies is a list of strings", _line_of("dependencies", text, line))
    if not isinstance(python, str):
        raise MetadataError("requires-python is a string", _line_of("requires-python", text, line))
    return Metadata(tuple(dependencies), python, line)


def _no_toml(error: str, line: int, text: str) -> MetadataError:
    """The parser's complaint, its place counted in the script and not in the block."""
    place = _PLACE.search(error)
    message = f"this is no TOML: {_PLACE.sub('', error)}"
    if place is None:
        return MetadataError(message, line)
    if place[1] is None:
        return MetadataError(f"{message}, where the block ends", line + text.count("\n") + 2)
    return MetadataError(message, line + int(place[1]), int(place[2]) + 2)


def _line_of(key: str, text: str, line: int) -> int:
    """The script's line that gives `key`, or else the one its block begins in."""
    lines = enumerate(text.split("\n"), line + 1)
    return next((number for number, content in lines if content.lstrip().startswith(key)), line)


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
