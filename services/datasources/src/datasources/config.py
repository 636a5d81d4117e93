"""What this service reads from its environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chassis.addresses import Network, covers_loopback, networks
from chassis.config import Address, DatabaseConfig, setting

AUDIENCES: Final = ("mcpanel", "datasources")
"""Tokens for the whole suite, and a run's tokens for its data sources only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(DatabaseConfig):
    """The datasources service's configuration."""

    listen: Address = setting("MCPANEL_LISTEN", default="127.0.0.1:50053", help="host:port to serve gRPC on")
    metrics_listen: Address | None = setting(
        "MCPANEL_METRICS_LISTEN", default="127.0.0.1:9103", help="host:port for Prometheus, empty for none"
    )
    keys_dir: Path | None = setting(
        "MCPANEL_KEYS_DIR",
        default="",
        help="the folder of datasources.master.key; default: keys under MCPANEL_HOME",
    )
    secrets_dir: Path | None = setting(
        "MCPANEL_SECRETS_DIR", default="", help="the folder that `file:` secret references may name"
    )
    allowed_networks: tuple[str, ...] = setting(
        "MCPANEL_ALLOWED_NETWORKS",
        default="",
        help="private networks that data sources may be in, as CIDRs with commas between, e.g. 127.0.0.0/8",
        unsafe=lambda allowed: (
            "whoever makes a data source would reach what listens on this very machine"
            if any(map(covers_loopback, allowed))
            else ""
        ),
    )
    tls_roots: Path | None = setting(
        "MCPANEL_TLS_ROOTS",
        default="",
        help="a PEM file of authorities that databases' certificates are verified by; default: the system's",
    )
    pool_size: int = setting(
        "MCPANEL_POOL_SIZE", default="4", help="the most connections to one data source at once"
    )
    pool_wait: float = setting(
        "MCPANEL_POOL_WAIT", default="10", help="how many seconds a query waits for a free connection"
    )
    pool_total: int = setting(
        "MCPANEL_POOL_TOTAL", default="32", help="the most connections to all data sources at once"
    )

    @property
    def master_key(self) -> Path:
        """The file of the master key."""
        return (self.keys_dir or self.home / "keys") / "datasources.master.key"

    @property
    def networks(self) -> tuple[Network, ...]:
        """The allowed networks. Raises ConfigError naming each that is none."""
        return networks(self.allowed_networks, "MCPANEL_ALLOWED_NETWORKS")
