"""What a schema is made of: its subschemas, where its references lead, and how much there is to match."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from chassis.jsonvalue import Json

Document: TypeAlias = Mapping[str, Json]
Path: TypeAlias = tuple[str | int, ...]

MAX_WEIGHT: Final = 10_000
"""How many subschemas a schema may unfold to, its references followed: `allOf` of `allOf` doubles quickly."""
SUBSCHEMAS: Final = (
    "items",
    "additionalProperties",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
)
SUBSCHEMAS_LATER: Final = ("unevaluatedItems", "unevaluatedProperties", "contentSchema")
LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS: Final = ("properties", "patternProperties", "dependentSchemas", "$defs")
REFERENCES: Final = ("$ref", "$dynamicRef")
_SAME_VALUE: Final = frozenset(
    {"$ref", "not", "if", "then", "else", "allOf", "anyOf", "oneOf", "dependentSchemas"}
)
_NEVER_MATCHED: Final = frozenset({"$defs", "contentSchema"})
_ONE_EACH: Final = frozenset({"properties", "prefixItems", "items", "additionalProperties"})
"""Of these, a member of a value is matched with one."""


def walk(schema: "Json | Document", path: Path = ()) -> Iterator[tuple[Path, Document]]:
    """Every object schema in `schema`, itself included, with its path; references are not followed."""
    if not isinstance(schema, Mapping):
        return
    yield path, schema
    for step, child in children(schema):
        yield from walk(child, (*path, *step))


def children(schema: Document) -> Iterator[tuple[Path, Json]]:
    """The schemas right below one, each with its path."""
    for keyword in (*SUBSCHEMAS, *SUBSCHEMAS_LATER):
        if keyword in schema:
            yield (keyword,), schema[keyword]
    for keyword in LISTS:
        listed = schema.get(keyword)
        for index, child in enumerate(listed if isinstance(listed, list) else ()):
            yield (keyword, index), child
    for keyword in MAPS:
        mapped = schema.get(keyword)
        for name, child in mapped.items() if isinstance(mapped, Mapping) else ():
            yield (keyword, name), child


def resolve(schema: Document, root: Document, keyword: str = "$ref") -> "Json | Document":
    """What a schema's reference stands for, None when that is nowhere in `root`."""
    reference = schema.get(keyword)
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for part in reference[1:].split("/")[1:] if reference != "#" else ():
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        elif isinstance(found, Mapping) and key in found:
            found = found[key]
        else:
            return None
    plausible = reference == "#" or reference.startswith("#/")
    return found if plausible and isinstance(found, (Mapping, bool)) else None


def _targets(schema: Document, root: Document) -> list[Document]:
    """The object schemas that a schema's references stand for. (Without anchors, a dynamic one is like any other.)"""
    found = [resolve(schema, root, keyword) for keyword in REFERENCES if keyword in schema]
    return [one for one in found if isinstance(one, Mapping)]


def weight(schema: Document) -> int:
    """How many subschemas the schema unfolds to; a reference back into what is being unfolded counts as one."""
    known: dict[int, int] = {}
    active: set[int] = set()

    def of(one: "Json | Document") -> int:
        if not isinstance(one, Mapping):
            return 1
        key = id(one)
        if key in known or key in active:
            return known.get(key, 1)
        active.add(key)
        total = 1 + sum(of(child) for _, child in children(one))
        total += sum(of(target) for target in _targets(one, schema))
        active.discard(key)
        known[key] = total = min(total, MAX_WEIGHT * 10)
        return total

    return of(schema)


def is_recursive(schema: Document) -> bool:
    """Whether following the schema's references comes back to where it was."""
    return any(_is_cyclic(group, schema) for group in _groups(schema, lambda path: True))


def is_endless(schema: Document) -> bool:
    """Whether a part of the schema stands for itself, for the very same value: then it says nothing."""
    return any(_is_cyclic(group, schema) for group in _groups(schema, _is_of_the_same_value))


def is_bounded(schema: Document) -> bool:
    """Whether the steps it takes to match a value grow with the value and the schema's weight, and no faster.

    Not so where a schema leads back to itself in two ways for one value, as every level of the value doubles the steps.
    """
    cyclic = [group for group in _groups(schema, lambda path: True) if _is_cyclic(group, schema)]
    if not cyclic:
        return True
    inside = {id(one) for one in cyclic[0]}
    ways = ({way for way, to in _ways(one, schema) if id(to) in inside} for one in cyclic[0])
    return len(cyclic) == 1 and all(len(one) <= 1 for one in ways)


def _is_of_the_same_value(path: Path) -> bool:
    return path[0] in _SAME_VALUE


def _ahead(schema: Document, root: Document) -> Iterator[tuple[Path, Document]]:
    """What is matched where a schema is: what lies below it, and what it refers to."""
    for path, child in children(schema):
        if isinstance(child, Mapping) and path[0] not in _NEVER_MATCHED:
            yield path, child
    for target in _targets(schema, root):
        yield ("$ref",), target


def _ways(schema: Document, root: Document) -> Iterator[tuple[Path, Document]]:
    """The same, with one path for all that are matched instead of each other."""
    for path, target in _ahead(schema, root):
        yield ("properties",) if path[0] in _ONE_EACH else path, target


def _groups(root: Document, follows: Callable[[Path], bool]) -> list[list[Document]]:
    """The schemas that lead to each other, by Tarjan's algorithm; each schema is in one group."""
    numbers: dict[int, int] = {}
    lowest: dict[int, int] = {}
    open_: dict[int, Document] = {}
    groups: list[list[Document]] = []

    def visit(one: Document) -> None:
        key = id(one)
        numbers[key] = lowest[key] = len(numbers)
        open_[key] = one
        for path, target in _ahead(one, root):
            if not follows(path):
                continue
            if id(target) not in numbers:
                visit(target)
            if id(target) in open_:
                lowest[key] = min(lowest[key], lowest[id(target)])
        if lowest[key] == numbers[key]:
            inside = list(open_)[list(open_).index(key) :]
            groups.append([open_.pop(each) for each in inside])

    for _, start in walk(root):
        if id(start) not in numbers:
            visit(start)
    return groups


def _is_cyclic(group: list[Document], root: Document) -> bool:
    return len(group) > 1 or any(target is group[0] for _, target in _ahead(group[0], root))
