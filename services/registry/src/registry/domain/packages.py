"""A package of components: a small graph, written as components and the connections between their ports.

It runs as the steps of a workflow do. What its components need and no connection gives is what the package takes; what
no other component uses is what it answers.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chassis import jsonschema
from chassis.jsonvalue import Json, canonical
from registry import schemas
from registry.domain.content import ABSENT, Absent, Content, Input, Step
from registry.domain.problems import Problem
from registry.inference import DIALECT
from registry.resolution import did_you_mean
from registry.schemas import Schema

MAX_COMPONENTS: Final = 100
MAX_CONNECTIONS: Final = 1000
INPUTS: Final = "inputs"
OUTPUTS: Final = "outputs"
RESERVED: Final = frozenset({INPUTS, OUTPUTS})
"""What a connection calls the package itself, so that no component can be called so."""
_SOURCE: Final = "output"
_TARGET: Final = "input"


@dataclass(frozen=True, slots=True)
class Component:
    """A component in a package: its id there, what runs as `name`, `name@1` or `name@1.2.0`, and fixed inputs."""

    id: str
    component: str
    with_: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Connection:
    """`source`, e.g. `load.output.rows`, is what `target`, e.g. `count.rows`, is given."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Package:
    """What a document says."""

    components: tuple[Component, ...] = ()
    connections: tuple[Connection, ...] = ()


@dataclass(frozen=True, slots=True)
class Faces:
    """What one component takes and answers; None where it does not say."""

    takes: Schema | None = None
    answers: Schema | None = None


@dataclass(frozen=True, slots=True)
class Wired:
    """A package as the content of a workflow, with its schemas."""

    content: Content
    problems: tuple[Problem, ...]
    places: Mapping[str, str]
    """Where in the document, by path, stands what the content has at a path."""
    input_schema: dict[str, Json]
    output_schema: dict[str, Json]


def bare(package: Package) -> Content:
    """The components as steps, without what they are given."""
    return Content(steps=tuple(Step(one.id, component=one.component) for one in package.components))


def wired(package: Package, steps: tuple[Step, ...], faces: Mapping[str, Faces]) -> Wired:
    """The package's content: the `steps` (of `bare`, pinned) with what they are given; `faces` are by component id."""
    wiring = _Wiring(package, faces)
    wiring.connect()
    wiring.offer()
    given = tuple(replace(step, with_=wiring.given[step.id]) for step in steps)
    content = Content(inputs=wiring.inputs, steps=given, outputs=wiring.outputs)
    return Wired(
        content, tuple(wiring.problems), wiring.places, wiring.input_schema(), wiring.output_schema()
    )


