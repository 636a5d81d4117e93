"""What becomes of the keys that were made with a key when that one ends: none of them outlives it."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from chassis import outbox
from chassis.database import Transaction
from identity import store


async def revoke(tx: Transaction, key_ids: Collection[str]) -> int:
    """Revokes every key made with these, however far down, and records each; returns how many.

    The lineage is locked.
    """
    made = await store.keys.made_with(tx, key_ids)
    for key in made:
        revoked = await store.keys.revoke(tx, key)
        await outbox.add(
            tx,
            action="API_KEY_REVOKED",
            entity=("api_key", key.id),
            old=key.facts(),
            new=revoked.facts(),
        )
    return len(made)


async def shorten(tx: Transaction, key_id: str, ends: datetime) -> None:
    """Lets no key made with this one, however far down, go on after `ends`. The lineage is locked."""
    for key in await store.keys.made_with(tx, [key_id]):
        if key.expires_at is None or key.expires_at > ends:
            await store.keys.save(tx, replace(key, expires_at=ends))
