"""Which version a step's `component` means: `name`, `name@1`, `name@1.2` or `name@1.2.0`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from registry import semver

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_PARTIAL: Final = re.compile(r"(0|[1-9][0-9]*)(?:\.(0|[1-9][0-9]*))?")
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Reference:
    """What `component` says: a name and, perhaps, how much of a version."""

    name: str
    prefix: tuple[int, ...] = ()
    """Major, or major and minor; empty for any or when `exact` is given."""
    exact: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that might be meant."""

    id: str
    version: str
    deprecated: bool = False
    deprecation_message: str = ""
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Component:
    """A definition with all its versions, oldest first."""

    definition_id: str
    name: str
    type: str
    versions: tuple[Candidate, ...]


class UnresolvedError(Exception):
    """There is no such version; the message says so, `fix` what to write instead."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


def parse(text: str) -> Reference:
    """What a `component` means. Raises UnresolvedError for something that is no reference."""
    name, at, version = text.partition("@")
    if not _NAME.fullmatch(name) or (at and not version):
        raise UnresolvedError(
            f"{text!r} names no component",
            "write name, name@1, name@1.2 or name@1.2.0, the name in lower case",
        )
    if not at:
        return Reference(name)
    if partial := _PARTIAL.fullmatch(version):
        return Reference(name, tuple(int(part) for part in partial.groups() if part is not None))
    try:
        semver.parse(version)
    except ValueError as error:
        raise UnresolvedError(str(error), f"write {name}@1, {name}@1.2 or {name}@1.2.0") from None
    return Reference(name, exact=version)


def resolve(reference: Reference, component: Component) -> Candidate:
    """The newest version that matches and is not deprecated; a prerelease or a draft only when asked for exactly.

    Raises UnresolvedError naming what is available.
    """
    if reference.exact:
        exact = [one for one in component.versions if one.version == reference.exact]
        if exact and not exact[0].deprecated:
            return exact[0]
        if exact:
            why = f": {exact[0].deprecation_message}" if exact[0].deprecation_message else ""
            raise UnresolvedError(
                f"{component.name}@{reference.exact} is deprecated{why}", available(component, component.name)
            )
        raise UnresolvedError(
            f"{component.name} has no version {reference.exact}", available(component, component.name)
        )
    best: tuple[semver.SemVer, Candidate] | None = None
    for one in component.versions:
        version = semver.parse(one.version)
        matches = (version.major, version.minor)[: len(reference.prefix)] == reference.prefix
        if one.deprecated or one.draft or version.prerelease or not matches:
            continue
        if best is None or version >= best[0]:
            best = (version, one)
    if best is None:
        wanted = f" matching {'.'.join(map(str, reference.prefix))}" if reference.prefix else ""
        raise UnresolvedError(
            f"{component.name} has no released version{wanted}", available(component, component.name)
        )
    return best[1]


def available(component: Component, name: str) -> str:
    """A sentence that lists the versions one may write, newest first."""
    usable = [one.version for one in component.versions if not one.deprecated and not one.draft]
    if not usable:
        drafts = [one.version for one in component.versions if one.draft]
        return (
            f"publish {name}@{drafts[-1]}, or write it out" if drafts else f"create a version of {name} first"
        )
    usable.sort(key=semver.parse, reverse=True)
    more = f" and {len(usable) - _SHOWN} more" if len(usable) > _SHOWN else ""
    return f"available: {', '.join(f'{name}@{version}' for version in usable[:_SHOWN])}{more}"


def nearest(word: str, known: Sequence[str]) -> str:
    """The one of `known` that `word` was probably meant to be; empty when none is near."""
    return next(iter(get_close_matches(word, known, n=1, cutoff=0.6)), "")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`did you mean x?` for the nearest of `known`, else what there is, else an empty string."""
    if near := nearest(word, known):
        return f"did you mean {near}?"
    if not known:
        return ""
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"there are {', '.join(sorted(known)[:_SHOWN])}{more}"
