"""Type arguments of a Python script's generic classes: `Box[int]` of `class Box(Generic[T])` or `class Box[T]`."""

import ast
import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from registry.inference.constants import last_name

if TYPE_CHECKING:
    from registry.inference.annotations import Scope

Given = Mapping[str, ast.expr]
"""What a class's type variables stand for, by their names; in it, no variable is left."""

_ANYTHING: Final = ast.Constant(...)


class Generics:
    """What the type variables of the class that is being read stand for."""

    def __init__(self, scope: "Scope") -> None:
        self._scope = scope
        self._given: Given = {}
        self._names: dict[str, str] = {}

    def argument(self, name: str) -> ast.expr | None:
        """What a name stands for as a type variable; None for a name that is none."""
        return self._given.get(name)

    @contextmanager
    def within(self, given: Given) -> Iterator[None]:
        """Reads with these type variables, and no others."""
        around, self._given = self._given, given
        yield
        self._given = around

    def given(self, node: ast.ClassDef, given: Sequence[ast.expr]) -> Given:
        """What the class's type variables stand for; anything, where there are not as many arguments.

        Raises TooMuchError.
        """
        names = self._parameters(node)
        if len(names) != len(given):
            return dict.fromkeys(names, _ANYTHING)
        for one in given:
            for part in ast.walk(one):
                inner = self._given.get(part.id) if isinstance(part, ast.Name) else None
                self._scope.budget.spend(1 if inner is None else sum(1 for _ in ast.walk(inner)))
        return dict(
            zip(names, [_Filled(self._given).visit(copy.deepcopy(one)) for one in given], strict=True)
        )

    def name(self, node: ast.ClassDef, given: Given) -> str:
        """The name of the class's definition, one for each way its variables are given: `Box_int`."""
        if all(one is _ANYTHING for one in given.values()):
            return node.name
        written = f"{node.name}[{', '.join(ast.unparse(one) for one in given.values())}]"
        if written not in self._names:
            plain = re.sub(r"\W+", "_", written).strip("_")[:100]
            taken = {*self._names.values(), *self._scope.classes, *self._scope.aliases}
            numbers = (f"{plain}_{number}" for number in range(2, len(taken) + 3))
            self._names[written] = plain if plain not in taken else next(n for n in numbers if n not in taken)
        return self._names[written]

    def _parameters(self, node: ast.ClassDef) -> list[str]:
        """The class's type variables in order; none where one of them is more than one type."""
        declared: list[Any] = getattr(node, "type_params", [])  # `class Box[T]`, from Python 3.12 on
        if declared:
            return [one.name for one in declared] if _all_single(declared) else []
        for base in node.bases:
            if last_name(base) in ("Generic", "Protocol") and isinstance(base, ast.Subscript):
                listed = arguments(base)
                return [last_name(one) for one in listed] if all(map(self._is_variable, listed)) else []
        self._scope.budget.spend(len(node.bases))
        used = [part for base in node.bases for one in arguments(base) for part in ast.walk(one)]
        named = [one for one in used if isinstance(one, ast.Name) and self._is_variable(one)]
        return list(dict.fromkeys(one.id for one in sorted(named, key=lambda n: (n.lineno, n.col_offset))))

    def _is_variable(self, node: ast.expr) -> bool:
        value = self._scope.aliases.get(node.id) if isinstance(node, ast.Name) else None
        return isinstance(value, ast.Call) and last_name(value) == "TypeVar"


def arguments(node: ast.expr) -> Sequence[ast.expr]:
    """The type arguments of `Box[int, str]`; none of what has none."""
    if not isinstance(node, ast.Subscript):
        return ()
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


class _Filled(ast.NodeTransformer):
    """Puts arguments in the place of type variables."""

    def __init__(self, given: Given) -> None:
        self._given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._given.get(node.id, node)


def _all_single(declared: list[Any]) -> bool:
    return all(type(one).__name__ == "TypeVar" for one in declared)
