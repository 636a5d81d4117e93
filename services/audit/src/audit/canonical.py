"""The canonical bytes of an entry: what its leaf hash is over. Pure, and frozen for ever once a log was written.

Format 2 is the line `mcpanel-audit-entry/2` followed by one JSON object:

- UTF-8, no spaces, keys in the order of their code points, non-ASCII characters as they are, `"`, `\\` and control
  characters escaped as Python's `json` does. Strings are taken as given: no Unicode normalisation.
- every field of the entry but `format`, also where it is empty; what is about a person as its commitment
  (`audit.personal`);
- times in UTC with six decimals, `2026-01-31T12:00:00.000000Z`;
- numbers in `details` are doubles: an integral one up to 2^53 is written without a fraction, every other in the
  shortest form that reads back the same. NaN and the infinities are the strings "NaN", "Infinity" and "-Infinity".

Format 1 is the same with its own first line, without `request_id`, `run_id`, `session_id` and `user_agent`, which its
entries do not have, and with personal values in the open.

Readers of a log know every format it was ever written in; a new one gets a new number and a new first line.
"""

import json
import math
from datetime import UTC, datetime
from typing import Final

from audit.domain import Entry, Json

NEWEST: Final = 2
"""The format new entries are written in."""
_FIRST_LINE: Final = {1: b"mcpanel-audit-entry/1\n", 2: b"mcpanel-audit-entry/2\n"}
_SINCE_2: Final = ("request_id", "run_id", "session_id", "user_agent")
_EXACT: Final = 2**53
_JSON: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)


class UnknownFormat(ValueError):
    """The entry names a format that never existed, or has what its format has not."""


def encode(entry: Entry) -> bytes:
    """The entry's canonical bytes. Raises UnknownFormat."""
    if entry.format not in _FIRST_LINE:
        raise UnknownFormat(f"there is no entry format {entry.format}")
    body = {
        "action": entry.action,
        "actor_id": entry.actor_id,
        "actor_kind": entry.actor_kind,
        "actor_name": entry.actor_name,
        "api_key_id": entry.api_key_id,
        "client_address": entry.client_address,
        "details": normal(entry.details),
        "entity_id": entry.entity_id,
        "entity_type": entry.entity_type,
        "index": entry.index,
        "method": entry.method,
        "on_behalf_of_id": entry.on_behalf_of_id,
        "on_behalf_of_name": entry.on_behalf_of_name,
        "outcome": entry.outcome,
        "record_id": entry.record_id,
        "recorded_at": _time(entry.recorded_at),
        "service": entry.service,
        "time": _time(entry.time),
        "trace_id": entry.trace_id,
    }
    since = {name: getattr(entry, name) for name in _SINCE_2}
    if entry.format > 1:
        body |= since
    elif any(since.values()):
        raise UnknownFormat("an entry of format 1 has no request, session, user agent or run")
    return _FIRST_LINE[entry.format] + _JSON.encode(body).encode()


def normal(value: Json) -> Json:
    """The value with its numbers in canonical form; the same again when applied twice.

    A database may hand back `1e20` as an integer of 21 digits: both are the double they stand for.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    number = float(value)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
