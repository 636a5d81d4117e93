"""Prompt templates: `{{name}}` stands for the input of that name, and there is nothing else to reach."""

import json
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..failures import Failed  # noqa: TID252, RUF100

_SHOWN = 200


def _shown(value: Any) -> Any:
    """How a value stands in a prompt: text as it is, anything else as JSON."""
    if isinstance(value, str | StrictUndefined):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, finalize=_shown, autoescape=False, keep_trailing_newline=True
)
_ENVIRONMENT.globals = {"range": _ENVIRONMENT.globals["range"]}


def user_prompt(text: str, inputs: dict[str, Any]) -> str:
    """What is asked. Raises Failed, also when that is nothing."""
    if not text.strip():
        raise Failed("userPromptTemplate is empty; write what is asked, e.g. {{ question }}")
    asked = render("userPromptTemplate", text, inputs)
    if asked.strip():
        return asked
    raise Failed(
        f"userPromptTemplate comes to no text with these inputs (given: {_given(inputs)}): {text.strip()[:_SHOWN]}",
        "INVALID_INPUT",
    )


def _given(inputs: dict[str, Any]) -> str:
    return ", ".join(sorted(inputs)) or "none"


def render(what: str, text: str, inputs: dict[str, Any]) -> str:
    """The text with the inputs in their places; `what` is the config's field that holds it. Raises Failed."""
    try:
        return _ENVIRONMENT.from_string(text).render(inputs)
    except TemplateSyntaxError as error:
        raise Failed(f"{what} is no template: line {error.lineno}: {error.message}") from None
    except UndefinedError as error:
        raise Failed(
            f"{what} needs an input: {error.message} (given: {_given(inputs)})", "INVALID_INPUT"
        ) from None
    except SecurityError as error:
        raise Failed(f"{what} reaches for more than its inputs: {error}") from None
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise Failed(f"{what} cannot be filled in: {error}", "INVALID_INPUT") from None
