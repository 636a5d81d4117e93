"""The attempts this worker holds: running ones, and those whose result the engine has not acknowledged yet."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from chassis.addresses import Guard
from mcpanel.datasources.v1 import datasources_pb2_grpc as ds_grpc
from mcpanel.datasources.v1 import secrets_pb2_grpc as secrets_grpc
from mcpanel.engine.v1 import run_pb2
from mcpanel.engine.v1 import worker_pb2 as pb
from mcpanel.engine.v1 import worker_pb2_grpc as pb_grpc
from mcpanel.registry.v1 import component_pb2
from worker import executors, failpoints, fitting, metrics, used
from worker.apps import App
from worker.bounds import bounds, duration
from worker.cells.attempt import Failure, Job, Outcome
from worker.cells.cell import Cell, CellError
from worker.cells.profile import Profile
from worker.environments import Environments
from worker.modules import Modules
from worker.network import Reach
from worker.outgoing import Key, Outgoing, key, refusal
from worker.sink import AttemptSink
from worker.slots import Cells
from worker.store import DependencyError
from worker.toolboxes import ToolboxError, Toolboxes
from worker.values import Value, Values, ValueUnavailableError
from worker.words import plain

log = logging.getLogger(__name__)

_WORDS = {"BAD_INPUT": "INVALID_INPUT"}
_MOST_MESSAGE = 4_000
_MOST_TRACEBACK = 64_000


@dataclass(slots=True)
class Held:
    """One running attempt."""

    ref: pb.AttemptRef
    task: "asyncio.Task[None] | None" = None
    cell: Cell | None = None
    app: App | None = None
    """The app that it runs, when it is one."""
    cancelled: str = ""
    """Why it is being stopped, when it is."""
    abandoned: bool = False
    """Whether nobody wants its result any more."""
    waits: bool = False
    """Whether it waits for a component that it calls."""
    limits: run_pb2.Limits | None = None
    """What it is held to, once its cell is known."""


class Attempts:
    """Runs assignments in cells and reports what became of them."""

    def __init__(
        self,
        cells: Cells,
        outgoing: Outgoing,
        engine: "pb_grpc.WorkerServiceAsyncStub",
        datasources: "ds_grpc.DataSourceServiceAsyncStub",
        *,
        secrets: "secrets_grpc.SecretServiceAsyncStub",
        environments: Environments,
        modules: Modules,
        toolboxes: Toolboxes,
        values: Values,
        guard: Guard,
    ) -> None:
        """`guard` judges the addresses of the hosts that components reach."""
        self._cells = cells
        self._environments = environments
        self._modules = modules
        self._toolboxes = toolboxes
        self._outgoing = outgoing
        self._engine = engine
        self._datasources = datasources
        self._secrets = secrets
        self._values = values
        self._guard = guard
        self.max_output_bytes = 0
        """The largest output that the engine takes as an artifact."""
        self._running: dict[Key, Held] = {}
        self._results: dict[Key, pb.WorkerMessage.Result] = {}
        self._programs: dict[str, executors.Program | str] = {}
        self._changed = asyncio.Event()

    def holding(self) -> list[pb.AttemptRef]:
        """Every attempt this worker answers for: running, or ended and not acknowledged."""
        running = [held.ref for held in self._running.values()]
        return running + [result.ref for at, result in self._results.items() if at not in self._running]

    def running(self) -> list[pb.AttemptRef]:
        """The attempts whose code may be running."""
        return [held.ref for held in self._running.values() if not held.abandoned]

    def waiting(self) -> list[pb.AttemptRef]:
        """The attempts that wait for a component they call."""
        return [held.ref for held in self._running.values() if held.waits]

    def app(self, ref: pb.AttemptRef) -> App | None:
        """The app that an attempt runs here."""
        held = self._running.get(key(ref))
        return None if held is None else held.app

    def results(self) -> list[pb.WorkerMessage.Result]:
        """The results not acknowledged yet, oldest first."""
        return list(self._results.values())

    def forget_components(self) -> None:
        """Forgets every component: the engine sends them again on a new stream."""
        self._programs.clear()

    def learn(self, version: component_pb2.Version) -> None:
        """Takes a component; assignments name it by its version's id."""
        try:
            program = executors.read(version)
        except executors.BadComponentError as error:
            self._programs[version.id] = str(error)
            return
        self._programs[version.id] = program
        if not program.program and not program.requirements.packages and not program.modules:
            self._cells.expect(_plain(program))

    def assign(self, assignment: pb.EngineMessage.Assignment) -> None:
        """Starts an attempt. One it already holds is left alone."""
        at = key(assignment.ref)
        if at in self._running or at in self._results:
            return
        held = Held(assignment.ref)
        self._running[at] = held
        metrics.RUNNING.set(len(self._running))
        held.task = asyncio.create_task(self._hold(held, assignment), name=f"attempt {at}")

    def cancel(self, ref: pb.AttemptRef, reason: str) -> None:
        """Stops an attempt; its result says CANCELLED. An unknown one is ignored."""
        held = self._running.get(key(ref))
        if held is None or held.cancelled:
            return
        held.cancelled = reason or "the step was cancelled"
        if held.cell is not None and held.cell.running:
            held.cell.cancel()
        elif held.task is not None:
            held.task.cancel()

    def abandon(self, ref: pb.AttemptRef) -> None:
        """Stops an attempt and forgets it: it is another worker's by now."""
        at = key(ref)
        self._results.pop(at, None)
        self._outgoing.forget(ref)
        held = self._running.get(at)
        if held is not None and held.task is not None:
            held.abandoned = True
            held.task.cancel()
        self._changed.set()

    def acknowledge(self, ack: pb.EngineMessage.ResultAck) -> None:
        """Forgets a result the engine has, and with it the attempt's lines."""
        self._results.pop(key(ack.ref), None)
        self._outgoing.forget(ack.ref)
        if not ack.accepted:
            log.info("a result was not accepted", extra={"attempt": key(ack.ref), "reason": ack.reason})
        self._changed.set()

    async def finish(self, *, cells: bool, seconds: float) -> bool:
        """Waits for running attempts (`cells`) and for acknowledgements; whether that was all within the time."""
        try:
            async with asyncio.timeout(seconds):
                while self._running if cells else self._running or self._results:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def hand_back(self, reason: str) -> None:
        """Stops every running attempt; the engine gives them to others."""
        for held in list(self._running.values()):
            held.cancelled = held.cancelled or f"\0{reason}"
            if held.task is not None:
                held.task.cancel()

    async def close(self) -> None:
        """Stops everything without a word."""
        tasks = [held.task for held in self._running.values() if held.task is not None]
        for held in self._running.values():
            held.abandoned = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _hold(self, held: Held, assignment: pb.EngineMessage.Assignment) -> None:
        at = key(held.ref)
        try:
            outcome = await self._outcome(held, assignment)
        except asyncio.CancelledError:
            handed_back = held.cancelled.startswith("\0")
            kind = "INTERNAL" if handed_back else "CANCELLED"
            outcome = _failed(kind, held.cancelled.removeprefix("\0") or "the worker stopped the step")
        except Exception:
            log.exception("an attempt could not be run", extra={"attempt": at})
            outcome = _failed("INTERNAL", "the worker failed to run the step; its log says why")
        self._running.pop(at, None)
        metrics.RUNNING.set(len(self._running))
        metrics.ATTEMPTS.labels(outcome.failure.kind if outcome.failure else "SUCCESS").inc()
        if not held.abandoned:
            result = _result(held, outcome)
            if why := refusal(pb.WorkerMessage(result=result)):
                result = _result(held, _failed("INVALID_OUTPUT", f"the outcome cannot be recorded: {why}"))
            failpoints.reach("result.before")
            self._results[at] = result
            self._outgoing.send(pb.WorkerMessage(result=result))
            failpoints.reach("result.after")
        else:
            self._outgoing.forget(held.ref)
        self._changed.set()

    async def _outcome(self, held: Held, assignment: pb.EngineMessage.Assignment) -> Outcome:
        program = self._programs.get(assignment.component_version_id)
        if program is None:
            return _failed("INTERNAL", f"the engine did not send component {assignment.component_version_id}")
        if isinstance(program, str):
            return _failed("DEPENDENCY_ERROR", program)
        sink = AttemptSink(
            assignment,
            program,
            self._outgoing,
            self._engine,
            self._datasources,
            secrets=self._secrets,
            waits=lambda waits: self._waits(held, waits=waits),
        )
        async with AsyncExitStack() as using:
            try:
                profile = await self._profile(program, lambda line: sink.log("log", "INFO", line), using)
            except DependencyError as error:
                return _failed("DEPENDENCY_ERROR", f"the dependencies could not be installed: {error}")
            except ToolboxError as error:
                return _failed("INTERNAL", str(error))
            return await self._supplied(held, assignment, program, profile, sink)

    def _waits(self, held: Held, *, waits: bool) -> None:
        """Tells the engine whether the attempt waits for a component that it calls: then others may have its slot."""
        held.waits = waits
        report = pb.WorkerMessage.Waiting(ref=held.ref, waits=waits)
        self._outgoing.send(pb.WorkerMessage(waiting=report))

    async def _supplied(
        self,
        held: Held,
        assignment: pb.EngineMessage.Assignment,
        program: executors.Program,
        profile: Profile,
        sink: AttemptSink,
    ) -> Outcome:
        """The outcome once the large inputs are here."""
        try:
            large = await self._values.get(held.ref, assignment.large_inputs)
        except ValueUnavailableError as error:
            return _failed(error.kind, str(error))
        try:
            parts = [one.part for one in large]
            if wrong := await fitting.of_inputs(program.takes, assignment.inputs_json or b"{}", parts):
                return _failed(wrong.kind, wrong.message)
            outcome = await self._run(held, assignment, program, profile, sink=sink, large=large)
            if outcome.output_json is not None:
                wrong = await fitting.of_output(program.gives, outcome.output_json)
                outcome = outcome if wrong is None else replace(outcome, output_json=None, failure=wrong)
            return sink.hide(outcome)
        finally:
            for one in large:
                one.close()

    async def _profile(
        self, program: executors.Program, say: Callable[[str], None], using: AsyncExitStack
    ) -> Profile:
        """The cell that the program needs, its packages kept until `using` ends.

        Raises DependencyError and ToolboxError.
        """
        packages = (
            self._modules.use(program.modules, say)
            if program.modules
            else self._environments.use(program.requirements, say)
        )
        return replace(
            _plain(program),
            environment=await using.enter_async_context(packages),
            toolbox=await self._toolboxes.get(program.toolbox, say),
            program=program.program,
            listens=program.listens,
            deno=program.deno,
        )

    async def _run(
        self,
        held: Held,
        assignment: pb.EngineMessage.Assignment,
        program: executors.Program,
        profile: Profile,
        *,
        sink: AttemptSink,
        large: Sequence[Value],
    ) -> Outcome:
        job = Job(
            component=program.component,
            code=program.code,
            config=used.budgeted(program.config, assignment),
            inputs_json=assignment.inputs_json or b"{}",
            timeout=assignment.timeout.ToTimedelta().total_seconds() or 600.0,
            silence=_seconds(assignment, "heartbeat_timeout"),
            context={
                "run_id": held.ref.run_id,
                "step_id": held.ref.step_id,
                "attempt": held.ref.attempt,
                "epoch": held.ref.epoch,
                "idempotency_key": assignment.idempotency_key,
            },
            large=large,
            grace=program.grace,
            max_output=self.max_output_bytes,
            reach=Reach.of(program.network_hosts, self._guard) if program.network_hosts else None,
        )
        held.limits = bounds(job, profile, self._cells.limits, self._cells.level)
        for last_try in (False, True):
            failpoints.reach("spawn.before")
            cell = await self._cells.take(profile, program.version_id, assignment.started_by, program.ahead)
            failpoints.reach("spawn.after")
            try:
                held.cell = cell
                if not program.idle_seconds:
                    return await cell.run(job, sink)
                held.app = App(cell, f"/apps/{assignment.app}/", program.idle_seconds, sink)
                return await held.app.run(job)
            except CellError:
                if last_try:
                    raise
            finally:
                held.cell = held.app = None
                self._cells.give_back(cell)
        raise AssertionError


