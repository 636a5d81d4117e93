"""`python -m engine` serves; `migrate` brings the database up to date; `rotate` adds a version to the master key."""

import os
import sys

import uvloop

import chassis.server
from chassis import config, migrations, vault
from chassis.authentication import RemoteAuthenticator
from chassis.client import channel
from chassis.failpoints import FailpointError
from engine import failpoints
from engine.artifacts import PlaceError
from engine.config import EngineConfig, MigrateConfig
from engine.service import Peers, build


async def serve(settings: EngineConfig) -> None:
    """Serves until SIGTERM."""

    def peer(name: str, address: config.Address) -> chassis.client.ServiceChannel:
        return channel(address, peer=name, key_file=settings.key_file, tls_dir=settings.tls_dir)

    peers = Peers(
        registry=peer("registry", settings.registry_address),
        identity=peer("identity", settings.identity_address),
        audit=peer("audit", settings.audit_address),
    )
    service = build(settings, peers, RemoteAuthenticator(peers.identity))
    await service.server.run()


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    try:
        match arguments:
            case []:
                settings = config.load(EngineConfig)
                failpoints.arm(os.environ)
                chassis.server.main(
                    "engine", settings, lambda: serve(settings), loop_factory=uvloop.new_event_loop
                )
            case ["migrate"]:
                migrations.upgrade(config.load(MigrateConfig).database_url, "engine")
            case ["rotate"]:
                version = vault.rotate(config.load(EngineConfig).master_key)
                sys.stdout.write(
                    f"the master key has version {version}; running services take it up in a minute\n"
                )
            case _:
                sys.stderr.write("usage: python -m engine [migrate | rotate]\n")
                return 2
    except (config.ConfigError, FailpointError, vault.MasterKeyError, PlaceError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
