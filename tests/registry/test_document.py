"""Documents have every field of the contract, and no other."""

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2
from mcpanel.registry.v1 import workflow_pb2
from registry import document
from registry.document import fields
from registry.document.reader import Read

RECORDS: dict[str, tuple[Mapping[str, Read], frozenset[str]]] = {
    "Workflow": (fields.WORKFLOW, fields.IGNORED),
    "Step": (fields.STEP, fields.IGNORED_IN_STEP),
    "WorkflowInput": (fields.INPUT, frozenset()),
    "Concurrency": (fields.CONCURRENCY, frozenset()),
    "Approval": (fields.APPROVAL, frozenset()),
    "Cache": (fields.CACHE, frozenset()),
    "RateLimit": (fields.RATE_LIMIT, frozenset()),
    "Resources": (fields.RESOURCES, frozenset()),
    "Retry": (fields.RETRY, frozenset()),
}


def descriptor(name: str) -> Descriptor:
    """A message of the contract."""
    found: Descriptor = workflow_pb2.DESCRIPTOR.message_types_by_name[name]
    return found


@pytest.mark.parametrize("name", RECORDS)
def test_a_document_has_the_fields_of_the_message(name: str) -> None:
    taken, ignored = RECORDS[name]

    assert set(taken) | ignored == set(descriptor(name).fields_by_name)
    assert not set(taken) & ignored


def words(field: FieldDescriptor) -> list[str]:
    """The words that the contract lets a field be; empty when it may be any text."""
    extension: Any = validate_pb2.field
    rules: Any = field.GetOptions().Extensions[extension]
    return list(getattr(rules.repeated.items.string if field.is_repeated else rules.string, "in"))


WORDS = [
    (name, field.name, word)
    for name in ("Workflow", "Step", "Concurrency", "Retry")
    for field in descriptor(name).fields
    for word in words(field)
]


@pytest.mark.parametrize(("name", "field", "word"), WORDS)
def test_every_word_of_the_contract_can_be_written(name: str, field: str, word: str) -> None:
    value = f'["{word}"]' if field == "on" else f'"{word}"'
    text = {
        "Step": f"steps: [{{id: a, {field}: {value}}}]",
        "Retry": f"steps: [{{id: a, retry: {{max_attempts: 2, {field}: {value}}}}}]",
        "Concurrency": f"concurrency: {{{field}: {value}}}",
    }[name]

    assert document.parse(text).problems == ()


def test_there_are_such_words() -> None:
    assert {(name, field) for name, field, _ in WORDS} == {
        ("Concurrency", "policy"),
        ("Step", "join"),
        ("Step", "on_failure"),
        ("Step", "effect"),
        ("Retry", "on"),
    }


def test_both_spellings_are_read_at_every_depth() -> None:
    parsed = document.parse(
        "steps: [{id: a, forEach: [1], maxParallel: 2, onFailure: continue, rateLimit: {limit: 1}, "
        "waitingTimeout: 1s, heartbeatTimeout: 1s, workflowId: x, workflow_version: 3}]"
    )

    (step,) = parsed.draft.content.steps
    assert parsed.problems == ()
    assert (step.for_each, step.max_parallel, step.on_failure) == ([1], 2, "continue")
    assert step.workflow_pin is None
