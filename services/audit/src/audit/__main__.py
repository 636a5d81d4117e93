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
from audit.archiving import Archive, Archivist, SegmentBroken
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
_TAKES: Final = {
    "migrate": "nothing more",
    "key": "FILE, the path of audit.signing.key",
    "rotate": "FILE, the path of audit.signing.key, and DAYS",
    "archive": "PLACE, a folder or a bucket (s3://...), and DAYS: what is older goes there",
}


class _Misused(Exception):
    """The arguments are none; the message says why."""


def _days(text: str, least: int) -> timedelta:
    """So many days. Raises _Misused."""
    if text.isascii() and text.isdigit() and least <= int(text[:9]) <= _MOST_DAYS and len(text) < 9:
        return timedelta(days=int(text))
    raise _Misused(f"DAYS has to be a whole number from {least} to {_MOST_DAYS}, not {text!r}")


def _misuse(command: str) -> str:
    if command in _TAKES:
        return f"{command} takes {_TAKES[command]}"
    return f"there is no command {command!r}"


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

    Raises PlaceInvalid for a witness or an archive that is none, and ConfigError.
    """
    witnesses = places(config.witness, config.origin, config.home / "witness")

    async def report(fits: bool) -> None:
        await server.report(serving=fits)

    keeper = Keeper(db, lambda: signing().verifier, witnesses, report)
    archiving = [] if not config.archive else [_archivist(config, db, signing).run]
    servicer = AuditServicer(db, signing, keeper, Watches(db, pace))
    server = Server(
        config,
        [(audit_pb2_grpc.add_AuditServiceServicer_to_server, servicer)],
        authenticator=authenticator,
        db=db,
        audit=audit,
        background=[keeper.run, *archiving],
        on_stop=[keeper.close],
        migrations_package="audit",
    )
    return server


def _archivist(config: Config, db: Database, signing: Signing) -> Archivist:
    from audit.witness.shelf import Shelf  # noqa: PLC0415  # brings what only this needs

    if not 0 < config.keep_days <= _MOST_DAYS:
        raise ConfigError(
            [f"MCPANEL_AUDIT_KEEP_DAYS {config.keep_days} is invalid: expected 1 to {_MOST_DAYS}"]
        )
    return Archivist(db, signing, Shelf(config.archive, config.origin), timedelta(days=config.keep_days))


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
            case ["rotate", file, days]:
                overlap = _days(days, 0)
                sys.stdout.write(f"{keys.rotate(Path(file), datetime.now(UTC), overlap).verifier}\n")
            case ["archive", place, days]:
                age = _days(days, 1)
                asyncio.run(archive(load(Config), place, age))
            case _:
                raise _Misused(_misuse(arguments[0]))
    except _Misused as error:
        sys.stderr.write(f"{_USAGE}error: {error}\n")
        return 2
    except (ConfigError, keys.KeyFileError, PlaceInvalid, PlaceUnreachable, SegmentBroken) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
