"""All of identity's SQL, a module a noun. Functions take the open transaction first and never commit."""

from identity.store import (
    accounts,
    attempts,
    external,
    keys,
    password_tickets,
    principals,
    roles,
    sessions,
    signing_keys,
    tickets,
    users,
)

__all__ = [
    "accounts",
    "attempts",
    "external",
    "keys",
    "password_tickets",
    "principals",
    "roles",
    "sessions",
    "signing_keys",
    "tickets",
    "users",
]
