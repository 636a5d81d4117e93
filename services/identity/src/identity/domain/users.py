"""Users: who they are and how they may change."""

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from chassis.errors import (
    Conflict,
    Denied,
    FieldViolation,
    Invalid,
    NotFound,
    Precondition,
    ServiceError,
    Unauthenticated,
)
from identity.domain.roles import ADMIN, VIEWER, Role

CHANGEABLE: Final = ("email", "full_name", "role_name", "is_active")
"""The fields an update may name."""
NO_PASSWORD: Final = ""
"""In place of a hash: no password is right."""
PERSONAL: Final = ("email", "full_name")
"""The facts of a user that are about the person."""
_OWN: Final = frozenset({"full_name"})


@dataclass(frozen=True, slots=True)
class User:
    """A person who can log in."""

    id: str
    email: str
    email_key: str
    full_name: str
    role_name: str
    is_active: bool
    password_hash: str
    version: int
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None = None
    invited_at: datetime | None = None
    """When the user was invited; None once they can log in."""

    def __repr__(self) -> str:
        return f"User({self.id!r}, {self.email!r})"

    @property
    def etag(self) -> str:
        """Changes with every change of the user (a login is none)."""
        return f"{self.version}"

    def facts(self) -> dict[str, Any]:
        """What the action log says of the user; never the password's hash."""
        return {
            "email": self.email,
            "full_name": self.full_name,
            "role_name": self.role_name,
            "is_active": self.is_active,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """An update that was decided upon."""

    user: User
    password_changed: bool
    ends_sessions: bool
    """Whether the user must log in again."""

    @property
    def ends_tickets(self) -> bool:
        """Whether no password may be set any more with a ticket from before."""
        return self.password_changed or (self.ends_sessions and not self.user.is_active)


def email_key(email: str) -> str:
    """What two spellings of one address have in common."""
    return unicodedata.normalize("NFKC", email.strip()).casefold()


def new(
    user_id: str, *, email: str, full_name: str, role_name: str, password_hash: str, now: datetime
) -> User:
    """A new user, who may log in."""
    return User(
        id=user_id,
        email=email.strip(),
        email_key=email_key(email),
        full_name=full_name,
        role_name=role_name,
        is_active=True,
        password_hash=password_hash,
        version=1,
        created_at=now,
        updated_at=now,
    )


def invited(
    before: User | None, user_id: str, *, email: str, full_name: str, role_name: str, now: datetime
) -> User:
    """A user who may log in once the invitation is accepted: a new one, or `before`, who was invited already.

    What is left empty is as it was, the role of a new one Viewer.
    """
    if before is None:
        made = new(
            user_id,
            email=email,
            full_name=full_name,
            role_name=role_name or VIEWER,
            password_hash=NO_PASSWORD,
            now=now,
        )
        return replace(made, is_active=False, invited_at=now)
    return replace(
        before,
        full_name=full_name or before.full_name,
        role_name=role_name or before.role_name,
        invited_at=now,
        updated_at=now,
        version=before.version + 1,
    )


def accepted(user: User, full_name: str, password_hash: str, now: datetime) -> User:
    """The user, who was invited, once they have set a password."""
    named = replace(user, full_name=full_name or user.full_name, is_active=True)
    return with_password(named, password_hash, now)


def with_password(user: User, password_hash: str, now: datetime) -> User:
    """The user with a new password."""
    return replace(
        user, password_hash=password_hash, invited_at=None, updated_at=now, version=user.version + 1
    )


def without_password(user: User, now: datetime) -> User:
    """The user, who cannot log in until a new password is set. Raises Precondition INVITATION_OPEN."""
    if user.invited_at is not None:
        raise invitation_open(user.id)
    return replace(user, password_hash=NO_PASSWORD, updated_at=now, version=user.version + 1)


def role_for_new(wanted: str, *, chooses: bool, by_operator: bool, first: bool) -> str:
    """The role's name of a new user: the chosen one where the caller may choose, else Viewer.

    Nobody becomes an administrator by being first, except by the operator's own key.
    """
    if not chooses:
        return VIEWER
    if wanted:
        return wanted
    return ADMIN if first and by_operator else VIEWER


def registration_closed() -> ServiceError:
    """The refusal where people cannot register themselves."""
    return Denied(
        "REGISTRATION_CLOSED", "self-registration is switched off; ask an administrator for an account"
    )


def missing(user_id: str) -> ServiceError:
    """The answer about a user that there is not, or that the caller may not see."""
    return NotFound("USER_NOT_FOUND", f"user {user_id!r} does not exist", resource=("user", user_id))


def invitation_open(user_id: str) -> ServiceError:
    """The refusal of what needs a password, for a user who was invited and has not set one."""
    return Precondition(
        "INVITATION_OPEN",
        "the user has not accepted the invitation; invite them again, or set a password",
        resource=("user", user_id),
    )


def login_failed() -> ServiceError:
    """The one answer to every login that fails, whatever the cause."""
    return Unauthenticated("LOGIN_FAILED", "the email or the password is wrong, or the account is off")


def change(
    user: User,
    values: Mapping[str, Any],
    *,
    etag: str,
    new_password_hash: str | None,
    oneself: bool,
    proved: bool,
    administers: bool,
    needed: str,
    now: datetime,
) -> Change:
    """The user with `values` set.

    `oneself` says that the caller is this user, `proved` that it showed the present password, `administers` that it
    holds the permission `needed` to change what others keep. Raises Conflict ETAG_MISMATCH, Denied PERMISSION_MISSING
    for what the caller may not change, Denied LOGIN_FAILED for a new password without the present one, Invalid for a
    value that cannot be.
    """
    if etag and etag != user.etag:
        raise Conflict(
            "ETAG_MISMATCH",
            "the user was changed meanwhile; read it again",
            metadata={"etag": user.etag},
            resource=("user", user.id),
        )
    changed = {name: value for name, value in values.items() if getattr(user, name) != value}
    if not administers and (kept := sorted(changed.keys() - _OWN)):
        raise Denied(
            "PERMISSION_MISSING",
            f"changing {', '.join(kept)} needs the permission {needed}",
            metadata={"permission": needed},
        )
    if new_password_hash is not None and oneself and not proved:
        raise Denied(
            "LOGIN_FAILED",
            "current_password is not the present password",
            fields=[FieldViolation("current_password", "is not the present password", "LOGIN_FAILED")],
        )
    if "email" in changed:
        if not changed["email"]:
            raise _empty("email")
        changed["email_key"] = email_key(changed["email"])
    if changed.get("role_name") == "":
        raise _empty("role_name")
    if new_password_hash is not None:
        changed |= {"password_hash": new_password_hash, "invited_at": None}
    elif user.invited_at is not None and changed.get("is_active"):
        raise invitation_open(user.id)
    if not changed:
        return Change(user, password_changed=False, ends_sessions=False)
    after = replace(user, **changed, version=user.version + 1, updated_at=now)
    ends = (
        new_password_hash is not None
        or after.role_name != user.role_name
        or (user.is_active and not after.is_active)
    )
    return Change(after, password_changed=new_password_hash is not None, ends_sessions=ends)


def has_new_password(before: User, now: User) -> bool:
    """Whether the password was changed in between; a hash that a login made anew with other costs is no change."""
    return now.version != before.version and now.password_hash != before.password_hash


def administers(user: User | None, roles: Iterable[Role]) -> bool:
    """Whether this is an administrator who can log in."""
    if user is None or not user.is_active:
        return False
    return any(role.administers for role in roles if role.name == user.role_name)


def is_last_administrator(
    before: User, after: User | None, roles: Collection[Role], administrators: int
) -> bool:
    """Whether the last of `administrators` would be gone; `after` None: deleted."""
    return administers(before, roles) and not administers(after, roles) and administrators <= 1


def keep_an_administrator(
    before: User, after: User | None, roles: Collection[Role], administrators: int
) -> None:
    """Raises Precondition LAST_ADMINISTRATOR when the last of `administrators` would be gone; `after` None: deleted."""
    if is_last_administrator(before, after, roles, administrators):
        raise last_administrator(("user", before.id))


def last_administrator(resource: tuple[str, str]) -> ServiceError:
    """The refusal of what would leave nobody who can log in and holds all that the role Admin does."""
    return Precondition(
        "LAST_ADMINISTRATOR",
        "nobody who can log in would be an administrator; make someone else one first",
        resource=resource,
    )


def _empty(field: str) -> Invalid:
    return Invalid(
        "INVALID_FIELD",
        f"user.{field} must not be empty",
        fields=[FieldViolation(f"user.{field}", "must not be empty", "INVALID_FIELD")],
    )
