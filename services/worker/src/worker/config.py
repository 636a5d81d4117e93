"""The worker's configuration."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chassis.addresses import Guard, covers_loopback, networks
from chassis.config import Address, log_level_setting, profile_setting, setting


@dataclass(frozen=True, slots=True)
class Place:
    """Where steps run: the pool, its labels, and the processors and bytes of memory there are for them."""

    pool: str
    labels: tuple[str, ...]
    cpus: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Read from the environment, once, in `__main__`."""

    home: Path = setting("MCPANEL_HOME", default=".mcpanel", help="the folder for local state")
    key_file: Path | None = setting("MCPANEL_KEY_FILE", default="", help="the file with the worker's API key")
    engine_address: Address = setting(
        "MCPANEL_ENGINE_ADDRESS", default="127.0.0.1:50052", help="host:port of the engine, or of the edge"
    )
    datasources_address: Address = setting(
        "MCPANEL_DATASOURCES_ADDRESS",
        default="127.0.0.1:50053",
        help="host:port of datasources, or of the edge",
    )
    metrics_listen: Address | None = setting(
        "MCPANEL_METRICS_LISTEN", default="", help="host:port for Prometheus, empty for none"
    )
    tls_dir: Path | None = setting(
        "MCPANEL_TLS_DIR",
        default="",
        help="the folder with ca.crt, tls.crt and tls.key; with it processes speak mutual TLS only",
    )
    profile: Literal["local", "production"] = profile_setting()
    log_level: str = log_level_setting()
    log_format: str = setting("MCPANEL_LOG_FORMAT", default="json", help="json or console")
    slots: int = setting(
        "MCPANEL_WORKER_SLOTS", default="0", help="attempts at once; 0: two for each processor"
    )
    idle_cells: int = setting(
        "MCPANEL_WORKER_IDLE_CELLS",
        default="0",
        help="cells kept for the components used last; 0: two for each slot",
    )
    memory_mib: int = setting(
        "MCPANEL_STEP_MEMORY_MIB", default="1024", help="the most memory one step may use, in MiB"
    )
    pool: str = setting(
        "MCPANEL_WORKER_POOL", default="", help="the pool whose steps it runs, empty for the common one"
    )
    labels: str = setting(
        "MCPANEL_WORKER_LABELS", default="", help="what steps can ask for, separated by commas"
    )
    cpus: float = setting(
        "MCPANEL_WORKER_CPUS", default="0", help="processors for steps that ask for some; 0: those there are"
    )
    memory_total_mib: int = setting(
        "MCPANEL_WORKER_MEMORY_MIB",
        default="0",
        help="memory for steps that ask for some, in MiB; 0: what the machine has",
    )
    environments_mib: int = setting(
        "MCPANEL_WORKER_ENVIRONMENTS_MIB",
        default="10240",
        help="the most that installed packages take on the disk, in MiB; those used least recently go first",
    )
    drain_seconds: float = setting(
        "MCPANEL_WORKER_DRAIN_SECONDS", default="10", help="how long running steps may go on after SIGTERM"
    )
    isolation: Literal["cell", "limits"] = setting(
        "MCPANEL_ISOLATION",
        default="cell",
        help="cell, or limits where the machine has no user namespaces",
        unsafe=lambda level: (
            "steps would run beside the worker's own files and network; use cell" if level == "limits" else ""
        ),
    )

    networks: tuple[str, ...] = setting(
        "MCPANEL_WORKER_NETWORKS",
        default="",
        help="private networks that components may reach when they declare a host there, as CIDRs, e.g. 10.20.0.0/16",
        unsafe=lambda allowed: (
            "whoever makes a component would reach what listens on this very machine"
            if any(map(covers_loopback, allowed))
            else ""
        ),
    )

    @property
    def guard(self) -> Guard:
        """The judge of the addresses of the hosts that components reach. Raises ConfigError naming what is no CIDR."""
        setting_name = "MCPANEL_WORKER_NETWORKS"
        return Guard(networks(self.networks, setting_name), setting=setting_name)

    @property
    def slot_count(self) -> int:
        """How many attempts run at once. Two keep a processor busy while results are recorded and successors sent."""
        return self.slots or 2 * len(os.sched_getaffinity(0))

    @property
    def place(self) -> Place:
        """What it tells the engine about where its steps run."""
        return Place(
            self.pool,
            tuple(sorted({one.strip() for one in self.labels.split(",") if one.strip()})),
            self.cpus or float(len(os.sched_getaffinity(0))),
            self.memory_total_mib * 2**20 or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        )

    @property
    def idle_limit(self) -> int:
        """How many bound cells wait for their next attempt."""
        return self.idle_cells or 2 * self.slot_count
