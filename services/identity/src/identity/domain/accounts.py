"""Service accounts: programs that call with API keys, the suite's own among them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from chassis.errors import (
    AlreadyExists,
    Conflict,
    FieldViolation,
    Invalid,
    NotFound,
    Precondition,
    ServiceError,
)

Kind = Literal["operator", "service", "worker", "program"]

CHANGEABLE: Final = ("description", "role_name", "is_active")
"""The fields an update may name."""


@dataclass(frozen=True, slots=True)
class Account:
    """A principal that is no person."""

    id: str
    name: str
    kind: Kind
    role_name: str | None
    created_at: datetime
    updated_at: datetime
    description: str = ""
    is_active: bool = True
    version: int = 1

    @property
    def etag(self) -> str:
        """Changes with every change of the account."""
        return f"{self.version}"

    def facts(self) -> dict[str, Any]:
        """What the action log says of the account."""
        return {
            "name": self.name,
            "kind": self.kind,
            "role_name": self.role_name,
            "description": self.description,
            "is_active": self.is_active,
        }


def changed(account: Account, values: Mapping[str, Any], *, etag: str, now: datetime) -> Account:
    """The account with `values` set; itself when nothing changes.

    Raises Conflict ETAG_MISMATCH; Invalid for an empty role.
    """
    if etag and etag != account.etag:
        raise Conflict(
            "ETAG_MISMATCH",
            "the service account was changed meanwhile; read it again",
            metadata={"etag": account.etag},
            resource=("service_account", account.id),
        )
    if values.get("role_name") == "":
        field = "service_account.role_name"
        raise Invalid(
            "INVALID_FIELD",
            f"{field} must not be empty",
            fields=[FieldViolation(field, "must not be empty", "INVALID_FIELD")],
        )
    after = replace(account, **values)
    return account if after == account else replace(after, version=account.version + 1, updated_at=now)


def of_users(account: Account) -> Account:
    """The account. Raises Precondition SERVICE_ACCOUNT_BUILT_IN for one of the suite's own."""
    if account.kind != "program":
        raise built_in(
            account.id, f"{account.name} is one of the suite's own accounts; it cannot be changed here"
        )
    return account


def built_in(account_id: str, why: str) -> ServiceError:
    """The refusal to touch what bootstrap made."""
    return Precondition("SERVICE_ACCOUNT_BUILT_IN", why, resource=("service_account", account_id))


def missing(account_id: str) -> ServiceError:
    """The answer about an account that there is not."""
    return NotFound(
        "SERVICE_ACCOUNT_NOT_FOUND",
        f"service account {account_id!r} does not exist",
        resource=("service_account", account_id),
    )


def taken(name: str) -> ServiceError:
    """The answer to a name that another account has."""
    return AlreadyExists(
        "SERVICE_ACCOUNT_NAME_TAKEN", f"a service account {name} exists", resource=("service_account", name)
    )
