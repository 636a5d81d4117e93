"""What people do to runs that exist: cancel, pause, resume, decide."""

from collections.abc import Mapping

from chassis import outbox, paging
from chassis.context import current
from chassis.database import Transaction
from chassis.errors import Denied, NotFound, Precondition
from chassis.jsonvalue import Json
from engine import failpoints
from engine.api.common import Base, Context, decider, record, waits
from engine.deciding import Decider
from engine.dispatch.unit import Unit
from engine.domain import RunStatus, StepStatus
from engine.machine.draft import Draft
from engine.records import Waiting
from engine.state import (
    CancelRequested,
    Decided,
    Decision,
    Event,
    PauseRequested,
    ResumeRequested,
)
from engine.store import approvals, hot
from engine.store import runs as store
from engine.store.runs import Reader
from engine.wire import runs as run_wire
from mcpanel.engine.v1 import engine_pb2


class Steers(Base):
    """Runs under way."""

    async def CancelRun(
        self, request: engine_pb2.CancelRunRequest, context: Context
    ) -> engine_pb2.CancelRunResponse:
        who = await self.reader()
        async with self.db.begin() as tx:
            unit = await self._steer(tx, who, request.run_id, CancelRequested(request.reason), request.reason)
            answer = tx.reply(engine_pb2.CancelRunResponse(run=run_wire.run(record(unit), waits(unit))))
            failpoints.reach("cancel.before")
        failpoints.reach("cancel.after")
        self.dispatcher.committed(unit)
        return answer

    async def PauseRun(
        self, request: engine_pb2.PauseRunRequest, context: Context
    ) -> engine_pb2.PauseRunResponse:
        who = await self.reader()
        async with self.db.begin() as tx:
            unit = await self._steer(tx, who, request.run_id, PauseRequested())
            if unit.state.cause:
                raise Precondition(
                    "RUN_STOPPING",
                    f"run '{request.run_id}' is stopping; there is nothing to pause",
                    resource=("run", request.run_id),
                )
            answer = tx.reply(engine_pb2.PauseRunResponse(run=run_wire.run(record(unit), waits(unit))))
            failpoints.reach("pause.before")
        failpoints.reach("pause.after")
        self.dispatcher.committed(unit)
        return answer

    async def ResumeRun(
        self, request: engine_pb2.ResumeRunRequest, context: Context
    ) -> engine_pb2.ResumeRunResponse:
        who = await self.reader()
        async with self.db.begin() as tx:
            unit = await self._steer(tx, who, request.run_id, ResumeRequested())
            answer = tx.reply(engine_pb2.ResumeRunResponse(run=run_wire.run(record(unit), waits(unit))))
            failpoints.reach("resume.before")
        failpoints.reach("resume.after")
        self.dispatcher.committed(unit)
        return answer

    async def _steer(self, tx: Transaction, who: Reader, run_id: str, event: Event, reason: str = "") -> Unit:
        """Lets something happen to a run that the caller may steer, and writes it with its audit record."""
        before = await store.get(tx, run_id, who, full=False)
        await store.require_steered(tx, run_id, who)
        unit = await self.dispatcher.locked(tx, run_id)
        _refuse_ended(unit, event)
        unit.apply(event)
        if unit.is_changed:
            await hot.run(await tx.raw(), self.dispatcher.commands(unit))
        await outbox.add(
            tx,
            entity=("run", run_id),
            old={"status": before.status},
            new={"status": unit.state.status.value},
            details={"reason": reason} if reason else None,
        )
        return unit

    async def ApproveStep(
        self, request: engine_pb2.ApproveStepRequest, context: Context
    ) -> engine_pb2.ApproveStepResponse:
        caller = current().caller.effective
        approved = request.decision == "approve"
        who = await self.reader()
        async with self.db.begin() as tx:
            await store.get(tx, request.run_id, who, full=False)
            unit = await self.dispatcher.locked(tx, request.run_id)
            waiting = await self._waiting(tx, unit, request.step_id)
            one = decider()
            _refuse_others(one, request.step_id, waiting)
            decision = Decision(approved, caller.id, caller.name or caller.id, unit.now, request.comment)
            unit.apply(Decided(request.step_id, decision))
            await hot.run(await tx.raw(), self.dispatcher.commands(unit))
            await outbox.add(
                tx,
                entity=("step", f"{request.run_id}/{request.step_id}"),
                old={"status": StepStatus.WAITING_APPROVAL.value},
                new={"status": unit.written[request.step_id].after.status.value, "approved": approved},
                details=_of_decision(one, waiting, request.comment),
            )
            steps = await store.steps(tx, request.run_id, only=[request.step_id])
            planned = unit.written[request.step_id].planned
            shown = run_wire.step(request.run_id, planned, request.step_id, record=steps[request.step_id])
            answer = tx.reply(engine_pb2.ApproveStepResponse(step_execution=shown))
            failpoints.reach("approve.before")
        failpoints.reach("approve.after")
        self.dispatcher.committed(unit)
        return answer

    async def _waiting(self, tx: Transaction, unit: Unit, path: str) -> Waiting:
        slot = Draft(unit.state, unit.now).slot(path)
        if unit.state.plan.find(path) is None:
            raise NotFound(
                "STEP_NOT_FOUND", f"run '{unit.info.id}' has no step '{path}'", resource=("step", path)
            )
        found = await approvals.find(tx, unit.info.id, path)
        if slot is None or slot.is_past or found is None:
            status = "over" if slot is None or slot.is_past else slot.state.status.value
            raise Precondition(
                "STEP_NOT_WAITING",
                f"step '{path}' waits for no decision; it is {status}",
                metadata={"status": status},
                resource=("step", path),
                allowed=(StepStatus.WAITING_APPROVAL,),
            )
        return found

    async def ListApprovals(
        self, request: engine_pb2.ListApprovalsRequest, context: Context
    ) -> engine_pb2.ListApprovalsResponse:
        page = paging.parse(request)
        one = decider()
        names = None if one.is_privileged else list(one.names)
        who = await self.reader()
        async with self.db.read() as tx:
            rows = await approvals.page_after(tx, who, names, page.after, page.limit)
        found, token = page.cut(rows, key=lambda one: (one.run_id, one.step_id))
        return engine_pb2.ListApprovalsResponse(
            approvals=[run_wire.pending(one) for one in found], next_page_token=token
        )


def _of_decision(one: Decider, waiting: Waiting, comment: str) -> dict[str, Json] | None:
    """What the action log keeps of a decision, beside who made it: why, and for whom an administrator did."""
    details: dict[str, Json] = {"comment": comment} if comment else {}
    if not one.is_asked(waiting.approvers):
        details["decided_for"] = list(waiting.approvers)
    return details or None


def _refuse_others(one: Decider, path: str, waiting: Waiting) -> None:
    if not one.may_decide(waiting.approvers):
        raise Denied(
            "NOT_AN_APPROVER",
            f"only {', '.join(waiting.approvers)} may decide about step '{path}'",
            resource=("step", path),
        )


def _refuse_ended(unit: Unit, event: Event) -> None:
    status = unit.state.status
    if not status.ended or (status is RunStatus.ABORTED and isinstance(event, CancelRequested)):
        return
    verb: Mapping[type, str] = {CancelRequested: "cancel", PauseRequested: "pause", ResumeRequested: "resume"}
    raise Precondition(
        "RUN_ENDED",
        f"run '{unit.info.id}' is {status}; there is nothing to {verb[type(event)]}",
        resource=("run", unit.info.id),
        allowed=(RunStatus.PENDING, RunStatus.RUNNING, RunStatus.PAUSED),
    )
