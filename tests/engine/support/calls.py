"""What tests ask of an engine, as who usually does; and code of steps that waits for the test."""

import asyncio
import time
from typing import Any

from google.protobuf import timestamp_pb2

from chassis.context import Caller
from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.engine.conftest import Engine
from tests.engine.support.worker import Attempt
from tests.support.callers import ADMIN, EDITOR, as_caller

Step = run_pb2.StepExecution


async def until(condition: Any, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Gate:
    """Code that waits for the test."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.entered = 0

    async def __call__(self, attempt: Attempt) -> Any:
        self.entered += 1
        await self.open.wait()
        return attempt.number


async def start(engine: Engine, inputs: dict[str, Any] | None = None, **fields: Any) -> run_pb2.Run:
    request = engine_pb2.StartRunRequest(workflow="flow", inputs=inputs or {}, **fields)
    return (await engine.stub.StartRun(request, metadata=as_caller(EDITOR))).run


async def explain(engine: Engine, run_id: str, caller: Caller = EDITOR) -> engine_pb2.ExplainRunResponse:
    request = engine_pb2.ExplainRunRequest(run_id=run_id)
    return await engine.stub.ExplainRun(request, metadata=as_caller(caller))


def in_seconds(seconds: float) -> timestamp_pb2.Timestamp:
    moment = timestamp_pb2.Timestamp()
    moment.FromNanoseconds(int((time.time() + seconds) * 1e9))
    return moment


async def pause(engine: Engine, run_id: str) -> run_pb2.Run:
    request = engine_pb2.PauseRunRequest(run_id=run_id)
    return (await engine.stub.PauseRun(request, metadata=as_caller(EDITOR))).run


async def resume(engine: Engine, run_id: str) -> run_pb2.Run:
    request = engine_pb2.ResumeRunRequest(run_id=run_id)
    return (await engine.stub.ResumeRun(request, metadata=as_caller(EDITOR))).run


async def rerun(engine: Engine, run_id: str, **fields: Any) -> run_pb2.Run:
    request = engine_pb2.RerunRunRequest(run_id=run_id, **fields)
    return (await engine.stub.RerunRun(request, metadata=as_caller(EDITOR))).run


async def decide(
    engine: Engine, run_id: str, step: str, decision: str = "approve", caller: Any = EDITOR
) -> run_pb2.StepExecution:
    request = engine_pb2.ApproveStepRequest(run_id=run_id, step_id=step, decision=decision, comment="seen")
    return (await engine.stub.ApproveStep(request, metadata=as_caller(caller))).step_execution


async def inbox(engine: Engine, caller: Any = EDITOR) -> list[tuple[str, str]]:
    answer = await engine.stub.ListApprovals(engine_pb2.ListApprovalsRequest(), metadata=as_caller(caller))
    return [(one.step_id, one.message) for one in answer.approvals]


async def waits_for_decision(engine: Engine, run_id: str, step: str) -> None:
    async with asyncio.timeout(5):
        while (await engine.steps(run_id))[step].status != Step.WAITING_APPROVAL:
            await asyncio.sleep(0.02)


async def drain(engine: Engine, worker_id: str, **fields: Any) -> engine_pb2.Worker:
    request = engine_pb2.DrainWorkerRequest(worker_id=worker_id, **fields)
    return (await engine.stub.DrainWorker(request, metadata=as_caller(ADMIN))).worker


async def undrain(engine: Engine, worker_id: str) -> engine_pb2.Worker:
    request = engine_pb2.UndrainWorkerRequest(worker_id=worker_id)
    return (await engine.stub.UndrainWorker(request, metadata=as_caller(ADMIN))).worker
