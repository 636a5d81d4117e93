"""What `if` and `for_each` yield: a boolean, a list."""

from collections.abc import Iterator
from typing import Final

from registry import schemas
from registry.domain.content import Absent, Step
from registry.domain.problems import Problem
from registry.references import Scope
from registry.schemas import Schema

MAX_ITEMS: Final = 100_000
"""The contract's limit on the items of a `for_each`."""
_BOOLEAN: Final[Schema] = {"type": "boolean"}
_LIST: Final[Schema] = {"type": "array"}


def condition(step: Step, path: str, scope: Scope) -> Iterator[Problem]:
    """Why the step's `if`, at `path`, is no condition."""
    leaf = scope.read(step.if_, path)
    if not step.if_ or leaf.error:
        return
    if not leaf.whole:
        fix = 'write it as one expression: "${{ … }}"'
        yield Problem(step.id, path, f"{step.if_[:100]!r} is text, not a condition", fix)
        return
    typed = scope.type_of(leaf)
    found = schemas.mismatch(*typed, _BOOLEAN, _BOOLEAN) if typed is not None else None
    if found is not None:
        text = f"a condition is a boolean, found {found[0]}"
        yield Problem(step.id, path, text, "compare it, e.g. … != ''")


def items(step: Step, path: str, scope: Scope) -> Iterator[Problem]:
    """Why there are no items in the step's `for_each`, at `path`."""
    value = step.for_each
    fix = 'write a list such as [1, 2], or one expression that yields a list: "${{ … }}"'
    if isinstance(value, Absent):
        return
    if isinstance(value, list):
        if len(value) > MAX_ITEMS:
            text = f"for_each runs for {len(value):,} items, more than {MAX_ITEMS:,}"
            yield Problem(step.id, path, text, "give fewer, or nest two of them")
        return
    if not isinstance(value, str):
        kind = schemas.words({schemas.type_of(value)})
        yield Problem(step.id, path, f"for_each runs for the items of a list, found {kind}", fix)
        return
    leaf = scope.read(value, path)
    if leaf.error:
        return
    if not leaf.whole:
        text = f"for_each runs for the items of a list, and {value[:100]!r} is text"
        yield Problem(step.id, path, text, fix)
        return
    typed = scope.type_of(leaf)
    found = schemas.mismatch(*typed, _LIST, _LIST) if typed is not None else None
    if found is not None:
        yield Problem(step.id, path, f"for_each runs for the items of a list, found {found[0]}", fix)
