"""Schedules."""

from collections.abc import Mapping
from typing import Any

from chassis import filtering, outbox, paging
from chassis.errors import ServiceError
from chassis.ids import uuid7
from engine import failpoints, standing
from engine.api.common import Base, Context, may_change, mine
from engine.api.starts import shown
from engine.firing import last_fire
from engine.schedules import KIND, TARGET, Schedule, change, checked, pause, refuse_past_end
from engine.store import schedules as store
from engine.wire import schedules as wire
from mcpanel.engine.v1 import schedule_pb2 as pb


class Schedules(Base):
    """What starts runs by the clock."""

    async def CreateSchedule(
        self, request: pb.CreateScheduleRequest, context: Context
    ) -> pb.CreateScheduleResponse:
        message, sent = request.schedule, wire.sent(request.schedule)
        standing.required(KIND, name=message.name, workflow=message.workflow)
        values = {name: value for of_field in sent.values() for name, value in of_field.items()}
        values |= await self.target(message.workflow, values["workflow_version"], values["inputs"])
        async with self.db.begin() as tx:
            new = checked(
                Schedule(
                    id=uuid7(tx.now),
                    name=message.name,
                    paused=message.paused,
                    revision=1,
                    last=None,
                    created_at=tx.now,
                    updated_at=tx.now,
                    **mine(),
                    **values,
                )
            ).planned(tx.now)
            refuse_past_end(new, tx.now)
            if not await store.insert_new(tx, new):
                raise standing.name_taken(KIND, new.name)
            await outbox.add(tx, entity=(KIND, new.id), new=new.facts())
            return tx.reply(pb.CreateScheduleResponse(schedule=wire.schedule(new, new.upcoming(tx.now))))

    async def GetSchedule(self, request: pb.GetScheduleRequest, context: Context) -> pb.GetScheduleResponse:
        who = await self.reader()
        async with self.db.read() as tx:
            found = await store.get(tx, request.schedule_id, who)
        return pb.GetScheduleResponse(schedule=wire.schedule(found, found.upcoming(tx.now)))

    async def ListSchedules(
        self, request: pb.ListSchedulesRequest, context: Context
    ) -> pb.ListSchedulesResponse:
        page = paging.parse(request, bound=request.filter)
        wanted = filtering.parse(request.filter)
        who = await self.reader()
        async with self.db.read() as tx:
            rows = await store.page_after(tx, wanted, who, page.after, page.limit)
        found, token = page.cut(rows, key=lambda one: (one.id,))
        schedules = [wire.schedule(one, one.upcoming(tx.now)) for one in found]
        return pb.ListSchedulesResponse(schedules=schedules, next_page_token=token)

    async def UpdateSchedule(
        self, request: pb.UpdateScheduleRequest, context: Context
    ) -> pb.UpdateScheduleResponse:
        fields, sent = wire.fields(request), wire.sent(request.schedule)
        if TARGET & set(fields):
            sent["workflow"] = await self._schedule_target(request, fields, sent)
            fields = {*fields, "workflow"}
        who = await self.reader()
        async with self.db.begin() as tx:
            old = await store.get(tx, request.schedule_id, who, lock=True)
            may_change(old, KIND, request.schedule.etag)
            old.check_name(request.schedule.name, KIND)
            new = change(old, sent, fields, tx.now)
            if new != old:
                await store.save(tx, new)
                await outbox.add(tx, entity=(KIND, old.id), old=old.facts(), new=new.facts())
            return tx.reply(pb.UpdateScheduleResponse(schedule=wire.schedule(new, new.upcoming(tx.now))))

    async def _schedule_target(
        self, request: pb.UpdateScheduleRequest, fields: Any, sent: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Any]:
        """What the changed schedule is to start, as far as the registry and the inputs allow."""
        who = await self.reader()
        async with self.db.read() as tx:
            old = await store.get(tx, request.schedule_id, who)
        workflow = request.schedule.workflow if "workflow" in fields else old.workflow_id
        version = request.schedule.workflow_version if "workflow_version" in fields else old.workflow_version
        inputs = sent["inputs"]["inputs"] if "inputs" in fields else old.inputs
        return await self.target(workflow or old.workflow_id, version, inputs)

    async def DeleteSchedule(
        self, request: pb.DeleteScheduleRequest, context: Context
    ) -> pb.DeleteScheduleResponse:
        who = await self.reader()
        async with self.db.begin() as tx:
            old = await store.get(tx, request.schedule_id, who, lock=True)
            may_change(old, KIND, request.etag)
            await store.remove(tx, old)
            await outbox.add(tx, entity=(KIND, old.id), old=old.facts())
            return tx.reply(pb.DeleteScheduleResponse())

    async def PauseSchedule(
        self, request: pb.PauseScheduleRequest, context: Context
    ) -> pb.PauseScheduleResponse:
        answer = pb.PauseScheduleResponse()
        await self._pause(request.schedule_id, answer, paused=True)
        return answer

    async def ResumeSchedule(
        self, request: pb.ResumeScheduleRequest, context: Context
    ) -> pb.ResumeScheduleResponse:
        answer = pb.ResumeScheduleResponse()
        await self._pause(request.schedule_id, answer, paused=False)
        return answer

    async def _pause(
        self, key: str, answer: pb.PauseScheduleResponse | pb.ResumeScheduleResponse, *, paused: bool
    ) -> None:
        who = await self.reader()
        async with self.db.begin() as tx:
            old = await store.get(tx, key, who, lock=True)
            may_change(old, KIND, "")
            new = pause(old, tx.now, paused=paused)
            if new != old:
                await store.save(tx, new)
            await outbox.add(tx, entity=(KIND, old.id), old={"paused": old.paused}, new={"paused": paused})
            answer.schedule.CopyFrom(wire.schedule(new, new.upcoming(tx.now)))
            tx.reply(answer)

    async def TriggerSchedule(
        self, request: pb.TriggerScheduleRequest, context: Context
    ) -> pb.TriggerScheduleResponse:
        who = await self.reader()
        async with self.db.read() as tx:
            schedule = await store.get(tx, request.schedule_id, who)
        may_change(schedule, KIND, "")
        try:
            manual = await self.firing.now(schedule, await self.owners.call(schedule.owner))
        except ServiceError:
            await self.repeated()
            raise
        try:
            async with self.db.begin() as tx:
                started = await manual.add(tx)
                run = shown(started)
                await store.note(tx, schedule.id, last_fire(tx.now, tx.now, run.id, ""))
                await outbox.add(tx, entity=(KIND, schedule.id), details={"run_id": run.id})
                answer = tx.reply(pb.TriggerScheduleResponse(run=run))
                failpoints.reach("start.before")
        except BaseException:
            manual.abandoned()
            raise
        manual.committed()
        return answer
