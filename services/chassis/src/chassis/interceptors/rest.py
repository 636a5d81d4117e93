"""What a call over REST may have in its address, which the edge translates and does not judge.

The edge fills a request's fields from the path, the query and the body, and where two name one field the later wins: in
`/users/a?user_id=b` a log sees another user than the one that is acted on. And a password in a query is in every log on
the way.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor

from chassis.context import Call
from chassis.errors import FieldViolation, Invalid

ORIGINAL: Final = "x-envoy-original-path"
"""The address as it was asked for; the edge writes it over what a client may have sent."""
_VARIABLE: Final = re.compile(r"\{([a-z_.]+)(?:=[^}]*)?\}")


@dataclass(frozen=True, slots=True)
class _Binding:
    path: re.Pattern[str]
    variables: frozenset[str]
    takes_body: bool


def check_address(call: Call, request: Descriptor) -> None:
    """Raises Invalid INVALID_FIELD for a field in the query that belongs elsewhere."""
    path, _, query = call.metadata.get(ORIGINAL, "").partition("?")
    if not query:
        return
    sent = {_snake(name) for name, _ in parse_qsl(query, keep_blank_values=True)}
    for binding in _bindings(request):
        if not binding.path.fullmatch(path):
            continue
        if binding.takes_body:
            raise _refused(sent, "send it in the body, as JSON: addresses are in every log on the way")
        if twice := sent & binding.variables:
            raise _refused(twice, "it is in the path; name it there alone")
        return


def _refused(names: set[str], why: str) -> Invalid:
    fields = [FieldViolation(name, why) for name in sorted(names)[:5]]
    return Invalid(
        "INVALID_FIELD", "; ".join(f"{one.field}: {one.description}" for one in fields), fields=fields
    )


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)


@cache
def _bindings(request: Descriptor) -> tuple[_Binding, ...]:
    """Of the method that takes `request`; each has one of its own."""
    return tuple(
        binding
        for service in request.file.services_by_name.values()
        for method in service.methods
        if method.input_type is request
        for binding in _of(method)
    )


def _of(method: MethodDescriptor) -> Iterator[_Binding]:
    extensions: Any = method.GetOptions().Extensions
    first: http_pb2.HttpRule = extensions[annotations_pb2.http]
    for rule in (first, *first.additional_bindings):
        verb = rule.WhichOneof("pattern")
        if verb is None or verb == "custom":
            continue
        template: str = getattr(rule, verb)
        fixed = _VARIABLE.split(template)[::2]
        yield _Binding(
            re.compile("[^/]+".join(map(re.escape, fixed))),
            frozenset(_VARIABLE.findall(template)),
            rule.body == "*",
        )
