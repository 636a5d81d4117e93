"""The fields of a workflow document, and what is made of them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from chassis.source import Node
from registry.document.reader import Read, Reader
from registry.document.values import anything, duration, listed, memory, number, text, values, whole, word
from registry.domain.content import (
    ABSENT,
    Approval,
    Cache,
    Concurrency,
    Input,
    RateLimit,
    Resources,
    Retry,
    Step,
)


def _record(fields: Mapping[str, Read], make: Callable[[Mapping[str, Any]], Any]) -> Read:
    """Reads a mapping of these fields."""

    def read(reader: Reader, node: Node, path: str) -> Any:
        return make(reader.record(node, path, fields))

    return read


def _inputs(reader: Reader, node: Node, path: str) -> Any:
    if not isinstance(node.value, dict):
        return reader.expected(node, path, "a mapping", "write name: {type: string} below it")
    found: dict[str, Input] = {}
    for name, entry in node.value.items():
        reader.places[f"{path}.{name}"] = (entry.node.line, entry.node.column)
        given = reader.record(entry.node, f"{path}.{name}", INPUT)
        found[name] = Input(given.get("type", ""), given.get("default", ABSENT), given.get("description", ""))
    return found


def _steps(reader: Reader, node: Node, path: str) -> Any:
    if not isinstance(node.value, list):
        return reader.expected(node, path, "a list of steps", "begin each step with a dash: - id: …")
    return tuple(_step(reader, item, f"{path}[{index}]") for index, item in enumerate(node.value))


def _step(reader: Reader, node: Node, path: str) -> Step:
    reader.places[path] = (node.line, node.column)
    reader.step = _id_of(node)
    given = reader.record(node, path, STEP, IGNORED_IN_STEP)
    reader.step = ""
    if reader.misspelt & {f"{path}.workflow", f"{path}.approval"}:
        reader.misspelt.add(f"{path}.component")  # that nothing runs is a consequence
    names = {"with": "with_", "if": "if_"}
    return Step(**{"id": ""} | {names.get(name, name): value for name, value in given.items()})


def _id_of(node: Node) -> str:
    entry = node.value.get("id") if isinstance(node.value, dict) else None
    return entry.node.value if entry is not None and isinstance(entry.node.value, str) else ""


_texts: Final = listed(text)
INPUT: Final[Mapping[str, Read]] = {"type": text, "default": anything, "description": text}
_KINDS: Final = (
    "USER_ERROR",
    "TIMED_OUT",
    "OUT_OF_MEMORY",
    "CELL_DIED",
    "DEPENDENCY_ERROR",
    "INVALID_OUTPUT",
)
RETRY: Final[Mapping[str, Read]] = {
    "max_attempts": whole,
    "backoff": duration,
    "factor": number,
    "max_backoff": duration,
    "jitter": number,
    "on": listed(word("a kind of failure that can be repeated", *_KINDS)),
}
APPROVAL: Final[Mapping[str, Read]] = {"message": text, "timeout": duration, "approvers": _texts}
CACHE: Final[Mapping[str, Read]] = {"key": text, "ttl": duration}
RATE_LIMIT: Final[Mapping[str, Read]] = {"limit": whole, "period": duration, "key": text}
RESOURCES: Final[Mapping[str, Read]] = {"cpu": number, "memory": memory}
CONCURRENCY: Final[Mapping[str, Read]] = {
    "key": text,
    "limit": whole,
    "policy": word("a policy", "queue", "drop_new", "cancel_running"),
}
STEP: Final[Mapping[str, Read]] = {
    "id": text,
    "component": text,
    "workflow": text,
    "with": values,
    "if": text,
    "needs": _texts,
    "join": word("a way to join", "all", "any", "ended"),
    "for_each": anything,
    "max_parallel": whole,
    "on_failure": word("a way to go on", "fail", "continue"),
    "approval": _record(APPROVAL, lambda given: Approval(**given)),
    "retry": _record(RETRY, lambda given: Retry(**{"max_attempts": 0, **given})),
    "timeout": duration,
    "waiting_timeout": duration,
    "heartbeat_timeout": duration,
    "cache": _record(CACHE, lambda given: Cache(**given)),
    "rate_limit": _record(RATE_LIMIT, lambda given: RateLimit(**{"limit": 0, **given})),
    "effect": word("an effect", "pure", "idempotent", "effectful"),
    "pool": text,
    "labels": _texts,
    "resources": _record(RESOURCES, lambda given: Resources(**given)),
}
WORKFLOW: Final[Mapping[str, Read]] = {
    "name": text,
    "display_name": text,
    "description": text,
    "inputs": _inputs,
    "steps": _steps,
    "outputs": values,
    "timeout": duration,
    "concurrency": _record(CONCURRENCY, lambda given: Concurrency(**given)),
    "priority": whole,
    "tags": _texts,
    "visibility": word("a visibility", "PUBLIC", "PRIVATE"),
    "status": word("a status", "DRAFT", "PUBLISHED", "ARCHIVED"),
    "etag": text,
}
# What the server writes into an answer is read over, so that an answer can be sent back.
IGNORED: Final = frozenset({"id", "owner_id", "version", "created_at", "updated_at"})
IGNORED_IN_STEP: Final = frozenset(
    {"component_version_id", "component_version", "component_type", "workflow_id", "workflow_version"}
)
