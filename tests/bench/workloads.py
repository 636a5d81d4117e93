"""What is measured: the workloads of the benchmark, through the edge as any client would."""

import asyncio
import json
import time
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf import json_format

from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2
from tests.support.stack import Stack
from tests.system.console import Console

FIB = """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def main(n: int) -> int:
    fib(n)
    return n
"""
COMPUTE = f"""
import time
{FIB}
def main() -> float:
    fib(33)
    return time.process_time()
"""
SLEEPY = "def main():\n    print('first line')\n"


class Client:
    """A client at the edge: REST to set up, gRPC to start and watch."""

    def __init__(self, stack: Stack, console: Console, channel: grpc.aio.Channel) -> None:
        self.console = console
        self._engine = engine_pb2_grpc.EngineServiceStub(channel)
        self._metadata = stack.metadata()

    async def start(self, workflow: str) -> str:
        """Starts a run; its id."""
        answer = await self._engine.StartRun(
            engine_pb2.StartRunRequest(workflow=workflow), metadata=self._metadata
        )
        return str(answer.run.id)

    async def ended(self, run_id: str) -> str:
        """The status a run ends with, seen on its stream."""
        request = engine_pb2.WatchRunRequest(run_id=run_id)
        async for item in self._engine.WatchRun(request, metadata=self._metadata):
            if item.event.HasField("end"):
                return str(json_format.MessageToDict(item.event.end)["status"])
        raise AssertionError("the stream ended before its end")

    async def outputs(self, run_id: str) -> dict[str, Any]:
        """The outputs of a run."""
        answer = await self._engine.GetRun(engine_pb2.GetRunRequest(run_id=run_id), metadata=self._metadata)
        outputs: dict[str, Any] = json_format.MessageToDict(answer.run)["outputs"]
        return outputs

    @asynccontextmanager
    async def news(self, workflow: str) -> AsyncIterator["News"]:
        """Follows the workflow's runs."""
        request = engine_pb2.WatchRunsRequest(filter=f'workflow_name = "{workflow}"', page_size=1)
        news = News()
        following = asyncio.create_task(news.follow(self._engine.WatchRuns(request, metadata=self._metadata)))
        try:
            await news.live.wait()
            yield news
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def first_line(self, run_id: str) -> None:
        """Returns when a step of the run has written its first line."""
        request = engine_pb2.WatchRunRequest(run_id=run_id)
        async for item in self._engine.WatchRun(request, metadata=self._metadata):
            if item.event.HasField("log"):
                return


class News:
    """The ends of a workflow's runs, as one stream tells them."""

    def __init__(self) -> None:
        self._ends: dict[str, asyncio.Future[tuple[str, float]]] = {}
        self.live = asyncio.Event()

    async def end_of(self, run_id: str) -> tuple[str, float]:
        """The status a run ends with, and when that was seen."""
        return await self._end(run_id)

    def _end(self, run_id: str) -> asyncio.Future[tuple[str, float]]:
        return self._ends.setdefault(run_id, asyncio.get_running_loop().create_future())

    async def follow(self, stream: AsyncIterable[engine_pb2.WatchRunsResponse]) -> None:
        """Reads the stream."""
        async for message in stream:
            if message.HasField("live"):
                self.live.set()
            elif message.HasField("run") and message.run.HasField("ended_at"):
                end = self._end(message.run.id)
                if not end.done():
                    end.set_result((run_pb2.Run.Status.Name(message.run.status), time.perf_counter()))


async def chain(client: Client, steps: int) -> str:
    """Saves W1's workflow: `steps` steps in a row, each fed with the output of the one before. Its name."""
    code = await client.console.python(FIB)
    lines = ["name: NAME", "steps:"]
    for number in range(steps):
        value = "10" if number == 0 else f"${{{{ steps.s{number - 1}.output }}}}"
        lines.append(
            f"  - {{id: s{number}, component: {code}, with: {{n: {json.dumps(value) if number else 10}}}}}"
        )
    return str((await client.console.workflow("\n".join(lines)))["name"])


