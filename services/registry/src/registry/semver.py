"""Semantic versions (semver.org 2.0.0) and their precedence."""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Final

_VERSION: Final = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class SemVer:
    """A parsed version. Comparison is precedence: build metadata does not count (§10, §11)."""

    major: int
    minor: int
    patch: int
    prerelease: tuple[str, ...] = ()
    build: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """The sort key: a release follows its prereleases, numbers precede words."""
        identifiers = tuple(
            (0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.prerelease
        )
        return (self.major, self.minor, self.patch, not self.prerelease, identifiers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SemVer) and self.key == other.key

    def __lt__(self, other: "SemVer") -> bool:
        return self.key < other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        text += f"-{'.'.join(self.prerelease)}" if self.prerelease else ""
        return text + (f"+{self.build}" if self.build else "")


def parse(text: str) -> SemVer:
    """The version `text` spells. Raises ValueError saying what is wrong with it."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a semantic version such as 1.2.0 or 2.0.0-rc.1")
    major, minor, patch, prerelease, build = match.groups()
    identifiers = tuple(prerelease.split(".")) if prerelease else ()
    for identifier in identifiers:
        if identifier.isdigit() and len(identifier) > 1 and identifier.startswith("0"):
            raise ValueError(f"{text!r} has a leading zero in its prerelease number {identifier}")
    return SemVer(int(major), int(minor), int(patch), identifiers, build or "")


def newest(versions: "list[str] | tuple[str, ...]") -> str:
    """The version of highest precedence, the later in the sequence among equals; empty for none."""
    found, best = "", None
    for text in versions:
        version = parse(text)
        if best is None or version >= best:
            found, best = text, version
    return found
