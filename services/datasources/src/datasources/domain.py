"""What a data source is, and the rules for making and changing one. Pure."""

import dataclasses
import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chassis.errors import Conflict, Denied, FieldViolation, Invalid

DEFAULT_PORT: Final = 5432


class TlsMode(enum.StrEnum):
    """How a connection is protected; the contract says what each means."""

    DISABLED = "DISABLED"
    PREFER = "PREFER"
    REQUIRE_VERIFIED = "REQUIRE_VERIFIED"


class Type(enum.StrEnum):
    """What database it is."""

    POSTGRESQL = "POSTGRESQL"


class Visibility(enum.StrEnum):
    """Who may see and query it."""

    PUBLIC = "PUBLIC"
    PRIVATE = "PRIVATE"


@dataclass(frozen=True, slots=True)
class DataSource:
    """A connection to a database, without its secret."""

    id: str
    name: str
    display_name: str
    description: str
    type: str
    host: str
    port: int
    database: str
    username: str
    tls_mode: str
    secret_ref: str
    has_secret: bool
    owner_id: str
    revision: int
    created_at: datetime
    updated_at: datetime
    scanned_at: datetime | None = None
    visibility: str = Visibility.PRIVATE
    allow_writes: bool = False

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return f'"{self.revision}"'


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants a data source to be. Empty text and zero mean absent; secrets stay out of the repr."""

    name: str = ""
    display_name: str = ""
    description: str = ""
    type: str = ""
    host: str = ""
    port: int = 0
    database: str = ""
    username: str = ""
    tls_mode: str = ""
    secret_value: str = dataclasses.field(default="", repr=False)
    secret_ref: str = ""
    visibility: str = ""
    allow_writes: bool = False
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """What counts about who asks."""

    id: str
    others: str
    """The permission with which one reaches what is somebody else's."""
    may_others: bool
    """Whether the caller holds it."""


CHANGEABLE: Final = frozenset(
    {
        "display_name",
        "description",
        "host",
        "port",
        "database",
        "username",
        "tls_mode",
        "secret_value",
        "secret_ref",
        "visibility",
        "allow_writes",
    }
)
"""The fields an update may change."""
_REQUIRED: Final = ("name", "type", "host", "database", "username")
_SECRETS: Final = ("secret_value", "secret_ref")
_WHERE: Final = ("host", "port", "tls_mode")
"""Where a secret is sent to, and how well the way is protected."""


def create(draft: Draft, *, id: str, owner: Caller, now: datetime, loopback: bool) -> DataSource:  # noqa: A002
    """The new data source. `loopback` says whether its host is this machine. Raises Invalid or Denied."""
    missing = [field for field in _REQUIRED if not getattr(draft, field)]
    if missing:
        raise _invalid(dict.fromkeys(missing, "is required"))
    if draft.secret_ref:
        require_others(owner, "a secret reference")
    return DataSource(
        id=id,
        name=draft.name,
        display_name=draft.display_name,
        description=draft.description,
        type=draft.type,
        host=draft.host,
        port=draft.port or DEFAULT_PORT,
        database=draft.database,
        username=draft.username,
        tls_mode=_tls(draft.tls_mode, loopback=loopback),
        secret_ref=draft.secret_ref,
        has_secret=bool(draft.secret_value or draft.secret_ref),
        owner_id=owner.id,
        revision=1,
        created_at=now,
        updated_at=now,
        visibility=draft.visibility or Visibility.PRIVATE,
        allow_writes=draft.allow_writes,
    )


def update(
    old: DataSource, draft: Draft, fields: Collection[str], *, caller: Caller, now: datetime, loopback: bool
) -> DataSource:
    """`old` with the draft's values of `fields`. `loopback` is about the new host. Raises Invalid, Conflict, Denied.

    Whoever may change a data source may not thereby learn its secret: a stored secret follows to another host, or
    onto a less protected connection, only for an administrator or when it is sent anew.
    """
    require_etag(old, draft.etag)
    for field in ("name", "type"):
        if getattr(draft, field) and getattr(draft, field) != getattr(old, field):
            raise Invalid(
                "INVALID_UPDATE_MASK",
                f"data_source.{field} cannot be changed",
                fields=[FieldViolation(f"data_source.{field}", "cannot be changed")],
            )
    values: dict[str, Any] = {
        field: getattr(draft, field) for field in fields if field in CHANGEABLE and field not in _SECRETS
    }
    emptied = [field for field in ("host", "database", "username") if field in values and not values[field]]
    if emptied:
        raise _invalid(dict.fromkeys(emptied, "is required"))
    if "visibility" in values:
        values["visibility"] = values["visibility"] or Visibility.PRIVATE
    if "port" in values:
        values["port"] = values["port"] or DEFAULT_PORT
    values["tls_mode"] = _tls(values.get("tls_mode", old.tls_mode), loopback=loopback)
    values |= _secret(old, draft, fields, caller)
    new = dataclasses.replace(old, **values, revision=old.revision + 1, updated_at=now)
    moved = any(getattr(old, field) != getattr(new, field) for field in _WHERE)
    if moved and old.has_secret and new.has_secret and not _renews(draft, fields) and not caller.may_others:
        raise _invalid({"secret_value": "must be sent again when the host, the port or the TLS mode changes"})
    return new


def require_etag(source: DataSource, etag: str) -> None:
    """Returns when `etag` is empty or the source's own. Raises Conflict ETAG_MISMATCH."""
    if etag and etag != source.etag:
        raise Conflict(
            "ETAG_MISMATCH",
            f"data source {source.name!r} was changed since it was read",
            resource=("data_source", source.id),
        )


def keeps_stored_value(draft: Draft, fields: Collection[str]) -> bool:
    """Whether an update leaves the stored secret value as it is."""
    return not any(field in fields for field in _SECRETS)


def _secret(old: DataSource, draft: Draft, fields: Collection[str], caller: Caller) -> dict[str, Any]:
    if keeps_stored_value(draft, fields):
        return {}
    if draft.secret_ref and "secret_ref" in fields:
        require_others(caller, "a secret reference")
        return {"secret_ref": draft.secret_ref, "has_secret": True}
    return {"secret_ref": "", "has_secret": bool(draft.secret_value and "secret_value" in fields)}


def _renews(draft: Draft, fields: Collection[str]) -> bool:
    return any(field in fields and getattr(draft, field) for field in _SECRETS)


def _tls(mode: str, *, loopback: bool) -> str:
    if not mode:
        return TlsMode.PREFER if loopback else TlsMode.REQUIRE_VERIFIED
    if mode == TlsMode.DISABLED and not loopback:
        raise _invalid({"tls_mode": "DISABLED is for loopback addresses only"})
    return TlsMode(mode)


def require_others(caller: Caller, what: str) -> None:
    """What the operator keeps is nobody's own."""
    if not caller.may_others:
        raise Denied(
            "PERMISSION_MISSING",
            f"{what} may be set with the permission {caller.others} only, as administrators hold it",
            metadata={"permission": caller.others},
        )


def _invalid(problems: Mapping[str, str]) -> Invalid:
    fields = [FieldViolation(f"data_source.{field}", why) for field, why in problems.items()]
    return Invalid(
        "INVALID_FIELD", "; ".join(f"{one.field}: {one.description}" for one in fields), fields=fields
    )
