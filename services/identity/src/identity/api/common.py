"""What the servicer's parts share."""

from dataclasses import dataclass
from typing import Final

from chassis import contracts, paging
from chassis.context import ANONYMOUS, Caller, current
from chassis.database import Database, Transaction
from identity import store
from identity.authenticator import LocalAuthenticator
from identity.domain import roles
from identity.domain.users import User
from identity.external import ExternalLogins
from identity.logins import Logins, Random
from identity.passwords import Passwords
from identity.signing import Signer

_LOGIN: Final = "mcpanel.identity.v1.IdentityService/Login"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the servicer is made of."""

    db: Database
    authenticator: LocalAuthenticator
    passwords: Passwords
    signer: Signer
    logins: Logins
    external: ExternalLogins
    random: Random
    registration_open: bool


class Part:
    """A part of the servicer."""

    def __init__(self, parts: Parts) -> None:
        self._db = parts.db
        self._authenticator = parts.authenticator
        self._passwords = parts.passwords
        self._signer = parts.signer
        self._logins = parts.logins
        self._external = parts.external
        self._random = parts.random
        self._registration_open = parts.registration_open


def for_a_browser(user_agent: str) -> None:
    """Says that the gateway, which was let in, calls for a browser of which nobody knows yet whose it is.

    What becomes of the call is on record as of nobody with that program, as if the browser itself had called Login.
    """
    call = current()
    call.caller, call.user_agent, call.rule = ANONYMOUS, user_agent, contracts.rules()[_LOGIN]


def named(caller: Caller, user_id: str) -> str:
    """The user's id; the caller's own for `me`."""
    return caller.effective.id if user_id == "me" else user_id


async def above(tx: Transaction, user: User) -> None:
    """Returns when the caller holds all that the user does, or is this user. Raises Denied ROLE_NOT_GRANTABLE."""
    caller = current().caller.effective
    if user.id != caller.id:
        roles.grantable(await store.roles.every(tx), user.role_name, caller.permissions, "user_id")


def before(page: paging.Page) -> str | None:
    """The id that the page goes on from, in a list of which the newest is the first."""
    return str(page.after[0]) if page.after else None
