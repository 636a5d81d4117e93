"""What the engine reads from its environment."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from chassis.config import Address, BusConfig, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateConfig(BusConfig):
    """What `python -m engine migrate` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig(BusConfig):
    """What the service reads. Durations are in seconds."""

    listen: Address = setting("MCPANEL_LISTEN", default="127.0.0.1:50052", help="host:port to serve gRPC on")
    metrics_listen: Address | None = setting(
        "MCPANEL_METRICS_LISTEN", default="127.0.0.1:9102", help="host:port for Prometheus, empty for none"
    )
    registry_address: Address = setting(
        "MCPANEL_REGISTRY_ADDRESS", default="127.0.0.1:50051", help="host:port of the registry"
    )
    apps_origin: str = setting(
        "MCPANEL_APPS_ORIGIN",
        default="http://127.0.0.1:8081",
        help="where browsers reach apps, an origin of their own, such as https://apps.example.org",
    )
    artifacts_dir: Path | None = setting(
        "MCPANEL_ARTIFACTS_DIR",
        default="",
        help="the folder of artifacts; empty: artifacts under MCPANEL_HOME",
    )
    keys_dir: Path | None = setting(
        "MCPANEL_KEYS_DIR",
        default="",
        help="the folder of engine.master.key; default: keys under MCPANEL_HOME",
    )
    artifacts_url: str = setting(
        "MCPANEL_ARTIFACTS_URL",
        default="",
        help="where artifacts lie: file:///folder, s3://bucket/prefix, gs://… or az://…; empty: the folder",
    )
    max_output_mib: int = setting(
        "MCPANEL_MAX_OUTPUT_MIB", default=1024, help="the largest output of one step, in MiB of JSON"
    )
    retention_days: float = setting(
        "MCPANEL_RETENTION_DAYS",
        default=0.0,
        help="how long the events, steps and artifacts of a run are kept after its end, in days; 0: for ever",
    )
    active_runs_per_user: int = setting(
        "MCPANEL_ACTIVE_RUNS_PER_USER",
        default=0,
        help="how many runs of one user may be under way at once; 0: any number",
    )
    runs_per_user_and_hour: int = setting(
        "MCPANEL_RUNS_PER_USER_AND_HOUR",
        default=0,
        help="how many runs one user may start within an hour; 0: any number",
    )
    lease_seconds: float = setting(
        "MCPANEL_LEASE_SECONDS",
        default=15.0,
        help="how long a worker may be silent before its attempts go to others",
    )
    heartbeat_seconds: float = setting(
        "MCPANEL_HEARTBEAT_SECONDS",
        default=0.0,
        help="how often workers give a sign of life, at most a third of the lease; 0: a quarter of it",
    )
    poll_seconds: float = setting(
        "MCPANEL_POLL_SECONDS", default=1.0, help="how often what no message announced is looked for"
    )
    keep_alive_seconds: float = setting(
        "MCPANEL_KEEP_ALIVE_SECONDS", default=15.0, help="how long a watch may be silent"
    )

    @property
    def artifacts(self) -> Path:
        """The folder of artifacts."""
        return self.artifacts_dir or self.home / "artifacts"

    @property
    def master_key(self) -> Path:
        """The file of the master key, which encrypts the secrets of webhooks. Replicas share it."""
        return (self.keys_dir or self.home / "keys") / "engine.master.key"

    @property
    def heartbeat(self) -> timedelta:
        """How often workers give a sign of life: two of them may get lost before a lease ends."""
        return min(timedelta(seconds=self.heartbeat_seconds) or self.lease / 4, self.lease / 3)

    @property
    def lease(self) -> timedelta:
        """How long a lease lasts."""
        return timedelta(seconds=self.lease_seconds)
