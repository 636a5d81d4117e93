"""Whose credential is for some things only: a run's token names the data sources and the secrets it reaches."""

from typing import Literal

from chassis.context import current
from chassis.errors import Denied

Claim = Literal["data_source_ids", "secret_ids"]


def within(claim: Claim) -> frozenset[str] | None:
    """The ids of the only things this credential is for, or None when it names none."""
    caller = current().caller
    found: frozenset[str] | None = None
    for who in (caller, caller.effective):
        if claim in who.claims:
            ids = frozenset(map(str, who.claims[claim]))
            found = ids if found is None else found & ids
    return found


def require(key: str, reaches: bool, what: str) -> None:
    """Returns when the credential reaches `key`; `what` are the things it is for, in words. Raises Denied."""
    if not reaches:
        raise Denied(
            "PERMISSION_MISSING",
            f"this credential is for other {what} than {key!r}; link it to the component's version",
            metadata={"permission": current().rule.permission},
        )
