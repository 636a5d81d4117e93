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
        # What hands out credentials narrows them by the caller's scopes itself.
        if caller.effective.scopes and rule.audit and not rule.secret_response:
            raise Denied(
                "PERMISSION_MISSING",
                f"{call.rpc} changes something, which the scopes of this key do not name; use a key without scopes",
                resource=("method", call.method),
            )
        return
    if rule.access == Rule.PERMISSION:
        if caller.may(rule.permission) or (caller.on_behalf_of is None and call.is_from_named_service):
            return
        raise _missing(call, rule.permission)
    if rule.access == Rule.INTERNAL:
        # Only by name: `*` stands for everything a person may do, and this is nothing a person does.
        if call.is_from_named_service or (rule.permission and rule.permission in caller.permissions):
            return
        raise Denied(
            "INTERNAL_ONLY",
            f"{call.rpc} is for {_who(rule)} only",
            metadata={"permission": rule.permission} if rule.permission else None,
        )
    raise _missing(call, rule.permission)


def _who(rule: Rule) -> str:
    """Who may call an INTERNAL method, in words."""
    names = [Rule.Service.Name(one).lower() for one in rule.callers]
    holders = [f"holders of {rule.permission}"] if rule.permission else []
    return " and ".join([*names, *holders])


def _missing(call: Call, permission: str) -> Denied:
    return Denied(
        "PERMISSION_MISSING",
        f"{call.rpc} needs the permission {permission}",
        metadata={"permission": permission},
        resource=("method", call.method),
    )
