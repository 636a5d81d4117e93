"""What the worker measures."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

CONNECTED: Final = Gauge("mcp_worker_connected", "1 while the stream to the engine is open.")
ATTEMPTS: Final = Counter("mcp_worker_attempts", "Attempts ended.", ("outcome",))
RUNNING: Final = Gauge("mcp_worker_attempts_running", "Attempts running now.")
CELLS_TAKEN: Final = Counter("mcp_worker_cells_taken", "Cells taken for an attempt, ready or cold.", ("how",))
CELL_START: Final = Histogram(
    "mcp_worker_cell_start_seconds",
    "Seconds from the start of a cell until it is ready.",
    ("kind",),
    buckets=(0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.2, 2.5, 5.0),
)
