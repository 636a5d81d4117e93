"""The service accounts, their key files, and the signing key: made where they are missing, else left alone."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chassis import outbox
from chassis.context import utcnow
from chassis.database import Database, Transaction
from chassis.ids import uuid7
from identity import keyfiles, store
from identity.domain import api_keys
from identity.domain.accounts import Account, Kind
from identity.domain.api_keys import FILE_KEY, ApiKey
from identity.domain.roles import ADMIN
from identity.signing import SECRET_BYTES, SECRET_FILE, SigningKey, load

_ACTOR: Final = outbox.Actor("bootstrap", "operator", "python -m identity bootstrap")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A service account there must be."""

    name: str
    kind: Kind
    role_name: str | None = None


ACCOUNTS: Final = (
    Wanted("admin", "operator", ADMIN),
    Wanted("worker", "worker"),
    Wanted("registry", "service"),
    Wanted("engine", "service"),
    Wanted("datasources", "service"),
    Wanted("audit", "service"),
    Wanted("identity", "service"),
    Wanted("gateway", "service"),
)


async def run(db: Database, keys: Path, signing_key: Path) -> list[str]:
    """Makes what is missing; returns a line for each thing done, none of them a key.

    Safe to repeat and to run twice at once. A key file whose key does not work here (the file is new, was lost, or
    belongs to another database; the key was revoked) gets a fresh key, and the old one is revoked.
    """
    done = []
    for wanted in ACCOUNTS:
        path = keys / f"{wanted.name}.key"
        async with db.begin() as tx:
            if await _ensure_account(tx, wanted, path):
                done.append(f"{path} has a new key")
    async with db.begin() as tx:
        if await _ensure_signing_key(tx, signing_key):
            done.append(f"{signing_key} signs access tokens from now on")
        if keyfiles.read(keys / SECRET_FILE) is None:
            keyfiles.write(keys / SECRET_FILE, secrets.token_hex(SECRET_BYTES) + "\n")
            done.append(f"{keys / SECRET_FILE} is what repeats of requests and tokens are recognised by")
    return done


async def rotate(db: Database, signing_key: Path) -> list[str]:
    """Replaces the key that signs access tokens; returns a line for each thing done.

    The new one is published before anything is signed with it, and the old one for as long as a token of its lives.
    """
    key = SigningKey.generate()
    async with db.begin() as tx:
        await store.signing_keys.lock(tx)
        await store.signing_keys.publish(tx, key.public)
        await _note_signing_key(tx, key)
    keyfiles.write(signing_key, key.pem())
    async with db.begin(audited=False) as tx:
        await store.signing_keys.lock(tx)
        await store.signing_keys.replace_by(tx, key.public)
    return [f"{signing_key} has a new key; the old one is published until its last token has run out"]


async def _ensure_account(tx: Transaction, wanted: Wanted, path: Path) -> bool:
    account = Account(uuid7(utcnow()), wanted.name, wanted.kind, wanted.role_name, tx.now, tx.now)
    account, is_new = await store.accounts.ensure(tx, account)
    if is_new:
        await outbox.add(
            tx,
            action="SERVICE_ACCOUNT_CREATED",
            actor=_ACTOR,
            entity=("service_account", account.id),
            new=account.facts(),
        )
    held = keyfiles.read(path)
    if held is not None and await _works(tx, held, account):
        return False
    for lost in await store.keys.lock_working_of_account(tx, account.id, FILE_KEY):
        revoked = await store.keys.revoke(tx, lost)
        await outbox.add(
            tx,
            action="API_KEY_REVOKED",
            actor=_ACTOR,
            entity=("api_key", lost.id),
            old=lost.facts(),
            new=revoked.facts(),
        )
    secret = api_keys.generate(secrets.token_bytes(api_keys.RANDOM_BYTES))
    key = ApiKey(
        id=uuid7(tx.now),
        lookup=api_keys.lookup_of(secret) or "",
        digest=api_keys.digest(secret),
        name=FILE_KEY,
        user_id=None,
        account_id=account.id,
        role_name=account.role_name,
        created_at=tx.now,
    )
    await store.keys.add(tx, key)
    await outbox.add(tx, action="API_KEY_CREATED", actor=_ACTOR, entity=("api_key", key.id), new=key.facts())
    # Before the commit, under the account's lock: were the commit to fail, the next run finds a key that does not
    # work and replaces it.
    keyfiles.write(path, secret + "\n")
    return True


async def _works(tx: Transaction, secret: str, account: Account) -> bool:
    lookup = api_keys.lookup_of(secret)
    found = await store.keys.find_by_lookup(tx, lookup) if lookup else None
    return (
        found is not None
        and found.key.account_id == account.id
        and api_keys.matches(secret, found.key.digest)
        and found.key.works(tx.now)
    )


async def _ensure_signing_key(tx: Transaction, path: Path) -> bool:
    await store.signing_keys.lock(tx)
    is_new = keyfiles.read(path) is None
    key = SigningKey.generate() if is_new else load(path)
    if not is_new and await store.signing_keys.is_current(tx, key.public.kid):
        return False
    await store.signing_keys.replace_by(tx, key.public)
    await _note_signing_key(tx, key)
    if is_new:
        keyfiles.write(path, key.pem())
    return True


async def _note_signing_key(tx: Transaction, key: SigningKey) -> None:
    await outbox.add(
        tx,
        action="SIGNING_KEY_CHANGED",
        actor=_ACTOR,
        entity=("signing_key", key.public.kid),
        new={"kid": key.public.kid},
    )
