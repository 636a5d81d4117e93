"""The walls themselves: the filter, the levels, and what an operator is told when a machine has none."""

import asyncio
import errno
import os
import struct
from pathlib import Path

import pytest

from tests.worker.support.cells import LIMITS, Bench, gone, owner, processes_of, sandbox
from worker.cells import probe, seccomp
from worker.cells.bubblewrap import Sandbox
from worker.cells.cgroup import Cgroup

ALLOW = 0x7FFF0000
EPERM = 0x00050000 | errno.EPERM
ENOSYS = 0x00050000 | errno.ENOSYS
KILL = 0x80000000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def judge(program: bytes, number: int, *arguments: int, arch: int) -> int:
    """What the filter says of a system call: the interpreter of linux/filter.h, as far as it is used."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("=HBBI", program))
    accumulator = at = 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
            continue
        met = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: accumulator & value != 0}[code]
        at += if_true if met else if_false


@pytest.mark.parametrize(
    ("machine", "number", "arguments", "verdict"),
    [
        ("x86_64", 0, (), ALLOW),  # read
        ("x86_64", 101, (), EPERM),  # ptrace
        ("x86_64", 435, (), ENOSYS),  # clone3
        ("x86_64", 56, (0x01200011,), ALLOW),  # fork
        ("x86_64", 56, (0x10000011,), EPERM),  # clone with a user namespace
        ("x86_64", 41, (1,), ALLOW),  # a unix socket
        ("x86_64", 41, (10,), ALLOW),
        ("x86_64", 41, (40,), 0x00050000 | errno.EOPNOTSUPP),  # vsock
        ("x86_64", 16, (0, 0x5412), EPERM),  # typing into the terminal
        ("x86_64", 16, (0, 0x5401), ALLOW),
        ("x86_64", 41, (2, 1, 262), 0x00050000 | errno.EPROTONOSUPPORT),  # MPTCP
        ("x86_64", 9, (0, 4096, 3, 0x22), ALLOW),  # memory of one's own
        ("x86_64", 9, (0, 4096, 3, 0x01), ALLOW),  # a file's
        ("x86_64", 9, (0, 4096, 3, 0x21), 0x00050000 | errno.ENODEV),  # shared without a file
        ("x86_64", 9, (0, 4096, 3, 0x23), 0x00050000 | errno.ENODEV),
        ("x86_64", 9, (0, 4096, 3, 0x40022), 0x00050000 | errno.ENOMEM),  # a huge page
        ("x86_64", 54, (3, 1, 7), 0x00050000),  # a larger buffer: nothing happens
        ("x86_64", 54, (3, 1, 2), ALLOW),  # SO_REUSEADDR
        ("x86_64", 54, (3, 6, 7), ALLOW),  # TCP's own options
        ("x86_64", 54, (3, 1, 26), EPERM),  # a filter
        ("x86_64", 54, (3, 6, 31), 0x00050000 | errno.ENOENT),  # another protocol over it
        ("x86_64", 72, (3, 1031), EPERM),  # a pipe's size
        ("x86_64", 72, (3, 6), ALLOW),  # a lock
        ("x86_64", 40, (), ENOSYS),  # sendfile
        ("x86_64", 188, (), 0x00050000 | errno.EOPNOTSUPP),  # setxattr
        ("x86_64", 157, (78, 1, 1 << 20), 0x00050000 | errno.EINVAL),  # a table of futexes
        ("x86_64", 157, (15,), ALLOW),  # a thread's name
        ("x86_64", 0x40000000 | 101, (), ENOSYS),  # the x32 table
        ("aarch64", 63, (), ALLOW),  # read
        ("aarch64", 117, (), EPERM),  # ptrace
        ("aarch64", 220, (0x11,), ALLOW),  # fork
        ("aarch64", 220, (0x00020011,), EPERM),  # clone with a mount namespace
        ("aarch64", 198, (16,), 0x00050000 | errno.EOPNOTSUPP),  # netlink
        ("aarch64", 280, (), EPERM),  # bpf
        ("aarch64", 222, (0, 4096, 3, 0x21), 0x00050000 | errno.ENODEV),  # memory shared without a file
        ("aarch64", 208, (3, 1, 8), 0x00050000),  # a larger buffer
        ("aarch64", 25, (3, 1031), EPERM),  # a pipe's size
    ],
)
def test_the_filter_judges_calls_as_it_says(
    machine: str, number: int, arguments: tuple[int, ...], verdict: int
) -> None:
    assert judge(seccomp.program(machine), number, *arguments, arch=ARCH[machine]) == verdict


@pytest.mark.parametrize(
    ("machine", "number", "arguments", "verdict"),
    [
        (
            "x86_64",
            41,
            (16, 3, 4),
            0x00050000 | errno.EOPNOTSUPP,
        ),  # questions about sockets, which PID 1 may ask
        ("x86_64", 41, (1, 1, 0), ALLOW),
        ("x86_64", 444, (), 0x00050000 | errno.EOPNOTSUPP),  # Landlock
        ("x86_64", 317, (1, 0), EPERM),  # another filter
        ("x86_64", 157, (22, 2), EPERM),
        ("x86_64", 157, (4, 0), ALLOW),
        ("aarch64", 198, (16, 3, 4), 0x00050000 | errno.EOPNOTSUPP),
        ("aarch64", 63, (), ALLOW),  # read
    ],
)
def test_the_second_filter_judges_calls_as_it_says(
    machine: str, number: int, arguments: tuple[int, ...], verdict: int
) -> None:
    assert judge(seccomp.second(machine), number, *arguments, arch=ARCH[machine]) == verdict


def test_a_foreign_architectures_calls_end_the_process() -> None:
    assert judge(seccomp.program("x86_64"), 0, arch=0x40000003) == KILL


def test_an_unknown_machine_has_no_filter() -> None:
    with pytest.raises(seccomp.UnsupportedMachineError, match="riscv64"):
        seccomp.program("riscv64")


@pytest.mark.parametrize("drop", [None, False])
async def test_cells_work_for_root_and_for_a_plain_user(drop: bool | None) -> None:
    # A plain user's cells are built without first becoming somebody else.
    bench = Bench(Sandbox(level="cell", limits=LIMITS, drop=drop))

    output = await bench.output("import os\ndef main():\n    return os.getuid()")
    cell = await bench.ready()
    await cell.idle()
    inside = processes_of(cell)
    await bench.close()

    assert output == 1000
    assert not cell.alive
    assert await gone(inside)


async def test_cells_of_a_root_worker_are_not_roots() -> None:
    bench = Bench(sandbox())
    cell = await bench.ready()

    owners = {owner(pid) for pid in processes_of(cell)}
    await bench.close()

    assert 0 not in owners or os.getuid() != 0


async def test_a_cells_processes_are_the_first_that_a_machine_without_memory_ends() -> None:
    bench = Bench(sandbox())
    code = "def main():\n    return open('/proc/self/oom_score_adj').read().strip()"

    output = await bench.output(code)
    await bench.close()

    assert output == "1000"


async def test_the_level_limits_runs_steps_and_ends_their_children() -> None:
    bench = Bench(sandbox(level="limits"))
    code = "import subprocess\ndef main():\n  subprocess.Popen(['sleep', '600'], start_new_session=True)\n  return 1"

    output = await bench.output("import os\ndef main():\n    return [os.getcwd(), sorted(os.environ)]")
    cell = await bench.ready()
    await cell.idle()
    inside = processes_of(cell)
    kind, message, _ = await bench.failure(code)
    await bench.close()

    assert output[0].endswith("/work")
    assert not any(name.startswith("MCPANEL") for name in output[1])
    assert cell.level == "limits"
    assert (kind, message) == ("USER_ERROR", "the step left processes behind, which were killed: sleep")
    assert await gone(inside)
    assert not os.path.exists(output[0])  # noqa: ASYNC240, PTH110


@pytest.mark.parametrize("level", ["cell", "limits"])
async def test_steps_take_the_processor_after_the_suite(level: str) -> None:
    bench = Bench(sandbox(level=level))
    try:
        niceness = await bench.output("import os\ndef main():\n    return os.nice(0)")
    finally:
        await bench.close()

    assert niceness == min(19, os.nice(0) + 5)


async def test_a_machine_without_cells_gets_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.cells.bubblewrap.find_bwrap", lambda: Path("/bin/false"))

    with pytest.raises(probe.IsolationError, match=r"refuses to build cells .* or accept weaker isolation"):
        await probe.sandbox("cell", LIMITS, None)


def test_memory_is_limited_by_the_kernel_where_it_can_be(tmp_path: Path) -> None:
    group = tmp_path / "user.slice"
    group.mkdir()
    (group / "cgroup.controllers").write_text("cpu memory pids\n")
    (group / "cgroup.subtree_control").write_text("memory\n")
    process = tmp_path / "cgroup"
    process.write_text("0::/user.slice\n")

    found = Cgroup.detect(tmp_path, process)
    assert found is not None
    cell = found.enclose(os.getpid(), LIMITS)

    assert cell is not None
    made = next(group.glob("cell-*"))
    assert (made / "memory.max").read_text() == str(LIMITS.memory)
    assert (made / "cgroup.procs").read_text() == str(os.getpid())


def test_a_machine_without_a_memory_controller_has_no_groups(tmp_path: Path) -> None:
    process = tmp_path / "cgroup"
    process.write_text("4:memory:/x\n0::/\n")
    (tmp_path / "cgroup.controllers").write_text("hugetlb\n")

    assert Cgroup.detect(tmp_path, process) is None


HOLDS_DESCRIPTORS_ON_THE_WAY = """
import array, socket, time

