"""`python -m registry` serves; `python -m registry migrate` brings the database up to date."""

import sys

import chassis.server
from chassis import config, migrations
from registry.config import RegistryConfig
from registry.service import build


async def serve(settings: RegistryConfig) -> None:
    """Serves until SIGTERM."""
    await build(settings).run()


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    try:
        match arguments:
            case []:
                settings = config.load(RegistryConfig)
                chassis.server.main("registry", settings, lambda: serve(settings))
            case ["migrate"]:
                migrations.upgrade(config.load(RegistryConfig).database_url, "registry")
            case _:
                sys.stderr.write("usage: python -m registry [migrate]\n")
                return 2
    except config.ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