async def parallel(client: Client, steps: int) -> str:
    """Saves W2's workflow: a step for each item that computes, two at a time. Its name."""
    code = await client.console.python(COMPUTE)
    source = f"""
        name: NAME
        steps:
          - {{id: each, component: {code}, for_each: {list(range(steps))}, max_parallel: 2}}
        outputs:
          seconds: "${{{{ steps.each.output }}}}"
        """
    return str((await client.console.workflow(source))["name"])


async def one_step(client: Client) -> str:
    """Saves W4's workflow: one step that prints a line. Its name."""
    code = await client.console.python(SLEEPY)
    return str(
        (await client.console.workflow(f"name: NAME\nsteps:\n  - {{id: only, component: {code}}}\n"))["name"]
    )


async def diamond(client: Client) -> str:
    """Saves W3's workflow: A → B, C → D. Its name."""
    code = await client.console.python("def main(n: int = 0) -> int:\n    return n\n")
    source = (
        f"name: NAME\nsteps:\n  - {{id: a, component: {code}}}\n"
        f"  - {{id: b, component: {code}, needs: [a]}}\n  - {{id: c, component: {code}, needs: [a]}}\n"
        f"  - {{id: d, component: {code}, needs: [b, c]}}\n"
    )
    return str((await client.console.workflow(source))["name"])


async def payload(client: Client, size: int, steps: int = 5) -> str:
    """Saves W8's workflow: `steps` steps in a row that pass on a text of `size` bytes. Its name."""
    make = await client.console.python("def main(size: int) -> str:\n    return 'x' * size\n")
    keep = await client.console.python("def main(text: str) -> str:\n    return text\n")
    lines = ["name: NAME", "steps:", f"  - {{id: s0, component: {make}, with: {{size: {size}}}}}"]
    for number in range(1, steps):
        value = f'"${{{{ steps.s{number - 1}.output }}}}"'
        lines.append(f"  - {{id: s{number}, component: {keep}, with: {{text: {value}}}}}")
    return str((await client.console.workflow("\n".join(lines)))["name"])


async def fan_out(client: Client, items: int) -> str:
    """Saves W8's other workflow: a list known only at run time, and a step for each of its items. Its name."""
    make = await client.console.python("def main(n: int) -> list:\n    return list(range(n))\n")
    code = await client.console.python("def main(n: int) -> int:\n    return n\n")
    source = f"""
        name: NAME
        steps:
          - {{id: all, component: {make}, with: {{n: {items}}}}}
          - id: each
            component: {code}
            for_each: "${{{{ steps.all.output }}}}"
            max_parallel: 16
            with: {{n: "${{{{ item }}}}"}}
        """
    return str((await client.console.workflow(source))["name"])


async def timed(client: Client, workflow: str) -> float:
    """Seconds from the StartRun call to the end seen on the stream. The run must succeed."""
    started = time.perf_counter()
    status = await client.ended(await client.start(workflow))
    assert status == "SUCCESS", status
    return time.perf_counter() - started


async def timed_beside_ideal(client: Client, workflow: str) -> tuple[float, float]:
    """Seconds of a run of W2's workflow, and half the processor time that its steps took, each by its own account."""
    started = time.perf_counter()
    run = await client.start(workflow)
    status = await client.ended(run)
    taken = time.perf_counter() - started
    assert status == "SUCCESS", status
    return taken, sum((await client.outputs(run))["seconds"]) / 2


async def timed_to_first_line(client: Client, workflow: str) -> float:
    """Seconds from the StartRun call to the step's first line."""
    started = time.perf_counter()
    run = await client.start(workflow)
    await client.first_line(run)
    taken = time.perf_counter() - started
    await client.ended(run)
    return taken


async def flood(client: Client, workflow: str, runs: int) -> tuple[float, list[float]]:
    """Starts `runs` runs as fast as one client can: seconds until all have ended, and each run's own seconds."""
    gate = asyncio.Semaphore(32)
    async with client.news(workflow) as news:

        async def one() -> float:
            async with gate:
                started = time.perf_counter()
                run = await client.start(workflow)
            status, ended = await news.end_of(run)
            assert status == "SUCCESS", status
            return ended - started

        started = time.perf_counter()
        each = await asyncio.gather(*(one() for _ in range(runs)))
        return time.perf_counter() - started, sorted(each)
