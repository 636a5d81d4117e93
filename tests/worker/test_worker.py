"""The worker as a process, against a real gRPC server that plays the engine."""

import asyncio
import json
import signal
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from mcpanel.engine.v1 import run_pb2
from mcpanel.engine.v1 import worker_pb2 as pb
from tests.worker.conftest import Start
from tests.worker.support.cells import everywhere, gone, processes_below
from tests.worker.support.engine import Engine, python_version, ref
from worker import executors


async def test_a_worker_introduces_itself_runs_a_step_and_drains(engine: Engine, start: Start) -> None:
    worker = await start()
    hello = (await engine.hears("hello"))[0]
    code = """
import mcpanel_step as step
def main(n: int):
    print("working with mcp_abcdefgh12345678")
    step.progress(0.5, "half")
    step.preview({"n": n})
    step.artifact("a.txt", b"content")
    return {"b": n + 1, "a": step.context.idempotency_key, "rows": step.datasource("sample").query("SELECT %s", [7])}
"""

    at = engine.assign(python_version(code, source="sample"), {"n": 1}, data_source_token="token-of-the-run")
    result = (await engine.hears("result"))[0]
    worker.send_signal(signal.SIGTERM)
    status = await asyncio.wait_for(worker.wait(), 10)

    assert (hello.slots, hello.isolation, tuple(hello.types)) == (2, "cell", executors.TYPES)
    assert result.ref == at
    assert result.output_json == (b'{"a":"r1/s1","b":2,"rows":[{"parameter":7,"source":"id-of-sample"}]}'), (
        result.error
    )
    assert engine.tokens == ["Bearer token-of-the-run"]
    assert engine.artifacts == {"a.txt": b"content"}
    assert engine.lines() == [("stdout", "working with ***")]
    assert [m.WhichOneof("message") for m in engine.heard if m.WhichOneof("message") != "heartbeat"][
        -1
    ] == "draining"
    assert engine.messages("progress")[0].fraction == 0.5
    assert engine.messages("preview")[0].value_json == b'{"n":1}'
    assert result.duration.ToMilliseconds() > 0
    assert result.peak_memory_bytes > 1_000_000
    assert result.limits.memory_bytes == 1 << 30
    assert (result.limits.processes, result.limits.open_files) == (128, 1024)
    assert (result.limits.timeout.seconds, result.limits.HasField("silence")) == (20, False)
    assert status == 0


async def test_failures_carry_the_contracts_word_and_the_traceback(engine: Engine, start: Start) -> None:
    await start()
    await engine.hears("hello")

    engine.assign(python_version("def main():\n    return 1 / 0", version_id="v1"), step="a")
    engine.assign(python_version("def main(x): pass", version_id="v2"), step="b")
    engine.assign(
        python_version("# /// script\n# dependencies = 3\n# ///\noutputs = 1", version_id="v3"), step="c"
    )
    engine.assign(python_version("def main():\n    return b''", version_id="v4"), step="d")
    results = {result.ref.step_id: result.error for result in await engine.hears("result", 4)}

    kinds = {step: run_pb2.RunError.Kind.Name(error.kind) for step, error in results.items()}
    assert kinds == {"a": "USER_ERROR", "b": "INVALID_INPUT", "c": "DEPENDENCY_ERROR", "d": "INVALID_OUTPUT"}
    assert 'File "sample.py", line 2, in main' in results["a"].traceback
    assert results["a"].message == "ZeroDivisionError: division by zero"


async def test_a_result_is_repeated_on_a_new_stream_until_acknowledged(engine: Engine, start: Start) -> None:
    await start()
    await engine.hears("hello")
    engine.acknowledge = False
    at = engine.assign(python_version("def main():\n    return 1"))
    await engine.hears("result")

    engine.drop_stream()
    hello = (await engine.hears("hello", 2))[1]
    results = await engine.hears("result", 2)
    engine.send(result_ack=pb.EngineMessage.ResultAck(ref=at, accepted=True))
    count = len(engine.messages("heartbeat"))
    beat = (await engine.hears("heartbeat", count + 2))[-1]

    assert list(hello.holding) == [at]
    assert results[0] == results[1]
    assert list(beat.holding) == []


