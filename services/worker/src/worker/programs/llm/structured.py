"""Structured answers: JSON that matches a schema; one that does not is sent back once, with what is wrong."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import jsonschema
import mcpanel_step

from .. import harmless  # noqa: TID252, RUF100
from ..failures import Failed  # noqa: TID252, RUF100
from .models import Answer, Message

_FENCED = re.compile(r"^\s*```[a-zA-Z]*\n(.*?)\n?```\s*$", re.DOTALL)
_SHOWN = 300


class UnfitError(Exception):
    """The answer is not what was asked for; the message says where."""


def instruction(system: str, schema: Mapping[str, Any] | None) -> str:
    """The system prompt, with what the answer has to be: not every server does it by the schema alone."""
    if schema is None:
        return system
    wanted = json.dumps(schema, ensure_ascii=False)
    return f"{system}\n\nAnswer with JSON that matches this JSON Schema, and nothing else:\n{wanted}".strip()


def read(text: str, schema: Mapping[str, Any]) -> Any:
    """The answer's value. Raises UnfitError."""
    fenced = _FENCED.match(text)
    try:
        value = harmless.value(json.loads(fenced.group(1) if fenced else text, parse_constant=_no_number))
    except ValueError as error:
        raise UnfitError(f"it is not JSON: {error}") from None
    except RecursionError:
        raise UnfitError("it is nested too deeply") from None
    validator = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)(schema)
    problem = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if problem is not None:
        raise UnfitError(f"at {problem.json_path}: {problem.message[:_SHOWN]}")
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number there")


def check(schema: Mapping[str, Any]) -> None:
    """Raises Failed where the schema itself is none."""
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise Failed(f"the response schema is no JSON Schema: {error.message[:_SHOWN]}") from None


def fit(
    ask: Callable[[list[Message]], Answer],
    messages: Sequence[Message],
    answer: Answer,
    schema: Mapping[str, Any],
) -> tuple[Answer, Any]:
    """The answer and its value; where it does not match, the model is asked to repair it, once. Raises Failed."""
    try:
        return answer, read(answer.text, schema)
    except UnfitError as error:
        mcpanel_step.log.warning(f"the answer does not match the schema, the model is told so: {error}")
        repair = Message(
            "user",
            f"Your answer does not match the schema: {error}. Answer again with the corrected JSON, and nothing else.",
        )
    before = Message("assistant", answer.text or "(nothing)")
    again = ask([*messages, before, repair])
    try:
        if again.calls:
            raise UnfitError(f"instead of one it calls {again.calls[0].name[:100]}")
        return again, read(again.text, schema)
    except UnfitError as error:
        cut = (
            " (it was cut at the longest answer; raise maxTokens)" if again.finish_reason == "length" else ""
        )
        raise Failed(
            f"the model's answer does not match the response schema, nor does its repair: {error}{cut}",
            "INVALID_OUTPUT",
        ) from None
