"""What changed, written in the transaction that changed it; `chassis.relay` carries it to audit afterwards."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy.dialects.postgresql import insert

from chassis.context import Call, Caller
from chassis.database import Transaction
from chassis.guards import ContractBroken
from chassis.ids import uuid7
from chassis.jsonvalue import Json

MASK: Final = "***"
_SECRET_WORDS: Final = (
    "password",
    "secret",
    "token",
    "api_key",
    "apikey",
    "credential",
    "private_key",
    "authorization",
)
_NOT_SECRET: Final = (
    "secret_ref",
    "secret_id",
    "secret_names",
    "token_count",
    "max_tokens",
    "page_token",
    "tokens",
)
_LONGEST_TEXT: Final = 8192
_LONGEST_AGENT: Final = 256
_ONCE: Final = UUID("5b1f7c52-94c6-4d0f-9f39-2f8a2c6f0f3e")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted, for records made outside a call (a schedule, a recovery)."""

    id: str
    kind: str
    name: str


def add_statement(record: Mapping[str, Json], table: Any) -> Any:
    """The insert of one record row."""
    return insert(table).values(record_id=record["record_id"], record=dict(record))


async def add(
    tx: Transaction,
    *,
    entity: tuple[str, str],
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    action: str | None = None,
    actor: Actor | None = None,
    details: Mapping[str, Any] | None = None,
    outcome: str = "OK",
    personal: Collection[str] = (),
) -> None:
    """Records, in `tx`, that `entity` (type, id) went from `old` to `new`; None means that it did not exist.

    The action is the rule's, the actor the current call's; outside a call both must be given. `outcome` is an
    error's reason where what was tried failed. Fields whose names speak of secrets are masked, long texts cut;
    `personal` names those, at any depth, whose values are about a person.
    """
    call = tx.call
    name = action or (call.action if call is not None else "")
    if not name:
        raise ContractBroken("outbox.add needs an action: the method's rule names none")
    if call is None and actor is None:
        raise ContractBroken("outbox.add needs an actor outside a call")
    body: dict[str, Json] = {}
    if old is not None:
        body["old"] = masked(old)
    if new is not None:
        body["new"] = masked(new)
    if details:
        body |= _object(masked(details))
    entry = record(
        name, tx.now, call, actor=actor, entity=entity, details=body, outcome=outcome, personal=personal
    )
    await _put(tx, entry)
    covered(tx)


async def note(
    tx: Transaction,
    action: str,
    *,
    entity: tuple[str, str],
    details: Mapping[str, Any] | None = None,
    actor: Actor | None = None,
    once: str = "",
) -> None:
    """Records, in `tx`, what happened on the way of what the call itself is recorded for, or not at all.

    With `once`, its name in all the suite, the log has it one time, however often and by whomever it is recorded.
    """
    body = _object(masked(details or {}))
    entry = record(action, tx.now, tx.call, actor=actor, entity=entity, details=body)
    if once:
        entry["record_id"] = str(uuid5(_ONCE, f"{action}/{once}"))
        await tx.execute(add_statement(entry, tx.tables.outbox).on_conflict_do_nothing())
        tx.outboxed += 1
    else:
        await _put(tx, entry)


async def _put(tx: Transaction, entry: Mapping[str, Json]) -> None:
    await tx.execute(add_statement(entry, tx.tables.outbox))
    tx.outboxed += 1


def covered(tx: Transaction) -> None:
    """Says that the audit record of this transaction's change exists elsewhere (the engine's run events)."""
    tx.audited = True


def record(
    action: str,
    time: datetime,
    call: Call | None,
    *,
    actor: Actor | None = None,
    entity: tuple[str, str] = ("", ""),
    details: Mapping[str, Json] | None = None,
    outcome: str = "OK",
    personal: Collection[str] = (),
) -> dict[str, Json]:
    """One audit record as it lies in the outbox. The field names are those of `mcpanel.audit.v1.Record`."""
    return {
        "record_id": uuid7(time),
        "time": time.isoformat(),
        "action": action,
        "actor": _actor(call, actor),
        "trace_id": call.trace_id if call is not None else "",
        "method": call.method if call is not None else "",
        "outcome": outcome,
        "entity_type": entity[0],
        "entity_id": entity[1],
        "details": dict(details or {}),
        "request_id": call.request_id if call is not None else "",
        "personal": [*sorted(personal)],
    }


def _says_nothing(value: Any) -> bool:
    """Whether it is no secret whatever its name: there is none, or it says only whether there is."""
    return isinstance(value, bool) or value in (None, "", [], {})


def masked(value: Any) -> Json:
    """`value` as JSON, with the values of secret-named fields replaced and long texts cut."""
    if isinstance(value, Mapping):
        return {
            str(key): MASK if _is_secret(str(key)) and not _says_nothing(item) else masked(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [masked(item) for item in items]
    if isinstance(value, str):
        text = value.replace("\x00", "")
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}… ({len(text)} characters)"
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return str(value)


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    lowered = name.lower().replace("-", "_")
    if any(word in lowered for word in _NOT_SECRET):
        return False
    return any(word in lowered for word in _SECRET_WORDS)


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _actor(call: Call | None, actor: Actor | None) -> dict[str, Json]:
    if actor is None and call is None:
        return {}
    found: dict[str, Json] = {}
    if actor is not None:
        found |= {"id": actor.id, "kind": actor.kind, "name": actor.name}
    elif call is not None:
        found |= _of_caller(call.caller)
    found["client_address"] = call.client_address if call is not None else ""
    if call is not None and call.user_agent:
        found["user_agent"] = call.user_agent.replace("\x00", "")[:_LONGEST_AGENT]
    return found


def _of_caller(caller: Caller) -> dict[str, Json]:
    who = caller.effective
    found: dict[str, Json] = {"id": caller.id, "kind": caller.kind, "name": caller.name}
    if who.kind == "api_key":
        found["api_key_id"] = who.credential_id
    if who.session_id:
        found["session_id"] = who.session_id
    if "run_id" in who.claims:
        found["run_id"] = str(who.claims["run_id"])
    if caller.on_behalf_of is not None:
        found["on_behalf_of_id"] = caller.on_behalf_of.id
        found["on_behalf_of_name"] = caller.on_behalf_of.name
    return found
