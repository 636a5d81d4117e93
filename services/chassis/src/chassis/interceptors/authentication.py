"""The fourth layer: proves who calls."""

import dataclasses

from chassis.authentication import Authenticator, extract
from chassis.authentication.credentials import Credentials, may_read, same_origin
from chassis.context import ANONYMOUS, Call, Caller
from chassis.errors import Denied, Exhausted, ServiceError, Unauthenticated, Unavailable
from chassis.rules import Rule


async def authenticate(call: Call, authenticator: Authenticator) -> None:
    """Sets the call's caller.

    A PUBLIC method is open to callers whose credential is missing or no longer good: they are anonymous, so
    that a stale cookie does not stand in the way of a login.
    """
    public = call.rule.access == Rule.PUBLIC
    try:
        call.caller = await _prove(call, authenticator, public=public)
    except (Unauthenticated, Unavailable, Exhausted) as error:
        if public:
            return
        # Tells this refusal from one that concerns a credential inside the request (identity's Authenticate).
        error.metadata.setdefault("subject", "caller")
        raise


async def _prove(call: Call, authenticator: Authenticator, *, public: bool) -> Caller:
    shown = extract(call.metadata)
    if not shown.credential:
        if public:
            return ANONYMOUS
        raise Unauthenticated(
            "CREDENTIALS_MISSING", "no credential was sent; send authorization: Bearer <token or key>"
        )
    if shown.from_cookie and not (same_origin(call.metadata) or (call.reads and may_read(call.metadata))):
        if public:
            return ANONYMOUS
        raise Denied(
            "CREDENTIALS_INVALID",
            "a call with a cookie must come from the console's own pages (Sec-Fetch-Site, or Origin)",
        )
    caller = await authenticator.authenticate(shown.credential)
    if call.process and caller.kind == "service" and caller.name != call.process:
        raise Unauthenticated(
            "CREDENTIALS_INVALID",
            "a service's key was shown over another process's connection; replace the key",
        )
    return await _on_behalf(caller, shown, authenticator)


async def _on_behalf(caller: Caller, shown: Credentials, authenticator: Authenticator) -> Caller:
    """A service that shows its user's credential too acts with that user's rights; from others it is ignored."""
    if caller.kind != "service" or not shown.on_behalf_of:
        return caller
    try:
        user = await authenticator.authenticate(shown.on_behalf_of)
    except ServiceError as error:
        error.metadata.setdefault("credential", "on-behalf-of")
        raise
    if user.kind == "service":
        raise Unauthenticated("CREDENTIALS_INVALID", "a service acts for users, not for services")
    return dataclasses.replace(caller, on_behalf_of=user)
