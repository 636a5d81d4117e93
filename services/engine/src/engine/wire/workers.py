"""Workers as the contract shows them."""

from engine.records import SeenWorker
from engine.wire.events import timestamp
from mcpanel.engine.v1 import engine_pb2


def worker(seen: SeenWorker) -> engine_pb2.Worker:
    """A worker."""
    known = seen.worker
    return engine_pb2.Worker(
        id=known.id,
        host=known.host,
        pool=known.pool,
        labels=sorted(known.labels),
        types=known.kinds,
        slots=known.slots,
        busy=seen.busy,
        cpus=known.cpus,
        memory_bytes=known.memory_bytes,
        isolation=known.isolation,
        version=known.version,
        engine_version=seen.engine_version,
        connected_at=timestamp(seen.connected_at),
        last_seen_at=timestamp(seen.last_seen_at),
        alive=seen.alive,
        drained=known.drained,
        leaving=known.draining,
    )
