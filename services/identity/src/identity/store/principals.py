"""Whoever may do something, by id: a user or a service account."""

from chassis.database import Transaction
from chassis.errors import NotFound
from identity.domain.api_keys import Principal, principal_of_account, principal_of_user
from identity.store import accounts, roles, users


async def get(tx: Transaction, principal_id: str) -> Principal:
    """What the user or account may do now. Raises NotFound PRINCIPAL_NOT_FOUND, also for a user who is inactive."""
    user = await users.find(tx, principal_id)
    if user is not None and user.is_active:
        return principal_of_user(user.id, user.email, await roles.get(tx, user.role_name))
    account = None if user is not None else await accounts.find(tx, principal_id)
    if account is None:
        raise NotFound(
            "PRINCIPAL_NOT_FOUND",
            f"no user or account that may log in has the id {principal_id!r}",
            resource=("principal", principal_id),
        )
    granted = await roles.get(tx, account.role_name) if account.role_name else None
    return principal_of_account(account.id, account.kind, account.name, granted)