def _plain(program: executors.Program) -> Profile:
    """The cell of a program that needs no packages."""
    hosts = program.network_hosts
    return Profile(
        program.kind,
        reserves=program.reserves or program.kind == "deno" or program.deno,
        network=bool(hosts),
        hosts=hosts if program.kind == "deno" else (),
    )


def _seconds(assignment: pb.EngineMessage.Assignment, name: str) -> float | None:
    """The seconds of an optional duration."""
    if not assignment.HasField(name):
        return None
    seconds: float = getattr(assignment, name).ToTimedelta().total_seconds()
    return seconds


def _failed(kind: str, message: str) -> Outcome:
    return Outcome(None, Failure(kind, message), 0.0, 0.0, 0)


def _result(held: Held, outcome: Outcome) -> pb.WorkerMessage.Result:
    result = pb.WorkerMessage.Result(
        ref=held.ref,
        duration=duration(outcome.seconds),
        cpu_time=duration(outcome.cpu_seconds),
        peak_memory_bytes=outcome.peak_memory,
        limits=held.limits,
    )
    if spent := outcome.usage:
        result.usage.CopyFrom(used.message(spent))
    failure = outcome.failure
    if failure is None:
        if outcome.output_artifact:
            result.output_artifact_id = outcome.output_artifact
        else:
            result.output_json = outcome.output_json or b"null"
        return result
    message = failure.message
    if failure.kind == "CANCELLED" and held.cancelled:
        message = held.cancelled
    result.error.CopyFrom(
        run_pb2.RunError(
            kind=_WORDS.get(failure.kind, failure.kind),
            message=plain(message)[:_MOST_MESSAGE],
            traceback=plain(failure.traceback)[-_MOST_TRACEBACK:],
            step_id=held.ref.step_id,
        )
    )
    return result