async def test_lines_are_repeated_on_a_new_stream_until_acknowledged_and_come_before_the_result(
    engine: Engine, start: Start
) -> None:
    await start()
    await engine.hears("hello")
    engine.acknowledge = False
    code = "import time\ndef main():\n    print('one')\n    time.sleep(0.3)\n    print('two')\n    print('three')"
    at = engine.assign(python_version(code))
    await engine.hears("result")
    engine.send(logs_ack=pb.EngineMessage.LogsAck(ref=at, number=1))
    await asyncio.sleep(0.1)
    before = len(engine.heard)

    engine.drop_stream()
    await engine.hears("hello", 2)
    await engine.hears("result", 2)
    repeated = [one for one in engine.heard[before:] if one.WhichOneof("message") in ("logs", "result")]

    *lines, result = repeated
    assert result.WhichOneof("message") == "result"
    repeated_lines = [(line.number, line.message) for one in lines for line in one.logs.lines]
    assert repeated_lines == [(2, "two"), (3, "three")]


async def test_a_running_step_outlives_a_lost_stream(engine: Engine, start: Start) -> None:
    await start()
    await engine.hears("hello")
    code = "import time\ndef main():\n    print('begun')\n    time.sleep(0.7)\n    return 'done'"
    at = engine.assign(python_version(code))
    await engine.hears("logs")

    engine.drop_stream()
    hello = (await engine.hears("hello", 2))[1]
    result = (await engine.hears("result"))[0]

    assert list(hello.holding) == [at]
    assert result.output_json == b'"done"'


async def test_a_lost_attempt_is_stopped_and_forgotten(engine: Engine, start: Start) -> None:
    worker = await start()
    await engine.hears("hello")
    at = engine.assign(python_version("import time\ndef main():\n    print('begun')\n    time.sleep(600)"))
    await engine.hears("logs")
    engine.lost = [at]

    engine.drop_stream()
    await engine.hears("hello", 2)
    engine.assign(python_version("def main():\n    return 2", version_id="v2"), step="s2")
    results = await engine.hears("result")

    assert [result.ref.step_id for result in results] == ["s2"]
    assert worker.returncode is None


async def test_without_an_engine_a_step_ends_with_its_lease(engine: Engine, start: Start) -> None:
    engine.lease = 0.6
    await start()
    await engine.hears("hello")
    code = "import subprocess\ndef main():\n    print('begun')\n    subprocess.run(['sleep', '765432'])"
    engine.assign(python_version(code))
    await engine.hears("logs")
    async with asyncio.timeout(20):
        while len(running := set(everywhere("765432"))) != 1:
            await asyncio.sleep(0.01)

    await engine.stop()

    assert await gone(running, 10)


def _peak_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


async def test_a_step_that_says_nothing_for_too_long_is_killed(engine: Engine, start: Start) -> None:
    await start(MCPANEL_WORKER_POOL="gpu", MCPANEL_WORKER_LABELS="cuda, big", MCPANEL_WORKER_CPUS="1.5")
    hello = (await engine.hears("hello"))[0]
    silence = Duration(nanos=400_000_000)
    talking = """
import time
def main():
    for n in range(5):
        print(n)
        time.sleep(0.2)
    return "ok"
"""
    silent = "import time\ndef main():\n    print('begun')\n    time.sleep(600)"

    engine.assign(python_version(talking), step="talks", heartbeat_timeout=silence)
    engine.assign(python_version(silent, version_id="v2"), step="silent", heartbeat_timeout=silence)
    results = {one.ref.step_id: one for one in await engine.hears("result", 2)}

    assert (hello.pool, list(hello.labels), hello.cpus) == ("gpu", ["big", "cuda"], 1.5)
    assert hello.memory_bytes > 2**28
    assert results["talks"].output_json == b'"ok"'
    assert results["silent"].error.kind == run_pb2.RunError.TIMED_OUT
    assert results["silent"].error.message == "the step said nothing for 0.4 s and was killed"


async def test_a_cancelled_step_says_so(engine: Engine, start: Start) -> None:
    await start()
    await engine.hears("hello")
    at = engine.assign(python_version("import time\ndef main():\n    print('begun')\n    time.sleep(600)"))
    await engine.hears("logs")

    engine.send(cancel=pb.EngineMessage.CancelAttempt(ref=at, reason="the run was cancelled"))
    result = (await engine.hears("result"))[0]

    assert run_pb2.RunError.Kind.Name(result.error.kind) == "CANCELLED"
    assert result.error.message == "the run was cancelled"


