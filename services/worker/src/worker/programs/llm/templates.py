"""Prompt templates: `{{name}}` stands for the input of that name, and there is nothing else to reach."""

import json
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..failures import Failed  # noqa: TID252, RUF100


def _shown(value: Any) -> Any:
    """How a value stands in a prompt: text as it is, anything else as JSON."""
    if isinstance(value, str | StrictUndefined):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, finalize=_shown, autoescape=False, keep_trailing_newline=True
)
_ENVIRONMENT.globals = {"range": _ENVIRONMENT.globals["range"]}


def render(what: str, text: str, inputs: dict[str, Any]) -> str:
    """The text with the inputs in their places; `what` names it, e.g. `user prompt`. Raises Failed."""
    try:
        return _ENVIRONMENT.from_string(text).render(inputs)
    except TemplateSyntaxError as error:
        raise Failed(f"the {what} is no template: line {error.lineno}: {error.message}") from None
    except UndefinedError as error:
        given = ", ".join(sorted(inputs)) or "none"
        raise Failed(
            f"the {what} needs an input: {error.message} (given: {given})", "INVALID_INPUT"
        ) from None
    except SecurityError as error:
        raise Failed(f"the {what} reaches for more than its inputs: {error}") from None
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise Failed(f"the {what} cannot be filled in: {error}", "INVALID_INPUT") from None
