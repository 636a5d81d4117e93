"""How many runs there are, and how they went."""

from datetime import timedelta
from typing import Final

from chassis import filtering
from chassis.errors import Invalid
from engine import counting
from engine.api.common import Base, Context
from engine.store import counts as store
from engine.wire import counts as wire
from mcpanel.engine.v1 import engine_pb2

_WINDOW: Final = timedelta(days=7)
_MOST_SCANNED: Final = 200_000
_MOST_WORKFLOWS: Final = 1000


class Counts(Base):
    """Calls about runs in numbers."""

    async def CountRuns(
        self, request: engine_pb2.CountRunsRequest, context: Context
    ) -> engine_pb2.CountRunsResponse:
        wanted = filtering.parse(request.filter)
        window = request.window.ToTimedelta() if request.HasField("window") else _WINDOW
        who = await self.reader()
        async with self.db.read() as tx:
            since = store.beginning(tx.now, window)
            if store.is_counted(wanted):
                counts = await store.counted(tx, wanted, who, since)
            else:
                found = await store.scanned(tx, wanted, who, since, _MOST_SCANNED)
                if found is None:
                    raise Invalid(
                        "FILTER_TOO_BROAD",
                        f"more than {_MOST_SCANNED} runs fit the filter; narrow it, e.g. by created_at, or filter by "
                        "status, workflow_id and workflow_name alone, which takes any number",
                    )
                counts = found
            total, by_workflow = counting.summed(counts)
            largest = sorted(by_workflow.items(), key=lambda one: (-one[1].total, one[0]))[:_MOST_WORKFLOWS]
            shown = largest if request.by_workflow else []
            names = await store.newest_names(tx, [id_ for id_, _ in shown]) if shown else {}
        return wire.response(total, shown, names, since)
