"""`python -m identity` serves; `migrate` brings the database up to date; `bootstrap` makes accounts and key files;
`rotate` replaces the signing key.
"""

import asyncio
import sys

import chassis.server
from chassis import client, config, migrations
from chassis.database import Database
from identity import bootstrap
from identity.config import IdentityConfig, KeysConfig
from identity.providers import ProvidersError
from identity.service import build
from identity.signing import SigningKeyError
from identity.tables import metadata


async def serve(settings: IdentityConfig) -> None:
    """Serves until SIGTERM."""
    audit = client.channel(
        settings.audit_address, key_file=settings.key_file, peer="audit", tls_dir=settings.tls_dir
    )
    service = build(settings, audit)
    try:
        await service.server.run()
    finally:
        await audit.close()


async def make_keys(settings: KeysConfig, *, rotate: bool = False) -> None:
    """Makes the service accounts and key files that are missing, and with `rotate` a new signing key; says which."""
    db = Database(settings.database_url, metadata, name="identity bootstrap")
    try:
        await migrations.require_head(db, "identity")
        for line in await bootstrap.run(db, settings.keys, settings.signing_key):
            sys.stdout.write(line + "\n")
        if rotate:
            for line in await bootstrap.rotate(db, settings.signing_key):
                sys.stdout.write(line + "\n")
    finally:
        await db.close()


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    try:
        match arguments:
            case []:
                settings = config.load(IdentityConfig)
                chassis.server.main("identity", settings, lambda: serve(settings))
            case ["migrate"]:
                migrations.upgrade(config.load(KeysConfig).database_url, "identity")
            case ["bootstrap"]:
                asyncio.run(make_keys(config.load(KeysConfig)))
            case ["rotate"]:
                asyncio.run(make_keys(config.load(KeysConfig), rotate=True))
            case _:
                sys.stderr.write("usage: python -m identity [migrate | bootstrap | rotate]\n")
                return 2
    except (config.ConfigError, migrations.RevisionError, SigningKeyError, ProvidersError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
