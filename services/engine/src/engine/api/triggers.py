"""Triggers."""

from typing import Any

from chassis import filtering, outbox, paging
from chassis.context import current
from chassis.ids import uuid7
from engine import standing
from engine.api.common import Base, Context, may_change, mine
from engine.receiving import Message
from engine.store import triggers as store
from engine.triggers import KIND, Trigger, change, checked, not_a_webhook
from engine.wire import triggers as wire
from mcpanel.engine.v1 import trigger_pb2 as pb


class Triggers(Base):
    """What starts runs when something happens."""

    async def CreateTrigger(
        self, request: pb.CreateTriggerRequest, context: Context
    ) -> pb.CreateTriggerResponse:
        message, sent = request.trigger, wire.sent(request.trigger)
        standing.required(KIND, name=message.name, workflow=message.workflow)
        values = {name: value for of_field in sent.values() for name, value in of_field.items()}
        values |= await self.destination(message.workflow, values["workflow_version"])
        values |= await self._source(message)
        async with self.db.begin() as tx:
            new = checked(
                Trigger(
                    id=uuid7(tx.now),
                    name=message.name,
                    signature=wire.signature(message),
                    revision=1,
                    last=None,
                    created_at=tx.now,
                    updated_at=tx.now,
                    **mine(),
                    **values,
                )
            )
            secret = ""
            if new.is_webhook:
                secret, sealed = self.receiving.secret(new.id)
                new = new.with_secret(sealed)
            if not await store.insert_new(tx, new):
                raise standing.name_taken(KIND, new.name)
            await outbox.add(tx, entity=(KIND, new.id), new=new.facts())
            stored = pb.CreateTriggerResponse(trigger=wire.trigger(new))
            return tx.reply(pb.CreateTriggerResponse(trigger=stored.trigger, secret=secret), stored=stored)

    async def _source(self, message: pb.Trigger) -> dict[str, Any]:
        """Whose runs' ends count; nothing for a webhook."""
        if not message.HasField("run_end"):
            return {"source_statuses": ()}
        found = await self.workflow(message.run_end.workflow, 0)
        return {"source_workflow_id": found.workflow_id, "source_workflow_name": found.name}

    async def GetTrigger(self, request: pb.GetTriggerRequest, context: Context) -> pb.GetTriggerResponse:
        who = await self.reader()
        async with self.db.read() as tx:
            found = await store.get(tx, request.trigger_id, who)
        return pb.GetTriggerResponse(trigger=wire.trigger(found))

    async def ListTriggers(
        self, request: pb.ListTriggersRequest, context: Context
    ) -> pb.ListTriggersResponse:
        page = paging.parse(request, bound=request.filter)
        wanted = filtering.parse(request.filter)
        who = await self.reader()
        async with self.db.read() as tx:
            rows = await store.page_after(tx, wanted, who, page.after, page.limit)
        found, token = page.cut(rows, key=lambda one: (one.id,))
        return pb.ListTriggersResponse(triggers=[wire.trigger(one) for one in found], next_page_token=token)

    async def UpdateTrigger(
        self, request: pb.UpdateTriggerRequest, context: Context
    ) -> pb.UpdateTriggerResponse:
        fields, sent = wire.fields(request), wire.sent(request.trigger)
        if {"workflow", "workflow_version"} & set(fields):
            sent["workflow"] = await self._trigger_target(request, fields)
            fields = {*fields, "workflow"}
        if "run_end" in fields:
            sent["run_end"] |= await self._source(request.trigger)
        who = await self.reader()
        async with self.db.begin() as tx:
            old = await store.get(tx, request.trigger_id, who, lock=True)
            may_change(old, KIND, request.trigger.etag)
            old.check_name(request.trigger.name, KIND)
            new = change(old, sent, fields, tx.now)
            if new != old:
                await store.save(tx, new)
                await outbox.add(tx, entity=(KIND, old.id), old=old.facts(), new=new.facts())
            return tx.reply(pb.UpdateTriggerResponse(trigger=wire.trigger(new)))

    async def _trigger_target(self, request: pb.UpdateTriggerRequest, fields: Any) -> dict[str, Any]:
        who = await self.reader()
        async with self.db.read() as tx:
            old = await store.get(tx, request.trigger_id, who)
        workflow = request.trigger.workflow if "workflow" in fields else old.workflow_id
        version = request.trigger.workflow_version if "workflow_version" in fields else old.workflow_version
        return await self.destination(workflow or old.workflow_id, version)

    async def DeleteTrigger(
        self, request: pb.DeleteTriggerRequest, context: Context
    ) -> pb.DeleteTriggerResponse:
        who = await self.reader()
        async with self.db.begin() as tx:
            old = await store.get(tx, request.trigger_id, who, lock=True)
            may_change(old, KIND, request.etag)
            await store.remove(tx, old)
            await outbox.add(tx, entity=(KIND, old.id), old=old.facts())
            return tx.reply(pb.DeleteTriggerResponse())

    async def RotateTriggerSecret(
        self, request: pb.RotateTriggerSecretRequest, context: Context
    ) -> pb.RotateTriggerSecretResponse:
        who = await self.reader()
        async with self.db.begin() as tx:
            old = await store.get(tx, request.trigger_id, who, lock=True)
            may_change(old, KIND, "")
            if not old.is_webhook:
                raise not_a_webhook(old)
            secret, sealed = self.receiving.secret(old.id)
            keep = request.keep_old_for.ToTimedelta()
            new = old.with_secret(sealed, tx.now + keep if keep else None)
            await store.save(tx, new)
            await outbox.add(tx, entity=(KIND, old.id), details={"old_secret_until": new.old_until})
            stored = pb.RotateTriggerSecretResponse(trigger=wire.trigger(new))
            answer = pb.RotateTriggerSecretResponse(trigger=stored.trigger, secret=secret)
            return tx.reply(answer, stored=stored)

    async def ReceiveWebhook(
        self, request: pb.ReceiveWebhookRequest, context: Context
    ) -> pb.ReceiveWebhookResponse:
        message = Message(request.trigger_id, current().metadata, request.body.data)
        return pb.ReceiveWebhookResponse(run_id=await self.receiving.receive(message))
