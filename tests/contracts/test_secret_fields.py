"""Whatever may hold a secret is marked `debug_redact`, and something looks for it where it must not be."""

import re

import pytest
from google.protobuf import descriptor_pb2

from tests.contracts import walk
from tests.support.plantings import PLANTINGS, holds, secret_fields

_SECRET = re.compile(
    r"secret|password|passphrase|token|credential|private|ticket|cookie|verifier|invitation|(^|_)key$"
)
_TEXT = (descriptor_pb2.FieldDescriptorProto.TYPE_STRING, descriptor_pb2.FieldDescriptorProto.TYPE_BYTES)

INNOCENT = {
    r"\.(next_)?page_token$": "where a list goes on; sealed against change, worth nothing elsewhere",
    r"\.verifier_key$": "a public key",
    r"\.token_type$": "`Bearer`",
    r"\.secret_ref$": "says where a secret is",
    r"\.secret_ids?$": "says which secret it is",
    r"\.OutputConfig\.Webhook\.secret$": "the name of a linked secret",
    r"\.(LlmPromptAgentConfig|AiAssistantConfig)\.secret$": "the name of a linked secret",
    r"\.primary_key$": "a column of a table",
    r"\.(concurrency|run|idempotency)_key$": "names what may not be done twice",
    r"\.(Concurrency|Cache|RateLimit)\.key$": "an expression that names what shares a limit or a result",
}
"""What is called like a secret and is none."""


def fields() -> list[tuple[str, descriptor_pb2.FieldDescriptorProto]]:
    """Every text of every message that is called like a secret."""
    return [
        (f"{name}.{field.name}", field)
        for name, message in walk.messages().items()
        for field in message.field
        if field.type in _TEXT and _SECRET.search(field.name)
    ]


def innocent(name: str) -> bool:
    return any(re.search(pattern, name) for pattern in INNOCENT)


def test_what_is_called_like_a_secret_is_redacted() -> None:
    assert [n for n, field in fields() if not field.options.debug_redact and not innocent(n)] == []


def test_what_is_redacted_is_called_innocent_nowhere() -> None:
    assert [n for n, field in fields() if field.options.debug_redact and innocent(n)] == []


@pytest.mark.parametrize("pattern", INNOCENT)
def test_every_innocent_name_is_still_in_use(pattern: str) -> None:
    assert any(re.search(pattern, name) for name, _ in fields())


def test_every_field_that_takes_a_secret_has_one_planted() -> None:
    assert secret_fields() == set(PLANTINGS)


@pytest.mark.parametrize("name", PLANTINGS)
def test_a_planting_puts_its_secret_into_its_field(name: str) -> None:
    known = (
        "fresh",
        "email",
        "user_id",
        "refresh_token",
        "data_source",
        "named_secret",
        "invitation",
        "ticket",
    )
    names = dict.fromkeys(known, "x")

    assert all(holds(one.message(secret="planted", **names), name, "planted") for one in PLANTINGS[name])
