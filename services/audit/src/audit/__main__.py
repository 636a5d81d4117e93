"""`python -m audit` serves; `… migrate` migrates the database; `… key FILE` prints the keys to pin, the newest first;
`… rotate FILE [DAYS]` puts a new key before them, beside which the one before signs for so many days more;
`… archive PLACE DAYS` takes entries that are older out of the database and into files.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from audit import keys
from audit.api import AuditServicer
from audit.archiving import Archive, SegmentBroken
from audit.config import Config
from audit.keys import Signing
from audit.tables import metadata
from audit.watching import Pace, Watches
from audit.witness import Keeper, PlaceInvalid, PlaceUnreachable, places
from chassis import migrations
from chassis.authentication import Authenticator, RemoteAuthenticator
from chassis.client import ServiceChannel, channel
from chassis.config import ConfigError, load
from chassis.database import Database
from chassis.server import Server, main
from mcpanel.audit.v1 import audit_pb2_grpc

_MOST_DAYS: Final = 3650
_USAGE: Final = (
    "usage: python -m audit [migrate | key FILE | rotate FILE [DAYS, 30 unless given] | archive PLACE DAYS]\n"
)


async def serve(config: Config, signing: Signing) -> None:
    """Serves until it is told to stop."""
    identity = channel(
        config.identity_address, key_file=config.key_file, peer="identity", tls_dir=config.tls_dir
    )
    itself = channel(config.audit_address, key_file=config.key_file, peer="audit", tls_dir=config.tls_dir)
    db = Database(config.database_url, metadata, name="audit")
    server = build(config, db, signing, RemoteAuthenticator(identity), itself)
    try:
        await server.run()
    finally:
        await itself.close()
        await identity.close()
        await db.close()


async def archive(config: Config, place: str, age: timedelta) -> None:
    """Archives what is older than `age` and prints each segment. Raises as `Shelf` and `Archive.run` do."""
    from audit.witness.shelf import Shelf  # noqa: PLC0415  # brings what only this needs

    signer = keys.load_or_create(config.keys, config.origin)()
    db = Database(config.database_url, metadata, name="audit archive")
    try:
        shelf = Shelf(place, config.origin)
        async for segment in Archive(db, signer, shelf).run(datetime.now(UTC) - age):
            sys.stdout.write(f"{segment.place} {segment.first}-{segment.end - 1} {segment.sha256.hex()}\n")
    finally:
        await db.close()


def build(
    config: Config,
    db: Database,
    signing: Signing,
    authenticator: Authenticator,
    audit: ServiceChannel | None,
    *,
    pace: Pace | None = None,
) -> Server:
    """The service's server. `audit` is a channel to itself: its own refusals take everybody's way into the log.

    Raises PlaceInvalid for a witness that is none.
    """
    witnesses = places(config.witness, config.origin, config.home / "witness")

    async def report(fits: bool) -> None:
        await server.report(serving=fits)

    keeper = Keeper(db, lambda: signing().verifier, witnesses, report)
    servicer = AuditServicer(db, signing, keeper, Watches(db, pace))
    server = Server(
        config,
        [(audit_pb2_grpc.add_AuditServiceServicer_to_server, servicer)],
        authenticator=authenticator,
        db=db,
        audit=audit,
        background=[keeper.run],
        on_stop=[keeper.close],
        migrations_package="audit",
    )
    return server


def run(arguments: list[str]) -> int:
    """Serves, migrates or prints the public half of a signing key; returns the exit code."""
    try:
        match arguments:
            case []:
                config = load(Config)
                signing = keys.load_or_create(config.keys, config.origin)
                main("audit", config, lambda: serve(config, signing))
            case ["migrate"]:
                migrations.upgrade(load(Config).database_url, "audit")
            case ["key", file]:
                sys.stdout.writelines(f"{key}\n" for key in keys.read(Path(file)).verifier.keys)
            case ["rotate", file]:
                sys.stdout.write(f"{keys.rotate(Path(file), datetime.now(UTC)).verifier}\n")
            case ["rotate", file, days] if days.isascii() and days.isdigit() and int(days) <= _MOST_DAYS:
                overlap = timedelta(days=int(days))
                sys.stdout.write(f"{keys.rotate(Path(file), datetime.now(UTC), overlap).verifier}\n")
            case ["archive", place, days] if (
                days.isascii() and days.isdigit() and 0 < int(days) <= _MOST_DAYS
            ):
                asyncio.run(archive(load(Config), place, timedelta(days=int(days))))
            case _:
                sys.stderr.write(_USAGE)
                return 2
    except (ConfigError, keys.KeyFileError, PlaceInvalid, PlaceUnreachable, SegmentBroken) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
