"""Templates that see a step's inputs and nothing else."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from programs import listed
from programs.failures import Failed


def render(template: str, inputs: Mapping[str, Any], *, html: bool = False) -> str:
    """The template's text; with `html` what it inserts is escaped. Raises Failed naming line or input."""
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.DictLoader({}),
        undefined=jinja2.StrictUndefined,
        autoescape=html,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["table"] = _table
    environment.filters["json"] = _json
    try:
        return environment.from_string(template).render(dict(inputs))
    except jinja2.TemplateSyntaxError as error:
        raise Failed(f"the template's line {error.lineno}: {error.message}") from None
    except jinja2.TemplateNotFound as error:
        raise Failed(f"the template asks for the template '{error.name}', and there is no other") from None
    except RecursionError:
        raise Failed("the template failed: a macro of it calls itself without an end") from None
    except jinja2.UndefinedError as error:
        raise Failed(f"the template asks for what there is not: {error.message}", "INVALID_INPUT") from None
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise Failed(f"the template failed: {type(error).__name__}: {error}") from None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=_plain)


def _plain(value: Any) -> Any:
    """What `map` and its like make of a list, as a list. Raises UndefinedError for what there is not."""
    if isinstance(value, jinja2.Undefined):
        str(value)
    return list(value)


def _table(rows: Iterable[Mapping[str, Any]], columns: Sequence[Any] = ()) -> str:
    """A list of objects as a Markdown table: of these columns (names, or what DATA says of them), or of all."""
    is_list = isinstance(rows, Iterable) and not isinstance(rows, str | Mapping)
    made = list(rows) if is_list else []
    if found := listed.misfit(made if is_list else rows):
        raise Failed(f"the template's `table` takes a list of objects; {found}", "INVALID_INPUT")
    wanted = [one["name"] if isinstance(one, dict) else one for one in _columns(columns)]
    names = wanted or list(dict.fromkeys(name for row in made for name in row))
    if not names:
        return ""
    lines = [_line(names), _line(["---"] * len(names))]
    lines += [_line([_cell(row.get(name)) for name in names]) for row in made]
    return "\n".join(lines)


def _columns(given: Any) -> list[Any]:
    """The columns, each a name or an object with one. Raises Failed."""
    listed = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    if not all(isinstance(one, str) or (isinstance(one, Mapping) and "name" in one) for one in listed):
        text = "the template's `table` takes its columns as a list of names, as in table(['city', 'high'])"
        raise Failed(text, "INVALID_INPUT")
    return listed


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
