"""The components that an assistant may call, as they were when its version was saved."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from chassis.jsonvalue import Json

MAX_SCHEMA_BYTES: Final = 1024 * 1024
"""How large the input schemas of an assistant's tools may be together: the model is sent all of them with each turn."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A version of a component by the `name` that the model calls it by, which is the component's."""

    name: str
    version_id: str
    component: str
    """The component and its exact version, `name@1.2.0`."""
    description: str = ""
    input_schema: dict[str, Json] | None = None
    """What it takes; None where it does not say."""


def described(description: str, input_schema: Mapping[str, Json] | None) -> str:
    """What the model is told that a component does: its description, else that of its input schema."""
    of_schema = (input_schema or {}).get("description")
    return description or (of_schema if isinstance(of_schema, str) else "")


def size(tools: tuple[Tool, ...]) -> int:
    """How many bytes the input schemas have together, as JSON."""
    return sum(len(json.dumps(one.input_schema)) for one in tools if one.input_schema is not None)


def to_json(tools: tuple[Tool, ...]) -> list[Json] | None:
    """The tools as they are stored; None for none."""
    return [asdict(one) for one in tools] or None


def from_json(body: list[dict[str, Any]] | None) -> tuple[Tool, ...]:
    """The tools that `to_json` wrote, in this release or before."""
    return tuple(Tool(**one) for one in body or ())
