"""Permissions, and the roles that hold them, as the contracts say."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from chassis import contracts
from chassis.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    FieldViolation,
    Invalid,
    NotFound,
    Precondition,
    ServiceError,
)

ADMIN: Final = "Admin"
EDITOR: Final = "Editor"
VIEWER: Final = "Viewer"


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions."""

    name: str
    description: str
    permissions: frozenset[str]
    version: int = field(default=1, compare=False)

    @property
    def etag(self) -> str:
        """Changes with every change of the role."""
        return f"{self.version}"

    @property
    def administers(self) -> bool:
        """Whether who has it may do all that the built-in Admin may."""
        return self.permissions >= ADMINISTERING

    def facts(self) -> dict[str, Any]:
        """What the action log says of the role."""
        return {"description": self.description, "permissions": sorted(self.permissions)}


def built_in(holders: Mapping[str, int]) -> tuple[Role, ...]:
    """The roles every installation has, given the number of the least of them that holds each permission."""
    return tuple(
        Role(name, description, frozenset(one for one, least in holders.items() if 0 < least <= number))
        for number, name, description in _LADDER
    )


_LADDER: Final = (
    (3, ADMIN, "May do everything."),
    (2, EDITOR, "Builds and runs: creates and changes components, workflows and data sources."),
    (1, VIEWER, "Looks: sees components, workflows, runs and data sources."),
)
"""The built-in roles; each holds what those with a smaller number hold. The numbers are the contract's `Rule.Role`."""
PERMISSIONS: Final = frozenset(contracts.permissions())
"""Every permission there is, as `noun.verb`: those that the methods' rules name."""
BUILT_IN: Final = built_in(contracts.permissions())
ADMINISTERING: Final = next(role.permissions for role in BUILT_IN if role.name == ADMIN)
"""What makes an administrator. Without one who can log in, nobody could make another: nobody grants what they lack."""
CHANGEABLE: Final = ("description", "permissions")
"""The fields an update may name."""
SOURCES_PERMISSIONS: Final = frozenset(
    contracts.rules()[f"mcpanel.datasources.v1.DataSourceService/{method}"].permission
    for method in ("ExecuteQuery", "WriteRows")
)
"""What the tokens of runs hold that are for data sources."""
SECRETS_PERMISSIONS: Final = frozenset(
    {contracts.rules()["mcpanel.datasources.v1.SecretService/RevealSecret"].permission}
)
"""What the tokens of runs hold that are for secrets."""
INTERNAL_PERMISSIONS: Final = frozenset(one for one, least in contracts.permissions().items() if not least)
"""What no role holds: the permissions that internal methods need."""
WORKER_PERMISSIONS: Final = INTERNAL_PERMISSIONS - SOURCES_PERMISSIONS - SECRETS_PERMISSIONS
"""What workers hold."""


def holders(held: Mapping[str, Iterable[frozenset[str]]], permission: str) -> frozenset[str]:
    """The names of which somebody holds the permission; `held`: what those who go by a name hold, each of them."""
    return frozenset(name for name, each in held.items() if any(permission in one for one in each))


def only(held: frozenset[str], chosen: str = "") -> str:
    """The role that was chosen, else the name of the one role held.

    Raises Invalid ROLE_UNKNOWN when none was chosen and none is held, as by services, or several.
    """
    if chosen:
        return chosen
    if len(held) != 1:
        raise Invalid(
            "ROLE_UNKNOWN",
            "you do not hold exactly one role: name the one that is wanted",
            fields=[FieldViolation("role_name", "is required here", "ROLE_UNKNOWN")],
        )
    return next(iter(held))


def new(name: str, description: str, permissions: Iterable[str]) -> Role:
    """A new role. Raises Invalid PERMISSION_UNKNOWN."""
    return Role(name, description, _known(permissions))