async def test_a_drained_worker_hands_back_what_does_not_end(engine: Engine, start: Start) -> None:
    worker = await start(MCPANEL_WORKER_DRAIN_SECONDS="0.2")
    await engine.hears("hello")
    engine.assign(python_version("import time\ndef main():\n    print('begun')\n    time.sleep(600)"))
    await engine.hears("logs")
    below = processes_below(worker.pid)

    worker.send_signal(signal.SIGTERM)
    result = (await engine.hears("result"))[0]
    status = await asyncio.wait_for(worker.wait(), 10)

    assert run_pb2.RunError.Kind.Name(result.error.kind) == "INTERNAL"
    assert status == 0
    assert await gone(below)


async def test_a_killed_worker_leaves_no_process(engine: Engine, start: Start) -> None:
    worker = await start()
    await engine.hears("hello")
    code = "import subprocess\ndef main():\n    print('begun')\n    subprocess.run(['sleep', '600'])"
    engine.assign(python_version(code))
    engine.assign(python_version(code, version_id="v2"), step="s2")
    async with asyncio.timeout(20):
        while len(engine.lines()) < 2:
            await asyncio.sleep(0.01)
    below = processes_below(worker.pid)
    assert len(below) >= 6

    worker.kill()

    assert await gone(below)


async def test_an_upload_waits_for_an_engine_that_is_away(engine: Engine, start: Start) -> None:
    await start()
    await engine.hears("hello")
    engine.away = 2
    engine.assign(
        python_version(
            "import mcpanel_step as s\ndef main():\n    return s.artifact('a', bytes(2_000_000))['size']"
        )
    )

    result = (await engine.hears("result"))[0]

    assert result.output_json == b"2000000", result.error
    assert len(engine.artifacts["a"]) == 2_000_000


async def test_a_source_that_is_not_linked_is_refused_by_name(engine: Engine, start: Start) -> None:
    await start()
    await engine.hears("hello")
    code = "import mcpanel_step as s\ndef main():\n    return s.datasource('other').query('SELECT 1')"

    engine.assign(python_version(code, source="sample"), data_source_token="t-token")
    result = (await engine.hears("result"))[0]

    assert "the data source 'other' is not linked to this component (linked: sample)" in result.error.message
    assert engine.tokens == []


async def test_a_source_that_was_deleted_is_named_with_the_component_that_links_it(
    engine: Engine, start: Start
) -> None:
    await start()
    await engine.hears("hello")
    engine.source_deleted = True
    code = "import mcpanel_step as s\ndef main():\n    return s.datasource('sample').query('SELECT 1')"

    engine.assign(python_version(code, source="sample"), data_source_token="t-token")
    result = (await engine.hears("result"))[0]

    said = "the data source 'sample', which the component 'sample' links, was deleted"
    assert said in result.error.message


async def test_a_hundred_megabytes_of_output_neither_stall_nor_swell_the_worker(
    engine: Engine, start: Start
) -> None:
    worker = await start()
    await engine.hears("hello")
    code = "import os\ndef main():\n  for _ in range(1600):\n    os.write(1, b'x' * 65535 + b'\\n')\n  return 'done'"

    engine.assign(python_version(code))
    result = (await engine.hears("result"))[0]
    peak = _peak_kilobytes(worker.pid)

    assert result.output_json == b'"done"'
    assert sum(len(text) for _, text in engine.lines()) < 11 * 1024 * 1024
    assert "bytes of output were dropped" in engine.lines()[-1][1]
    assert peak < 250 * 1024


async def test_an_attempt_given_twice_runs_once(engine: Engine, start: Start) -> None:
    await start()
    await engine.hears("hello")
    engine.acknowledge = False
    version = python_version("def main():\n    print('ran')\n    return 1")

    engine.assign(version)
    engine.assign(version)
    await engine.hears("result")
    engine.assign(version, step="s2")
    await engine.hears("result", 2)

    assert engine.lines().count(("stdout", "ran")) == 2
    assert [json.loads(result.output_json) for result in engine.messages("result")] == [1, 1]
    assert ref() in [result.ref for result in engine.messages("result")]


async def test_an_unknown_isolation_is_refused_at_start(start: Start) -> None:
    worker = await start(MCPANEL_ISOLATION="none", MCPANEL_WORKER_SLOTS="many")

    assert await asyncio.wait_for(worker.wait(), 10) == 2
