"""What ends an attempt: a clear failure, no process left, and a next attempt that knows nothing of it."""

import asyncio
import re
from dataclasses import replace

import pytest

from tests.worker.hostile.conftest import Open
from tests.worker.hostile.endings import ENDINGS, Ending
from tests.worker.hostile.kinds import KINDS, Kind, source
from tests.worker.support.cells import Bench, everywhere, gone, processes_of, run_all, sandbox
from worker.cells.attempt import Failure
from worker.cells.limits import MIB

CASES = [pytest.param(kind, one, id=f"{kind.name}: {one.name}") for kind in KINDS for one in kind.endings]


async def _ends(bench: Bench, kind: Kind, body: str, timeout: float) -> Failure:
    """The failure; asserts that the cell is gone, and that the next attempt works."""
    cell = await bench.ready()
    await cell.idle()
    inside = processes_of(cell)
    code, config = kind.component(source(body, {"memory": kind.limits.memory}))

    outcome = await bench.run(code, timeout=timeout, config=config)

    assert outcome.failure is not None, outcome
    assert not cell.alive
    assert await gone(inside)
    return outcome.failure


@pytest.mark.parametrize(("kind", "ending"), CASES)
async def test_an_attack_ends_its_attempt_only(kind: Kind, ending: Ending, benches: Open) -> None:
    bench = await benches(kind)

    failure = await _ends(bench, kind, ending.code, ending.timeout)

    assert failure.kind in ending.kind.split("|")
    assert re.search(ending.message, failure.message), failure.message
    assert not everywhere("987654")
    assert not everywhere("876543")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_the_attempt_after_them_works(kind: Kind, benches: Open) -> None:
    bench = await benches(kind)
    await _ends(bench, kind, "os.kill(os.getpid(), signal.SIGKILL)", 20.0)

    code, config = kind.component(source("return sorted(os.listdir('/work') + os.listdir('/tmp'))", {}))

    found = kind.answer(await run_all(bench, code, config))
    assert {one for one in found if not one.startswith(".")} == kind.files


@pytest.mark.parametrize("kind", [one for one in KINDS if one.sweeps], ids=lambda kind: kind.name)
async def test_what_a_component_leaves_running_is_ended_by_its_program(kind: Kind, benches: Open) -> None:
    bench = await benches(kind)
    daemon = next(one for one in ENDINGS if one.name == "a daemon of a shell")

    code, config = kind.component(source(daemon.code, {}))
    answer = kind.answer(await run_all(bench, code, config))

    assert answer == 1
    assert not everywhere("987654")


async def test_output_without_end_is_cut_and_counted(benches: Open) -> None:
    python = KINDS[0]
    bench = await benches(python)
    body = "for _ in range(640):\n    os.write(1, b'x' * 65535 + b'\\n')\nreturn 'done'"

    code, config = python.component(source(body, {}))
    output = await run_all(bench, code, config)

    assert output == "done"
    kept = sum(len(line) for stream, _, line in bench.sink.lines if stream == "stdout")
    limit = python.limits.log_bytes
    assert kept <= limit
    assert bench.sink.lines[-1] == (
        "log",
        "WARNING",
        f"{640 * 65536 - limit:,} bytes of output were dropped, 624 lines: "
        f"a step keeps 20,000 lines and {limit:,} bytes",
    )
    assert max(len(line) for _, _, line in bench.sink.lines) <= 16 * 1024


async def test_short_lines_without_end_are_cut_and_counted(benches: Open) -> None:
    python = KINDS[0]
    bench = await benches(python)
    body = "for _ in range(20):\n    os.write(1, b'y\\n' * 10000)\nreturn 'done'"

    code, config = python.component(source(body, {}))
    output = await run_all(bench, code, config)

    assert output == "done"
    assert len(bench.sink.lines) == 20_001
    assert bench.sink.lines[-1][2].startswith(
        "360,000 bytes of output were dropped, 180,000 lines: a step keeps"
    )


async def test_ignoring_sigterm_only_delays_the_end(benches: Open) -> None:
    python = KINDS[0]
    bench = await benches(python)
    body = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "while True:\n"
        "    try:\n"
        "        print('on', flush=True)\n"
        "        signal.pause()\n"
        "    except BaseException:\n"
        "        pass"
    )
    cell = await bench.ready()
    await cell.idle()
    inside = processes_of(cell)
    running = asyncio.create_task(bench.run(*python.component(source(body, {}))[:1]))
    while not bench.sink.lines:
        await asyncio.sleep(0.01)

    cell.cancel()
    outcome = await running

    assert outcome.failure is not None
    assert outcome.failure.kind == "CANCELLED"
    assert await gone(inside)


async def test_empty_files_without_end_are_memory() -> None:
    python = KINDS[0]
    bench = Bench(sandbox(replace(python.limits, memory=64 * MIB)), python.profile)
    body = "n = 0\nwhile True:\n    n += 1\n    os.close(os.open(f'/work/{n}', os.O_CREAT | os.O_WRONLY))"

    failure = await _ends(bench, python, body, 20.0)
    await bench.close()

    assert failure.kind in ("OUT_OF_MEMORY", "USER_ERROR")
    assert re.search("used more than 64 MiB of memory|hold 16 MiB each", failure.message)


async def test_what_connections_hold_that_nobody_reads_is_memory() -> None:
    python = KINDS[0]
    bench = Bench(sandbox(replace(python.limits, memory=64 * MIB)), replace(python.profile, listens=True))
    body = (
        "server, kept = socket.create_server(('127.0.0.1', 0)), []\n"
        "for _ in range(40):\n"
        "    one = socket.create_connection(server.getsockname())\n"
        "    one.setblocking(False)\n"
        "    kept += [one, server.accept()[0]]\n"
        "    while tried(one.send, bytes(1 << 20)) == 'done':\n"
        "        pass\n"
        "signal.pause()"
    )

    failure = await _ends(bench, python, body, 20.0)
    await bench.close()

    assert failure.kind == "OUT_OF_MEMORY"
    assert "used more than 64 MiB of memory and was killed" in failure.message
