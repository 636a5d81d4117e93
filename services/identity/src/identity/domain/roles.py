"""Permissions, and the roles that hold them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from chassis.errors import Denied, FieldViolation, Invalid

ADMIN: Final = "Admin"
EDITOR: Final = "Editor"
VIEWER: Final = "Viewer"
WORKER_PERMISSION: Final = "worker.connect"

_READS: Final = frozenset(
    {
        "definitions.read",
        "workflows.read",
        "runs.read",
        "schedules.read",
        "triggers.read",
        "datasources.read",
        "workers.read",
    }
)
_EDITS: Final = frozenset(
    {
        "definitions.create",
        "definitions.update",
        "workflows.create",
        "workflows.update",
        "runs.start",
        "runs.cancel",
        "runs.approve",
        "schedules.create",
        "schedules.update",
        "schedules.delete",
        "triggers.create",
        "triggers.update",
        "triggers.delete",
        "datasources.create",
        "datasources.update",
        "datasources.query",
        "datasources.scan",
    }
)
_ADMINISTERS: Final = frozenset(
    {
        "definitions.delete",
        "workflows.delete",
        "datasources.delete",
        "audit.read",
        "users.read",
        "users.update",
        "users.delete",
        "metrics.read",
        "workers.drain",
    }
)

PERMISSIONS: Final = _READS | _EDITS | _ADMINISTERS | {WORKER_PERMISSION}
"""Every permission there is, as `noun.verb`."""
SERVICE_PERMISSIONS: Final = PERMISSIONS
WORKER_PERMISSIONS: Final = frozenset({WORKER_PERMISSION})


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions."""

    name: str
    description: str
    permissions: frozenset[str]


BUILT_IN: Final = (
    Role(ADMIN, "May do everything.", _READS | _EDITS | _ADMINISTERS),
    Role(
        EDITOR,
        "Builds and runs: creates and changes components, workflows and data sources.",
        _READS | _EDITS,
    ),
    Role(VIEWER, "Looks: sees components, workflows, runs and data sources.", _READS),
)
"""The roles a new installation has. The table `roles` is what counts afterwards."""


def holders(held: Mapping[str, Iterable[frozenset[str]]], permission: str) -> frozenset[str]:
    """The names of which somebody holds the permission; `held`: what those who go by a name hold, each of them."""
    return frozenset(name for name, each in held.items() if any(permission in one for one in each))


def only(held: frozenset[str]) -> str:
    """The name of the one role held. Raises Invalid ROLE_UNKNOWN for none, as services hold, or several."""
    if len(held) != 1:
        raise Invalid(
            "ROLE_UNKNOWN",
            "you do not hold exactly one role: name the one that is wanted",
            fields=[FieldViolation("role_name", "is required here", "ROLE_UNKNOWN")],
        )
    return next(iter(held))


def grantable(roles: Iterable[Role], name: str, held: frozenset[str], field: str) -> Role:
    """The role called `name`, when whoever holds the permissions `held` may hand it out.

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
    if missing := role.permissions - held:
        raise Denied(
            "ROLE_NOT_GRANTABLE",
            f"the role {name} holds more than you do",
            metadata={"role": name, "missing": ",".join(sorted(missing))},
        )
    return role