class _Wiring:
    """Connections made into expressions, one after the other."""

    def __init__(self, package: Package, faces: Mapping[str, Faces]) -> None:
        self.package = package
        self.faces = faces
        self.given: dict[str, dict[str, Json]] = {one.id: dict(one.with_) for one in package.components}
        self.inputs: dict[str, Input] = {}
        self.outputs: dict[str, Json] = {}
        self.taken: dict[str, Json] = {}
        """The schemas of the package's inputs."""
        self.answered: dict[str, Json] = {}
        self.problems: list[Problem] = []
        self.places = {
            f"steps[{number}]": f"components[{number}]" for number in range(len(package.components))
        }
        self._numbers = {one.id: number for number, one in enumerate(package.components)}
        self._used: set[str] = set()

    def connect(self) -> None:
        for number, one in enumerate(self.package.connections):
            path = f"connections[{number}]"
            target = self._target(one.target, f"{path}.target")
            source = self._source(one.source, f"{path}.source", target)
            if target is None or source is None:
                continue
            owner, name = target
            place = f"outputs.{name}" if owner == OUTPUTS else f"steps[{self._numbers[owner]}].with.{name}"
            into = self.outputs if owner == OUTPUTS else self.given[owner]
            if name in into:
                what = f"output {name!r}" if owner == OUTPUTS else f"input {name!r} of {owner!r}"
                self._refuse(f"{path}.target", f"the {what} is given twice", "remove one of them")
                continue
            into[name] = source
            self.places[place] = path

    def offer(self) -> None:
        """What is not connected becomes the package's own."""
        for one in self.package.components:
            for name, schema, is_needed in _properties(self._takes(one.id)):
                if name not in self.given[one.id] and (is_needed or "default" in schema):
                    self.given[one.id][name] = _expression(INPUTS, name)
                    self._take(name, schema, self._takes(one.id), is_needed=is_needed)
        if not self.outputs:
            for one in self.package.components:
                if one.id not in self._used:
                    self.outputs[one.id] = _expression("steps", one.id, _SOURCE)
                    self._answer(one.id, self._answers(one.id))

    def input_schema(self) -> dict[str, Json]:
        required: list[Json] = [name for name, one in self.inputs.items() if isinstance(one.default, Absent)]
        return _object(self.taken) | {"required": required}

    def output_schema(self) -> dict[str, Json]:
        return _object({name: self.answered.get(name, {}) for name in self.outputs}) | {
            "required": list(self.outputs)
        }

    def _target(self, text: str, path: str) -> tuple[str, str] | None:
        """The component (or OUTPUTS) and the name of its input."""
        owner, *port = text.split(".")
        port = port[1:] if len(port) == 2 and port[0] == _TARGET else port
        if owner == OUTPUTS and len(port) == 1 and port[0]:
            return owner, port[0]
        if not self._is_known(owner, path, OUTPUTS):
            return None
        if len(port) > 1 or "" in port:
            example = f"write {owner}.name, with the name of one of its inputs"
            self._refuse(path, f"{text!r} names no input", example)
            return None
        if port and port[0] != _TARGET:
            return owner, port[0]
        return self._only_input(owner, path)

    def _only_input(self, owner: str, path: str) -> tuple[str, str] | None:
        """What `comp.input` means: the input called so, else the only one there is."""
        known = _properties(self._takes(owner))
        names = [name for name, _, _ in known]
        needed = [name for name, _, is_needed in known if is_needed]
        if _TARGET in names or not names:
            return owner, _TARGET
        if len(names) == 1 or len(needed) == 1:
            return owner, (names if len(names) == 1 else needed)[0]
        choices = ", ".join(f"{owner}.{name}" for name in names[:10])
        self._refuse(
            path, f"{owner!r} has {len(names)} inputs, and this may mean any of them", f"write {choices}"
        )
        return None

    def _source(self, text: str, path: str, target: tuple[str, str] | None) -> str | None:
        """The expression for where a value comes from."""
        owner, *port = text.split(".")
        if "" in port or (owner == INPUTS and len(port) != 1):
            example = (
                "write inputs.name" if owner == INPUTS else f"write {owner}.output or {owner}.output.name"
            )
            self._refuse(path, f"{text!r} names no output", example)
            return None
        if owner == INPUTS:
            self._pass_on(port[0], target)
            return _expression(INPUTS, port[0])
        if not self._is_known(owner, path, INPUTS):
            return None
        port = port[1:] if port[:1] == [_SOURCE] else port
        if target is not None and target[0] == OUTPUTS:
            self._answer(target[1], {} if port else self._answers(owner))
        else:
            self._used.add(owner)
        return _expression("steps", owner, _SOURCE, *port)

    def _pass_on(self, name: str, target: tuple[str, str] | None) -> None:
        """Makes `inputs.name` one of the package's inputs, of the kind that its target is."""
        whole = self._takes(target[0]) if target is not None and target[0] != OUTPUTS else None
        found = [
            (one, needed)
            for key, one, needed in _properties(whole)
            if target is not None and key == target[1]
        ]
        schema, is_needed = found[0] if found else ({}, True)
        self._take(name, schema, whole, is_needed=is_needed)

    def _is_known(self, owner: str, path: str, own: str) -> bool:
        if owner in self.given:
            return True
        fix = did_you_mean(owner, [*self.given, own])
        self._refuse(path, f"there is no component with the id {owner!r}", fix)
        return False

    def _take(self, name: str, schema: Schema, whole: Schema | None, *, is_needed: bool) -> None:
        """Adds an input, or another component that takes it: then it is what both can be given."""
        default: Json | Absent = schema.get("default", ABSENT)
        shown, kind = _embedded(schema), _kind(schema, whole)
        known = self.inputs.get(name)
        if known is None:
            self.inputs[name] = Input(kind, default, str(schema.get("description", "")))
            self.taken[name] = shown
            return
        agreed = default if _equal(known.default, default) else ABSENT
        self.inputs[name] = Input(kind if kind == known.type else "", agreed, known.description)
        if self.taken[name] != shown:
            self.taken[name] = {}

    def _answer(self, name: str, schema: Schema | None) -> None:
        self.answered[name] = _embedded(schema or {})

    def _takes(self, owner: str) -> Schema | None:
        return self.faces[owner].takes if owner in self.faces else None

    def _answers(self, owner: str) -> Schema | None:
        return self.faces[owner].answers if owner in self.faces else None

    def _refuse(self, path: str, message: str, fix: str) -> None:
        self.problems.append(Problem("", path, message, fix))


def _properties(schema: Schema | None) -> list[tuple[str, Schema, bool]]:
    """The inputs that a schema names, each with its own schema and whether it has to be given."""
    if schema is None:
        return []
    whole = schemas.followed(schema, schema)
    found, required = whole.get("properties"), whole.get("required")
    needed = set(map(str, required)) if isinstance(required, list) else set[str]()
    named: dict[str, Any] = dict(found) if isinstance(found, Mapping) else {}
    named |= {name: {} for name in sorted(needed - named.keys())}
    return [(name, one if isinstance(one, dict) else {}, name in needed) for name, one in named.items()]


def _equal(one: "Json | Absent", other: "Json | Absent") -> bool:
    if isinstance(one, Absent) or isinstance(other, Absent):
        return False
    return canonical(one) == canonical(other)


def _kind(schema: Schema, whole: Schema | None) -> str:
    """The type of a workflow's input that takes what the schema does; empty for any."""
    kinds = schemas.types(schema, whole if whole is not None else schema)
    only = next(iter(kinds)) if kinds is not None and len(kinds) == 1 else ""
    return "" if only == "null" else only


def _embedded(schema: Schema) -> dict[str, Json]:
    """The schema as a part of another; any value where it refers to what is around it."""
    if any("$ref" in one or "$dynamicRef" in one for _, one in jsonschema.walk(schema)):
        return {}
    return {key: value for key, value in schema.items() if key not in ("$schema", "$id", "$defs")}


def _object(properties: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "$schema": DIALECT,
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }


def _expression(*path: str) -> str:
    """An expression that reads this path. As JSON, a name is a literal of CEL's too; a brace must not end it."""
    first, *rest = path
    keys = "".join(f"[{json.dumps(key, ensure_ascii=False)}]" for key in rest)
    return "${{ " + first + keys.replace("}", "\\u007d") + " }}"


def named(problems: tuple[Problem, ...] | list[Problem], places: Mapping[str, str]) -> Iterator[Problem]:
    """The problems of a content as problems of the document it was made of."""
    for one in problems:
        path = one.field
        while path and path not in places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        subject = f"component {one.step!r}: " if one.step else ""
        yield replace(one, step="", field=places.get(path, one.field), message=subject + one.message)
