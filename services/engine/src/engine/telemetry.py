"""What the engine measures of itself, besides what every service does."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from chassis.telemetry import BUCKETS, once

COMMIT_SECONDS: Final[Histogram] = once(
    "mcp_engine_commit_seconds",
    lambda: Histogram(
        "mcp_engine_commit_seconds", "Seconds of a transaction of the committer.", buckets=BUCKETS
    ),
)
COMMIT_ITEMS: Final[Histogram] = once(
    "mcp_engine_commit_items",
    lambda: Histogram(
        "mcp_engine_commit_items",
        "What was applied in one transaction.",
        buckets=(0, 1, 2, 4, 8, 16, 32, 64, 128, 256),
    ),
)
WAITING: Final[Gauge] = once(
    "mcp_engine_waiting",
    lambda: Gauge("mcp_engine_waiting", "Results, lines and other items not yet applied."),
)
BACKLOG: Final[Gauge] = once(
    "mcp_engine_backlog",
    lambda: Gauge("mcp_engine_backlog", "READY steps known here that wait for a free slot."),
)
WORKERS: Final[Gauge] = once(
    "mcp_engine_workers", lambda: Gauge("mcp_engine_workers", "Workers connected to this process.")
)
RUNS_ENDED: Final[Counter] = once(
    "mcp_engine_runs_ended", lambda: Counter("mcp_engine_runs_ended", "Runs that ended here.", ("status",))
)
ATTEMPTS_ENDED: Final[Counter] = once(
    "mcp_engine_attempts_ended",
    lambda: Counter(
        "mcp_engine_attempts_ended", "Attempts whose outcome was recorded here.", ("status", "kind")
    ),
)