def changed(role: Role, values: Mapping[str, Any], etag: str) -> Role:
    """The role with `values` set; itself when nothing changes.

    Raises Precondition ROLE_BUILT_IN; Conflict ETAG_MISMATCH; Invalid PERMISSION_UNKNOWN.
    """
    own(role)
    if etag and etag != role.etag:
        raise Conflict(
            "ETAG_MISMATCH",
            "the role was changed meanwhile; read it again",
            metadata={"etag": role.etag},
            resource=("role", role.name),
        )
    after = replace(
        role,
        description=values.get("description", role.description),
        permissions=_known(values["permissions"]) if "permissions" in values else role.permissions,
    )
    return role if after == role else replace(after, version=role.version + 1)


def own(role: Role) -> Role:
    """The role. Raises Precondition ROLE_BUILT_IN for one that the contracts define."""
    if role.name in {one.name for one in BUILT_IN}:
        raise Precondition(
            "ROLE_BUILT_IN",
            f"{role.name} is what the contracts make it; create a role of your own",
            resource=("role", role.name),
        )
    return role


def within(
    permissions: frozenset[str],
    held: frozenset[str],
    why: str = "the role would hold, or holds, more than you do",
) -> None:
    """Returns when who holds `held` may hand these permissions on. Raises Denied ROLE_NOT_GRANTABLE, saying `why`."""
    if missing := permissions - held:
        raise Denied("ROLE_NOT_GRANTABLE", why, metadata={"missing": ",".join(sorted(missing))})


def not_found(name: str) -> ServiceError:
    """The answer about a role that there is not."""
    return NotFound("ROLE_NOT_FOUND", f"there is no role {name!r}", resource=("role", name))


def unlike(name: str, others: Iterable[Role]) -> None:
    """Returns when no other role is called `name`, in whatever cases: people would take one for the other.

    Raises AlreadyExists ROLE_NAME_TAKEN. Roles from before that differ in nothing else are left as they are.
    """
    for other in others:
        if other.name.casefold() == name.casefold():
            raise AlreadyExists(
                "ROLE_NAME_TAKEN",
                f"a role {other.name} exists; names that differ in upper and lower case only are one",
                resource=("role", other.name),
            )


def in_use(name: str, users: int, accounts: int, keys: int) -> ServiceError:
    """The refusal to delete what somebody has."""
    return Precondition(
        "ROLE_IN_USE",
        f"{users} users, {accounts} service accounts and {keys} API keys have the role; give them another",
        metadata={"users": str(users), "service_accounts": str(accounts), "api_keys": str(keys)},
        resource=("role", name),
    )


def _known(permissions: Iterable[str]) -> frozenset[str]:
    found = frozenset(permissions)
    if unknown := sorted(found - PERMISSIONS) or sorted(found & INTERNAL_PERMISSIONS):
        raise Invalid(
            "PERMISSION_UNKNOWN",
            f"there is no permission {unknown[0]!r} that a role could hold; ListRoles has those there are",
            metadata={"permissions": ",".join(unknown)[:500]},
            fields=[
                FieldViolation("role.permissions", f"{one!r} is unknown", "PERMISSION_UNKNOWN")
                for one in unknown[:20]
            ],
        )
    return found


def grantable(
    roles: Iterable[Role],
    name: str,
    held: frozenset[str],
    field: str,
    narrowed: Callable[[frozenset[str]], frozenset[str]] = frozenset,
) -> Role:
    """The role called `name`, when whoever holds the permissions `held` may hand out what `narrowed` leaves of it.

    Raises Invalid ROLE_UNKNOWN naming `field`; Denied ROLE_NOT_GRANTABLE when it holds more than the giver.
    """
    known = {role.name: role for role in roles}
    if name not in known:
        choices = ", ".join(sorted(known))
        raise Invalid(
            "ROLE_UNKNOWN",
            f"there is no role {name!r}; the roles are {choices}",
            metadata={"role": name},
            fields=[FieldViolation(field, f"must be one of {choices}", "ROLE_UNKNOWN")],
        )
    role = known[name]
    if missing := narrowed(role.permissions) - held:
        raise Denied(
            "ROLE_NOT_GRANTABLE",
            f"the role {name} holds more than you do",
            metadata={"role": name, "missing": ",".join(sorted(missing))},
        )
    return role
