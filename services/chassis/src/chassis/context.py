"""Who is calling what: the state of the call that is being answered, found from anywhere below it."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from google.protobuf.message import Message

Kind = Literal["user", "api_key", "service", "worker", "anonymous"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent the request, as proved by its credential."""

    id: str
    kind: Kind
    name: str
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    on_behalf_of: "Caller | None" = None
    credential: str = field(default="", repr=False, compare=False)
    credential_id: str = ""
    """The id of the API key or token (jti) that was shown; never the secret itself."""
    session_id: str = ""
    """The login session the credential belongs to; empty where there is none."""
    scopes: frozenset[str] = frozenset()
    """What the credential was narrowed to by whoever made it; empty when it was not. `permissions` are narrowed
    already.
    """
    expires_at: datetime | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """A verified token's claims; empty for a key. What narrows a token further, its service reads here."""

    @property
    def effective(self) -> "Caller":
        """Whose rights count: the user when a service calls on behalf of one, else the caller."""
        return self.on_behalf_of or self

    def may(self, permission: str) -> bool:
        """Whether the effective caller holds `permission`; `*` stands for every one."""
        held = self.effective.permissions
        return permission in held or "*" in held


ANONYMOUS: Final = Caller(id="", kind="anonymous", name="anonymous")


@dataclass(slots=True)
class Call:
    """One RPC being answered. The interceptors fill it; handlers read it through `current()`."""

    method: str
    """The full gRPC path, e.g. `/mcpanel.registry.v1.RegistryService/GetDefinition`."""
    trace_id: str = ""
    rule: Any = None
    """The method's `mcpanel.policy.v1.Rule`; None for methods that need none (health, reflection)."""
    reads: bool = False
    """Whether the method changes nothing (`chassis.rules.Method.reads`)."""
    caller: Caller = ANONYMOUS
    client_address: str = ""
    process: str = ""
    """Which of the suite's processes the connection is from, proved by its certificate; empty without mutual TLS."""
    user_agent: str = ""
    request: Message | None = None
    """The request of a unary-request RPC."""
    request_id: str = ""
    """The idempotency key the caller chose, or empty."""
    validate_only: bool = False
    deadline: float | None = None
    """The `time.monotonic()` at which the caller stops waiting, or None."""
    started: float = field(default_factory=time.monotonic)
    metadata: dict[str, str] = field(default_factory=dict, repr=False)
    draining: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    """Set when the server wants streams to end; see `chassis.server`."""
    code: str = "OK"
    audited: bool = False

    @property
    def service(self) -> str:
        """The full service name, e.g. `mcpanel.registry.v1.RegistryService`."""
        return self.method.split("/")[1] if "/" in self.method else ""

    @property
    def rpc(self) -> str:
        """The RPC's own name, e.g. `GetDefinition`."""
        return self.method.rpartition("/")[2]

    @property
    def action(self) -> str:
        """The audit action that the method's rule names, or empty."""
        return "" if self.rule is None else str(self.rule.audit)

    @property
    def is_from_named_service(self) -> bool:
        """Whether one of the services that the rule names in `callers` sent the request."""
        rule, caller = self.rule, self.caller
        if rule is None or caller.kind != "service":
            return False
        return caller.name in (rule.Service.Name(one).lower() for one in rule.callers)

    def may_others(self) -> bool:
        """Whether the effective caller reaches what is somebody else's: it holds the rule's `others`, or is one of the
        services in `callers` that acts for no user.
        """
        if self.rule is None:
            return False
        if self.caller.on_behalf_of is None and self.is_from_named_service:
            return True
        return bool(self.rule.others) and self.caller.may(self.rule.others)

    def remaining(self) -> float | None:
        """Seconds until the caller stops waiting (never negative), or None when it waits for ever."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def current() -> Call:
    """The call being answered. Raises RuntimeError outside one."""
    call = _current.get()
    if call is None:
        raise RuntimeError("no call is being answered here")
    return call


def current_or_none() -> Call | None:
    """The call being answered, or None, as in a background task."""
    return _current.get()


@contextmanager
def use(call: Call | None) -> Iterator[Call | None]:
    """Makes `call` the current one inside the block. For the interceptors, the gateway and tests."""
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)


def utcnow() -> datetime:
    """This machine's clock, aware and in UTC."""
    return datetime.now(UTC)
