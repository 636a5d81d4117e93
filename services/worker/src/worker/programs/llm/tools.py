"""What an assistant may call, and who decides whether a call is made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jsonschema
import mcpanel_step
from inside import jsonvalues  # type: ignore[import-not-found]  # its name in a cell

from .models import ToolCall, ToolSpec

_MOST_ROWS = 200
_LONGEST_RESULT = 32_000
_LONGEST_CELL = 2_000
_LARGEST_ARGUMENTS = 8 * 1024 * 1024
_LONGEST_NAME = 64
"""What providers take as a tool's name."""


class RefusedError(Exception):
    """A call is not made, or came to nothing; the message says why, to the model."""

    def __init__(self, message: str, run_id: str = "", usage: Mapping[str, Any] | None = None) -> None:
        """`run_id`: the run that the call had started; `usage`: what that used of models."""
        super().__init__(message)
        self.run_id = run_id
        self.usage = usage


@dataclass(frozen=True)
class Found:
    """What a tool has answered, a JSON value, and the run that it started, if any, with what that used of models."""

    value: Any
    run_id: str = ""
    usage: Mapping[str, Any] | None = None


class Tool(Protocol):
    """Something that an assistant may call."""

    @property
    def name(self) -> str:
        """What the model calls it: letters, digits, `_` and `-`."""
        ...

    @property
    def description(self) -> str:
        """What it does, for the model."""
        ...

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of its arguments."""
        ...

    def call(self, arguments: Mapping[str, Any], budget: Mapping[str, Any] | None) -> Found:
        """The result, for which no more may be used of models than `{tokens, cost}`. Raises RefusedError."""
        ...


class Query:
    """Read-only SQL on a linked data source."""

    schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "sql": {"type": "string", "minLength": 1, "maxLength": 10_000, "description": "One SELECT."},
            "max_rows": {"type": "integer", "minimum": 1, "maximum": _MOST_ROWS, "default": 50},
        },
        "required": ["sql"],
        "additionalProperties": False,
    }

    def __init__(self, source: str) -> None:
        self._source = source
        self.name = f"query_{source}"[:_LONGEST_NAME]
        self.description = (
            f"Runs a read-only SQL query on the database '{source}' and returns its rows. "
            "Its tables and columns are found in information_schema."
        )

    def call(self, arguments: Mapping[str, Any], _: Mapping[str, Any] | None) -> Found:
        """The rows, bounded. Raises RefusedError with the database's words."""
        try:
            rows = mcpanel_step.datasource(self._source).query(
                arguments["sql"], max_rows=arguments.get("max_rows", 50)
            )
        except mcpanel_step.StepError as error:
            raise RefusedError(str(error)) from None
        return Found(
            {
                "columns": rows.columns,
                "rows": [[_short(value) for value in row.values()] for row in rows],
                "truncated": rows.truncated,
            }
        )


class Component:
    """Another component, whose call is a run of its own."""

    def __init__(self, name: str, description: str, schema: Mapping[str, Any]) -> None:
        self.name = name
        self.description = description
        self.schema = schema

    def call(self, arguments: Mapping[str, Any], budget: Mapping[str, Any] | None) -> Found:
        """The component's output. Raises RefusedError with what its run failed with."""
        try:
            called, output = mcpanel_step._call(
                self.name, dict(arguments), None if budget is None else dict(budget)
            )
        except mcpanel_step.StepError as error:
            raise RefusedError(str(error)) from None
        run_id, usage = called["run_id"], called.get("usage")
        if called["failure"]:
            raise RefusedError(called["failure"], run_id, usage)
        if called["truncated"]:
            output = {"beginning": output, "note": "the output is too large to be read here; ask for less"}
        return Found(output, run_id, usage)


class Policy:
    """Decides about every call before it is made: only the config's tools, only with arguments that fit."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def specs(self) -> list[ToolSpec]:
        """What the model is told."""
        return [ToolSpec(one.name, one.description, one.schema) for one in self._tools.values()]

    def decide(self, call: ToolCall) -> tuple[Tool, dict[str, Any]]:
        """The tool and the arguments of a call that may be made. Raises RefusedError."""
        tool = self._tools.get(call.name)
        if tool is None:
            allowed = ", ".join(sorted(self._tools)) or "none"
            raise RefusedError(f"there is no tool '{call.name[:100]}' here (allowed: {allowed})")
        try:
            arguments = json.loads(call.arguments or "{}")
        except (ValueError, RecursionError) as error:
            raise RefusedError(f"the arguments are not JSON: {error}") from None
        try:
            jsonvalues.encode(arguments, limit=_LARGEST_ARGUMENTS, where="arguments")
        except jsonvalues.InvalidOutput as error:
            raise RefusedError(f"the arguments cannot be kept: {error}") from None
        problem = jsonschema.exceptions.best_match(
            jsonschema.Draft202012Validator(tool.schema).iter_errors(arguments)
        )
        if problem is not None:
            raise RefusedError(f"the arguments do not fit: at {problem.json_path}: {problem.message[:300]}")
        return tool, arguments


def make(config: Mapping[str, Any]) -> list[Tool]:
    """The tools that the config names."""
    return [
        Query(one["data_source"])
        if "data_source" in one
        else Component(one["component"], one["description"], one["schema"])
        for one in config.get("tools", ())
    ]


def as_text(value: Any) -> str:
    """A result as the model reads it: JSON, bounded."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) > _LONGEST_RESULT:
        return f"{text[:_LONGEST_RESULT]} … ({len(text):,} characters in all; ask for less)"
    return text


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST_CELL:
        return f"{value[:_LONGEST_CELL]}…"
    return value
