"""The workers of all replicas: who there is, and who is to take nothing new."""

from chassis import filtering, outbox, paging
from engine.api.common import Base, Context
from engine.store import workers as store
from engine.wire import workers as wire
from mcpanel.engine.v1 import engine_pb2


class Fleet(Base):
    """Calls about workers."""

    async def ListWorkers(
        self, request: engine_pb2.ListWorkersRequest, context: Context
    ) -> engine_pb2.ListWorkersResponse:
        page = paging.parse(request, bound=request.filter)
        wanted = filtering.parse(request.filter)
        after = None if page.after is None else str(page.after[0])
        async with self.db.read() as tx:
            rows = await store.page_after(tx, wanted, self.dispatcher.timing.lease, after, page.limit)
        found, token = page.cut(rows, key=lambda one: (one.worker.id,))
        return engine_pb2.ListWorkersResponse(
            workers=[wire.worker(one) for one in found], next_page_token=token
        )

    async def DrainWorker(
        self, request: engine_pb2.DrainWorkerRequest, context: Context
    ) -> engine_pb2.DrainWorkerResponse:
        async with self.db.begin() as tx:
            before = await store.drain(tx, request.worker_id, drained=True)
            worker = await store.seen(tx, request.worker_id, self.dispatcher.timing.lease)
            await outbox.add(
                tx, entity=("worker", request.worker_id), old={"drained": before}, new={"drained": True}
            )
            answer = tx.reply(engine_pb2.DrainWorkerResponse(worker=wire.worker(worker)))
        self.dispatcher.drain(request.worker_id, drained=True)
        return answer

    async def UndrainWorker(
        self, request: engine_pb2.UndrainWorkerRequest, context: Context
    ) -> engine_pb2.UndrainWorkerResponse:
        async with self.db.begin() as tx:
            before = await store.drain(tx, request.worker_id, drained=False)
            worker = await store.seen(tx, request.worker_id, self.dispatcher.timing.lease)
            await outbox.add(
                tx, entity=("worker", request.worker_id), old={"drained": before}, new={"drained": False}
            )
            answer = tx.reply(engine_pb2.UndrainWorkerResponse(worker=wire.worker(worker)))
        self.dispatcher.drain(request.worker_id, drained=False)
        return answer
