"""Whoever may do something, by id: a user or a service account."""

from collections.abc import Collection

from chassis.database import Transaction
from chassis.errors import NotFound
from identity.domain.api_keys import Principal, principal_of_account, principal_of_user
from identity.domain.users import email_key
from identity.store import accounts, roles, users


async def permissions_by_name(tx: Transaction, names: Collection[str]) -> dict[str, list[frozenset[str]]]:
    """What those hold who go by these names, as workflows name who may approve: by a user's id or e-mail address, an
    account's id or name, or a role. Names that are nobody's are left out, and so are users who are inactive.
    """
    granted = {role.name: role for role in await roles.every(tx)}
    found = [(role.name, role.permissions) for role in granted.values()]
    for user in await users.called(tx, names):
        held = granted[user.role_name].permissions
        found += [(user.id, held), (user.email, held)]
    for account in await accounts.called(tx, names):
        role = granted[account.role_name] if account.role_name else None
        held = principal_of_account(account.id, account.kind, account.name, role).permissions
        found += [(account.id, held), (account.name, held)]
    wanted = frozenset(names)
    by_name: dict[str, list[frozenset[str]]] = {}
    for name, held in found:
        if name in wanted:
            by_name.setdefault(name, []).append(held)
    return by_name


async def get(tx: Transaction, principal_id: str) -> Principal:
    """What the user, by id or e-mail address, or the account may do now.

    Raises NotFound PRINCIPAL_NOT_FOUND, also for a user who is inactive.
    """
    is_address = "@" in principal_id
    ask = users.find_by_email(tx, email_key(principal_id)) if is_address else users.find(tx, principal_id)
    user = await ask
    if user is not None and user.is_active:
        return principal_of_user(user.id, user.email, await roles.get(tx, user.role_name))
    account = None if user is not None else await accounts.find(tx, principal_id)
    if account is None or not account.is_active:
        raise NotFound(
            "PRINCIPAL_NOT_FOUND",
            f"no user or account that may log in is {principal_id!r}",
            resource=("principal", principal_id),
        )
    granted = await roles.get(tx, account.role_name) if account.role_name else None
    return principal_of_account(account.id, account.kind, account.name, granted)
