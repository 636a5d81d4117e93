"""What there is at a path of the contracts: the edge sends here whatever it could not match with its method."""

import re
from functools import cache
from typing import Final

from gateway import openapi

_VARIABLE: Final = re.compile(r"\{[a-z_.]+(=\*\*)?\}")


def offered(path: str) -> list[str]:
    """The HTTP methods that a path takes, sorted; none when there is no such path."""
    return sorted({method for method, pattern, _ in _routes() if pattern.fullmatch(path)})


def calls(path: str) -> list[str]:
    """What may stand in place of the `:verb` at the end of a path, each with its HTTP method: `POST :cancel`."""
    thing = path.rpartition(":")[0]
    if not thing or "/" in path.removeprefix(f"{thing}:"):
        return []
    found = {
        (verb, method) for method, pattern, verb in _routes() if verb and pattern.fullmatch(thing + verb)
    }
    return [f"{method} {verb}" for verb, method in sorted(found)]


@cache
def _routes() -> list[tuple[str, re.Pattern[str], str]]:
    """Each route of the contracts: its HTTP method, its path, and the `:verb` that this ends with, if any."""
    found = []
    for method, template in openapi.routes():
        plain, verb = template, ""
        if not template.endswith("}") and ":" in template:
            plain, _, verb = template.rpartition(":")
            verb = f":{verb}"
        found.append((method.upper(), re.compile(_pattern(plain) + re.escape(verb)), verb))
    return found


def _pattern(template: str) -> str:
    """The regular expression of a template; what follows a colon is no part of a name."""
    parts, position = [], 0
    for match in _VARIABLE.finditer(template):
        parts += [re.escape(template[position : match.start()]), "[^:]+" if match[1] else "[^/:]+"]
        position = match.end()
    return "".join((*parts, re.escape(template[position:])))
