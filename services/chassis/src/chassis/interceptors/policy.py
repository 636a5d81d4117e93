"""The fifth layer: asks the method's rule whether the caller may."""

from chassis.context import Call
from chassis.errors import Denied, Unauthenticated
from chassis.rules import Rule


def allow(call: Call) -> None:
    """Returns when the rule lets the caller in. Raises Denied, or Unauthenticated for an anonymous caller."""
    rule, caller = call.rule, call.caller
    if rule.access == Rule.PUBLIC:
        return
    if caller.kind == "anonymous":
        raise Unauthenticated("CREDENTIALS_MISSING", "this method needs a credential")
    if rule.access == Rule.AUTHENTICATED:
        return
    if rule.access == Rule.PERMISSION:
        if not caller.may(rule.permission):
            raise _missing(call, rule.permission)
        return
    if rule.access == Rule.INTERNAL:
        # Only by name: `*` stands for everything a person may do, and this is nothing a person does.
        if caller.kind == "service" or (rule.permission and rule.permission in caller.permissions):
            return
        raise Denied(
            "INTERNAL_ONLY",
            f"{call.rpc} is for the suite's own services",
            metadata={"permission": rule.permission} if rule.permission else None,
        )
    raise _missing(call, rule.permission)


def _missing(call: Call, permission: str) -> Denied:
    return Denied(
        "PERMISSION_MISSING",
        f"{call.rpc} needs the permission {permission}",
        metadata={"permission": permission},
        resource=("method", call.method),
    )
