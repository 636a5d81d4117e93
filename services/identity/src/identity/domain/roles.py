"""Permissions, and the roles that hold them, as the contracts say."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from chassis import contracts
from chassis.errors import Denied, FieldViolation, Invalid

ADMIN: Final = "Admin"
EDITOR: Final = "Editor"
VIEWER: Final = "Viewer"


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions."""

    name: str
    description: str
    permissions: frozenset[str]


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
WORKER_PERMISSIONS: Final = frozenset(one for one, least in contracts.permissions().items() if not least)
"""What workers hold, and no role: the permissions that internal methods need."""


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
