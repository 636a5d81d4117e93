"""Many runs at once."""

from typing import Final

from chassis import filtering, outbox
from chassis.errors import ServiceError
from engine import failpoints
from engine.api.common import Context
from engine.api.starts import Starts
from engine.reruns import Rerun
from engine.state import CancelRequested
from engine.store import hot
from engine.store import runs as store
from mcpanel.engine.v1 import engine_pb2

_MOST_CANCELLED: Final = 1000
_MOST_RERUN: Final = 100


class Bulk(Starts):
    """Calls about every run that fits a filter."""

    async def CancelRuns(
        self, request: engine_pb2.CancelRunsRequest, context: Context
    ) -> engine_pb2.CancelRunsResponse:
        wanted = filtering.parse(request.filter)
        units = []
        who = await self.reader()
        async with self.db.begin() as tx:
            ids = await store.live_ids(tx, wanted, who, _MOST_CANCELLED + 1)
            chosen = sorted(ids[:_MOST_CANCELLED])
            if chosen and not request.validate_only:
                for run_id in chosen:
                    unit = await self.dispatcher.locked(tx, run_id)
                    unit.apply(CancelRequested(request.reason))
                    units.append(unit)
                await hot.run(await tx.raw(), self.dispatcher.commands(*units))
                for unit in units:
                    await outbox.add(
                        tx,
                        entity=("run", unit.info.id),
                        old={"status": unit.old.status.value},
                        new={"status": unit.state.status.value},
                        details={"filter": request.filter},
                    )
            answer = tx.reply(
                engine_pb2.CancelRunsResponse(run_ids=chosen, has_more=len(ids) > _MOST_CANCELLED)
            )
            failpoints.reach("cancel_many.before")
        failpoints.reach("cancel_many.after")
        for unit in units:
            self.dispatcher.committed(unit)
        return answer

    async def RerunRuns(
        self, request: engine_pb2.RerunRunsRequest, context: Context
    ) -> engine_pb2.RerunRunsResponse:
        wanted = filtering.parse(request.filter)
        who = await self.reader()
        async with self.db.read() as tx:
            ids = await store.repeatable_ids(tx, wanted, who, _MOST_RERUN + 1)
        wishes, found = [], []
        for run_id in ids[:_MOST_RERUN]:
            rerun = engine_pb2.RerunRunsResponse.Rerun(run_id=run_id)
            found.append(rerun)
            if request.validate_only:
                continue
            try:
                wishes.append((rerun, await self.rerun_wish(Rerun(run_id, from_start=request.from_start))))
            except ServiceError as error:
                rerun.error = error.message
        starts = []
        try:
            async with self.db.begin() as tx:
                for rerun, wish in wishes:
                    try:
                        started = await self.starter.add(tx, wish)
                    except ServiceError as error:
                        rerun.error = error.message
                        continue
                    starts.append(started)
                    rerun.new_run_id = started.units[0].info.id
                answer = tx.reply(engine_pb2.RerunRunsResponse(reruns=found, has_more=len(ids) > _MOST_RERUN))
                failpoints.reach("rerun_many.before")
        except BaseException:
            for started in starts:
                self.starter.abandoned(started)
            raise
        failpoints.reach("rerun_many.after")
        for started in starts:
            self.starter.committed(started)
        return answer
