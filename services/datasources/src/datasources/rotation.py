"""After the master key got a new version, every secret's key is wrapped with it, a few at a time."""

import asyncio
import logging
from typing import Final

from chassis.database import Database
from chassis.vault import SealBroken, Vault
from datasources import store

log = logging.getLogger(__name__)

_BATCH: Final = 100
_SECONDS: Final = 60.0


class Rotation:
    """Wraps the keys of secrets with the newest version of the master key. `run()` is a background task."""

    def __init__(self, db: Database, vault: Vault) -> None:
        self._db = db
        self._vault = vault

    async def run(self) -> None:
        """Looks every minute, for ever."""
        while True:
            self._vault.reload()
            while await self.rewrap():
                pass
            await asyncio.sleep(_SECONDS)

    async def rewrap(self) -> int:
        """Wraps one batch; returns how many were wrapped."""
        async with self._db.begin(idempotent=False, audited=False) as tx:
            done = 0
            for data_source_id, sealed in await store.secrets_below(tx, self._vault.key_version, _BATCH):
                try:
                    rewrapped = self._vault.rewrap(data_source_id, sealed)
                except SealBroken:
                    log.error("a secret does not open", extra={"data_source_id": data_source_id})
                    continue
                await store.rewrap_secret(tx, data_source_id, rewrapped)
                done += 1
        if done:
            log.info("secrets were wrapped anew", extra={"count": done, "version": self._vault.key_version})
        return done
