"""What in an entry is about a person, and how it can be forgotten without touching what was signed. Pure.

In an entry of format 2 a name, an address or another personal value stands as its commitment, `c2:` and the lower-case
hex of SHA-256 over the line `mcpanel-audit-personal/2`, a salt of 32 random bytes and the value in UTF-8. Salt and
value lie beside the log, once for each subject and value. Whoever has both can check the commitment; once they are
deleted nobody can tell what it was, and every hash over the entry still holds.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from audit.domain import RECORD, Json, Record

ERASED: Final = "(erased)"
"""What is shown in place of a value that was deleted."""
CHANGED: Final = "(changed)"
"""What is shown in place of a value that its commitment is not about."""
SALT_BYTES: Final = 32
_FIRST_LINE: Final = b"mcpanel-audit-personal/2\n"
_TOKEN: Final = re.compile(r"c2:[0-9a-f]{64}", re.ASCII)
_ALWAYS: Final = frozenset({"email", "full_name", "client_address", "user_agent"})
"""Fields of details that are personal whoever sends them."""
_NOT_PEOPLE: Final = frozenset({"service", "worker"})
_NAMELESS: Final = _NOT_PEOPLE | {"anonymous", "webhook"}
"""Kinds of actors whose names are not about a person."""

R = TypeVar("R", bound=Record)
Pair = tuple[str, str]
"""Whom a value is about, by id, and the value."""
Committed = dict[str, Any]
"""A record's fields by their names: what an entry is made of."""
Change = Callable[[Pair], str]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A value and the salt that prove what a commitment is about."""

    commitment: str
    subject_id: str
    salt: bytes
    value: str

    @property
    def fits(self) -> bool:
        """Whether the commitment is about this value."""
        return commit(self.salt, self.value) == self.commitment


@dataclass(frozen=True, slots=True)
class Delivery:
    """A record as a service hands it over, with the names of the fields in its details that are about a person."""

    record: Record
    personal: frozenset[str] = frozenset()


def commit(salt: bytes, value: str) -> str:
    """The commitment to a value."""
    return f"c2:{hashlib.sha256(_FIRST_LINE + salt + value.encode()).hexdigest()}"


def disclose(pair: Pair, salt: bytes) -> Disclosure:
    """A new commitment to a subject's value."""
    return Disclosure(commit(salt, pair[1]), pair[0], salt, pair[1])


def pairs(deliveries: Iterable[Delivery]) -> set[Pair]:
    """What has to be committed to."""
    found = set[Pair]()

    def note(pair: Pair) -> str:
        found.add(pair)
        return ""

    for one in deliveries:
        _changes(one, note)
    return found


def committed(delivery: Delivery, commitments: Mapping[Pair, str]) -> Committed:
    """The record's fields with commitments in place of what is about a person."""
    values = {name: getattr(delivery.record, name) for name in RECORD}
    return values | _changes(delivery, commitments.__getitem__)


def tokens(record: Record) -> set[str]:
    """The commitments in a record."""
    found = set[str]()

    def note(text: str) -> str:
        found.add(text)
        return text

    _shown(record, note)
    return found


def revealed(record: R, values: Mapping[str, str]) -> R:
    """The record with the values that its commitments are about; where one was deleted, ERASED."""
    return _shown(record, lambda text: values.get(text, ERASED))


def values(disclosures: Iterable[Disclosure]) -> dict[str, str]:
    """What commitments are about, by the commitment; CHANGED where that does not fit."""
    return {one.commitment: one.value if one.fits else CHANGED for one in disclosures}


def subject(subject_id: str) -> tuple[str, str]:
    """The entity that an erasure's own entry names: an address is not written down once more."""
    kind, colon, _ = subject_id.partition(":")
    return "subject", kind if colon else subject_id


def _changes(delivery: Delivery, change: Change) -> dict[str, Any]:
    """The fields of the record that are about a person, changed."""
    record = delivery.record
    actor = record.actor_id or f"address:{record.client_address}"
    subject = record.on_behalf_of_id or actor
    people = bool(record.on_behalf_of_id) or record.actor_kind not in _NOT_PEOPLE
    fields: dict[str, Any] = {}
    if record.actor_name and record.actor_kind not in _NAMELESS:
        fields["actor_name"] = change((actor, record.actor_name))
    if record.on_behalf_of_name:
        fields["on_behalf_of_name"] = change((subject, record.on_behalf_of_name))
    if people:
        fields |= {
            name: change((subject, value))
            for name in ("client_address", "user_agent")
            if (value := str(getattr(record, name)))
        }
    about = record.entity_id if record.entity_type == "user" and record.entity_id else subject
    names = _ALWAYS | delivery.personal if delivery.personal else _ALWAYS
    fields["details"] = {
        key: _inside(value, key in names, names, about, change) for key, value in record.details.items()
    }
    return fields


def _inside(value: Json, personal: bool, names: frozenset[str], subject: str, change: Change) -> Json:
    if isinstance(value, str):
        # What only looks like a commitment becomes one, so that it is not taken for another.
        about = value and (personal or (value.startswith("c2:") and _TOKEN.fullmatch(value)))
        return change((subject, value)) if about else value
    if isinstance(value, dict):
        return {
            key: _inside(item, personal or key in names, names, subject, change)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_inside(item, personal, names, subject, change) for item in value]
    if personal and value is not None and not isinstance(value, bool):
        return change((subject, json.dumps(value)))
    return value


def _shown(record: R, change: Callable[[str], str]) -> R:
    names = ("actor_name", "on_behalf_of_name", "client_address", "user_agent")
    fields: dict[str, Any] = {
        name: change(value) for name in names if _TOKEN.fullmatch(value := str(getattr(record, name)))
    }
    return dataclasses.replace(
        record, **fields, details={key: _outside(value, change) for key, value in record.details.items()}
    )


def _outside(value: Json, change: Callable[[str], str]) -> Json:
    if isinstance(value, dict):
        return {key: _outside(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_outside(item, change) for item in value]
    return change(value) if isinstance(value, str) and _TOKEN.fullmatch(value) else value
