"""What a secret is, and the rules for making and changing one. Pure."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chassis.errors import Conflict, FieldViolation, Invalid
from datasources.domain import Caller, Visibility, require_others

KIND: Final = "secret"
"""What grants and the action log call secrets."""
CHANGEABLE: Final = frozenset({"description", "visibility", "secret_value", "secret_ref"})
"""The fields an update may change."""
_VALUES: Final = ("secret_value", "secret_ref")


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret without its value. `secret_ref` says where that is, where it is not stored here."""

    id: str
    name: str
    description: str
    secret_ref: str
    owner_id: str
    visibility: str
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return f'"{self.revision}"'


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants a secret to be. Empty text means absent; the value stays out of the repr."""

    name: str = ""
    description: str = ""
    visibility: str = ""
    secret_value: str = dataclasses.field(default="", repr=False)
    secret_ref: str = ""
    etag: str = ""


def create(draft: Draft, *, id: str, owner: Caller, now: datetime) -> Secret:  # noqa: A002
    """The new secret. Raises Invalid naming each field that is missing, Denied for who may not set a reference."""
    wanted = {"name": draft.name, "secret_value": draft.secret_value or draft.secret_ref}
    if missing := [field for field, found in wanted.items() if not found]:
        raise _invalid(dict.fromkeys(missing, "is required"))
    if draft.secret_ref:
        require_others(owner, "a secret reference")
    return Secret(
        id=id,
        name=draft.name,
        description=draft.description,
        secret_ref=draft.secret_ref,
        owner_id=owner.id,
        visibility=draft.visibility or Visibility.PRIVATE,
        revision=1,
        created_at=now,
        updated_at=now,
    )


def update(old: Secret, draft: Draft, fields: Collection[str], *, caller: Caller, now: datetime) -> Secret:
    """`old` with the draft's values of `fields`. Raises Invalid, Conflict, Denied."""
    require_etag(old, draft.etag)
    if draft.name and draft.name != old.name:
        raise Invalid(
            "INVALID_UPDATE_MASK",
            "secret.name cannot be changed; create another secret and link that in the component's next version",
            fields=[FieldViolation("secret.name", "cannot be changed")],
        )
    values: dict[str, Any] = {}
    if "description" in fields:
        values["description"] = draft.description
    if "visibility" in fields:
        values["visibility"] = draft.visibility or Visibility.PRIVATE
    if changes_value(fields):
        values["secret_ref"] = _reference(draft, fields, caller)
    return dataclasses.replace(old, **values, revision=old.revision + 1, updated_at=now)


def changes_value(fields: Collection[str]) -> bool:
    """Whether an update of these fields is about the value, too."""
    return any(field in fields for field in _VALUES)


def require_etag(secret: Secret, etag: str) -> None:
    """Returns when `etag` is empty or the secret's own. Raises Conflict ETAG_MISMATCH."""
    if etag and etag != secret.etag:
        raise Conflict(
            "ETAG_MISMATCH",
            f"secret {secret.name!r} was changed since it was read",
            resource=(KIND, secret.id),
        )


def _reference(draft: Draft, fields: Collection[str], caller: Caller) -> str:
    """The new reference; empty where the value itself was sent."""
    if "secret_value" in fields and draft.secret_value:
        return ""
    if "secret_ref" in fields and draft.secret_ref:
        require_others(caller, "a secret reference")
        return draft.secret_ref
    raise _invalid({"secret_value": "cannot be taken away; send another, or delete the secret"})


def _invalid(problems: Mapping[str, str]) -> Invalid:
    fields = [FieldViolation(f"secret.{field}", why) for field, why in problems.items()]
    return Invalid(
        "INVALID_FIELD", "; ".join(f"{one.field}: {one.description}" for one in fields), fields=fields
    )
