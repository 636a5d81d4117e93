"""`python -m datasources` serves; `migrate` migrates the database; `rotate` adds a version to the master key."""

import os
import sys

import chassis.server
from chassis import client, config, migrations, vault
from chassis.authentication import RemoteAuthenticator
from datasources.config import AUDIENCES, Config
from datasources.connectors.postgresql import forget_client_settings
from datasources.service import build


async def serve(settings: Config) -> None:
    """Serves until SIGTERM."""
    identity = client.channel(
        settings.identity_address, key_file=settings.key_file, peer="identity", tls_dir=settings.tls_dir
    )
    audit = client.channel(
        settings.audit_address, key_file=settings.key_file, peer="audit", tls_dir=settings.tls_dir
    )
    try:
        authenticator = RemoteAuthenticator(identity, audiences=AUDIENCES)
        await build(settings, authenticator, identity, audit).server.run()
    finally:
        await identity.close()
        await audit.close()


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    try:
        settings = config.load(Config)
        match arguments:
            case []:
                forget_client_settings(os.environ)
                chassis.server.main("datasources", settings, lambda: serve(settings))
            case ["migrate"]:
                migrations.upgrade(settings.database_url, "datasources")
            case ["rotate"]:
                version = vault.rotate(settings.master_key)
                sys.stdout.write(
                    f"the master key has version {version}; running services take it up in a minute\n"
                )
            case _:
                sys.stderr.write("usage: python -m datasources [migrate | rotate]\n")
                return 2
    except (config.ConfigError, migrations.RevisionError, vault.MasterKeyError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
