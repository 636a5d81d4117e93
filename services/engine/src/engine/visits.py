"""Visits of apps: tickets, what a browser shows after it, and what an app is called in its path. All of it is pure."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from chassis.errors import ServiceError, Unauthenticated
from chassis.ids import is_uuid

KIND: Final = "STREAMLIT_APP"
"""The type of components that are apps."""
RANDOM_BYTES: Final = 32
TICKET_LIFE: Final = timedelta(seconds=30)
LIFE: Final = timedelta(hours=12)
"""How long a visit lasts at most, that was begun in a login session; it ends with the session."""
LIFE_BY_KEY: Final = timedelta(hours=1)
"""How long one lasts that was begun with a key, of whose end nobody tells."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.-]")
_ESCAPED: Final = re.compile(r"~([0-9a-f]{2})")
_WELL_FORMED: Final = re.compile(r"([A-Za-z0-9_.-]|~[0-9a-f]{2})+")


@dataclass(frozen=True, slots=True)
class Visit:
    """What somebody was given to reach an app with, known by its hash only."""

    digest: bytes
    is_ticket: bool
    """Whether it is a ticket, which is good once, and not what one was exchanged for."""
    run_id: str
    step_id: str
    attempt: int
    user_id: str
    """Who opened the app."""
    session_id: str
    """The login session they did so in; empty where they showed a key."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RunningApp:
    """A step as those see it who want to reach the app that it runs."""

    kind: str
    status: str
    attempt: int
    epoch: int
    worker_id: str

    @property
    def is_there(self) -> bool:
        """Whether it is an app that runs."""
        return self.kind == KIND and self.status == "RUNNING" and bool(self.worker_id)

    @property
    def is_to_come(self) -> bool:
        """Whether it is an app that is going to run."""
        return self.kind == KIND and self.status in ("PENDING", "READY", "WAITING_APPROVAL", "RUNNING")


def secret(random: bytes) -> str:
    """A ticket, or what a cookie holds, made of RANDOM_BYTES random bytes."""
    return f"mcp_a_{random.hex()}"


def digest(shown: str) -> bytes:
    """What is stored of it: its SHA-256."""
    return hashlib.sha256(shown.encode()).digest()


def name(run_id: str, step_id: str) -> str:
    """What an app is called in its path: the run, and the step with what a path cannot hold as `~5b`."""
    escaped = "".join(
        one if _PLAIN.fullmatch(one) else "".join(f"~{byte:02x}" for byte in one.encode()) for one in step_id
    )
    return f"{run_id}/{escaped}"


def parse(app: str) -> tuple[str, str] | None:
    """The run and the step that a name names; None when it is none."""
    run_id, _, escaped = app.partition("/")
    if not is_uuid(run_id) or not _WELL_FORMED.fullmatch(escaped):
        return None
    try:
        step_id = _ESCAPED.sub(lambda one: chr(int(one[1], 16)), escaped).encode("latin-1").decode()
    except UnicodeError:
        return None
    return (run_id, step_id) if name(run_id, step_id) == app else None


def address(origin: str, run_id: str, step_id: str, ticket: str) -> str:
    """Where a browser exchanges the ticket; `origin` is the apps' own, e.g. `http://127.0.0.1:8081`."""
    return f"{origin.rstrip('/')}/apps/{name(run_id, step_id)}/?{urlencode({'ticket': ticket})}"


def invalid() -> ServiceError:
    """The one answer to every ticket and cookie that leads nowhere."""
    return Unauthenticated(
        "APP_TICKET_INVALID",
        "the app's ticket is unknown, used or older than thirty seconds, or the visit is over; open the app again",
    )
