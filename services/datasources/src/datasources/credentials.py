"""The secrets that connections are made with: opened for a use, which the action log has before it happens."""

from dataclasses import dataclass
from typing import Final

from chassis import logs, outbox
from chassis.database import Database
from chassis.vault import SealBroken, Sealed, Vault
from datasources.connectors import failures
from datasources.domain import DataSource
from datasources.references import References

_USED: Final = "SECRET_USED"


@dataclass(frozen=True, slots=True)
class Stored:
    """A data source and its encrypted secret, as the database holds them."""

    source: DataSource
    sealed: Sealed | None


class Credentials:
    """Opens secrets. May not be asked while a transaction is open."""

    def __init__(self, db: Database, references: References, vault: Vault) -> None:
        self._db = db
        self._references = references
        self._vault = vault

    async def use(self, stored: Stored) -> str:
        """The data source's secret for one connection, or an empty text where it has none.

        That it is used, to where and for whom, is recorded first; without that nobody gets it. Raises what
        `References.read` raises, Precondition CONNECTION_FAILED and what the database raises.
        """
        source = stored.source
        if source.secret_ref:
            secret = self._references.read(source.secret_ref)
        elif stored.sealed is not None:
            secret = self._open(source.id, stored.sealed)
        else:
            return ""
        logs.masker.add(secret)
        details = {
            "data_source": source.name,
            "secret_ref": source.secret_ref,
            "host": source.host,
            "port": source.port,
            "username": source.username,
        }
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await outbox.note(tx, _USED, entity=("data_source", source.id), details=details)
        return secret

    def _open(self, data_source_id: str, sealed: Sealed) -> str:
        try:
            return self._vault.open(data_source_id, sealed)
        except SealBroken:
            raise failures.connection_failed(
                "the stored secret does not open with this service's master key; set it again"
            ) from None