import mcpanel_step as step

def main():
    held, sent = [], 0
    try:
        while True:
            ours, theirs = socket.socketpair()
            held += ours, theirs
            for _ in range(8):
                rights = array.array("i", [ours.fileno()] * 100)
                ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                sent += 100
    except OSError as error:
        step.preview([sent, error.strerror])
    time.sleep(60)
"""


async def test_descriptors_that_a_step_keeps_on_the_way_keep_no_other_cell_from_work() -> None:
    hostile, other = Bench(sandbox()), Bench(sandbox())
    attack = asyncio.create_task(hostile.run(HOLDS_DESCRIPTORS_ON_THE_WAY, timeout=60.0))
    try:
        async with asyncio.timeout(30):
            while not hostile.sink.previews:
                await asyncio.sleep(0.05)
        sent, why = hostile.sink.previews[-1]

        answers = [(await other.run("def main(): return 1")).output_json for _ in range(3)]
    finally:
        attack.cancel()
        await hostile.close()
        await other.close()

    assert (sent > 500, why) == (True, "Too many references: cannot splice")
    assert answers == [b"1"] * 3


async def test_children_that_have_ended_and_that_nobody_asked_for_hold_nothing() -> None:
    code = """
import subprocess, time

def main():
    children = [subprocess.Popen(["/bin/true"]) for _ in range(30)]
    time.sleep(1.5)
    return [child.wait() for child in children].count(0)
"""
    bench = Bench(sandbox())
    try:
        assert await bench.output(code) == 30
    finally:
        await bench.close()


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only a worker that runs as root can give cells users of their own"
)
async def test_each_cell_has_a_user_of_its_own() -> None:
    box = sandbox()
    benches = [Bench(box), Bench(box)]
    try:
        owners = {owner((await bench.ready()).pid) for bench in benches}
    finally:
        for bench in benches:
            await bench.close()

    assert len(owners) == 2
    assert 0 not in owners
