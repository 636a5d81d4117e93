"""Scripts that mean harm. Each must end as said, leave no process, and leave the next attempt untouched."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.worker.support.cells import Bench, everywhere, gone, processes_of

HELLO = "def main():\n    return 'hello'"


async def _ends(python: Bench, code: str, inputs: Any = None, *, timeout: float = 20.0) -> tuple[str, str]:
    """Kind and message of the failure; asserts that the cell is gone and that the next attempt works."""
    cell = await python.ready()
    await cell.idle()
    inside = processes_of(cell)
    kind, message, _ = await python.failure(code, inputs, timeout=timeout)

    assert not cell.alive
    assert await gone(inside)
    assert await python.output(HELLO) == "hello"
    return kind, message


async def _holds(python: Bench, code: str, inputs: Any = None) -> Any:
    """The output of an attack that is refused; asserts that nothing is left and that the next attempt works."""
    output = await python.output(code, inputs)

    assert await python.output(HELLO) == "hello"
    return output


@pytest.mark.parametrize("detach", ["os.fork()", "os.fork() or os.setsid() or os.fork()"])
async def test_a_process_left_behind_is_killed_and_named(python: Bench, detach: str) -> None:
    code = f"""
import os, time
def main():
    first = os.getpid()
    {detach}
    if os.getpid() != first:
        time.sleep(600)
    return 1
"""

    kind, message = await _ends(python, code)

    assert kind == "USER_ERROR"
    assert message.startswith("the step left processes behind, which were killed: python")


async def test_a_detached_shell_is_killed_and_named(python: Bench) -> None:
    code = """
import subprocess
def main():
    subprocess.Popen("setsid sleep 987654 & disown", shell=True, executable="/bin/bash", start_new_session=True)
    return 1
"""

    kind, message = await _ends(python, code)

    assert (kind, message) == ("USER_ERROR", "the step left processes behind, which were killed: sleep")
    assert not everywhere("987654")


async def test_a_fork_bomb_is_contained_and_killed(python: Bench) -> None:
    code = """
import os, time
def main():
    count = 0
    while True:
        try:
            if os.fork() == 0:
                time.sleep(600)
        except BlockingIOError:
            print("refused")
            time.sleep(600)
"""

    kind, _ = await _ends(python, code, timeout=1.5)

    assert kind == "TIMED_OUT"
    assert "refused" in python.sink.text() or python.sink.lines == []


async def test_the_number_of_processes_is_limited(python: Bench) -> None:
    code = """
import os, signal
def main():
    children = []
    try:
        while len(children) < 1000:
            pid = os.fork()
            if pid == 0:
                signal.pause()
            children.append(pid)
    except BlockingIOError:
        pass
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return len(children)
"""

    assert 0 < await _holds(python, code) < 48


async def test_no_process_outside_is_visible_and_no_environment_tells_anything(python: Bench) -> None:
    code = """
import os
def read(path):
    try:
        return open(path, "rb").read().decode()
    except OSError as error:
        return type(error).__name__
def main():
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
    return {"pids": pids, "me": os.getpid(), "ppid": os.getppid(), "environ": read(f"/proc/{os.getppid()}/environ"),
            "own": read("/proc/self/environ").split(chr(0)), "memory": read("/proc/1/mem"),
            "variables": sorted(os.environ)}
"""

    found = await _holds(python, code)

    assert found["pids"] == [1, found["me"]]
    assert found["ppid"] == 1
    assert found["environ"] == "PermissionError"
    assert found["memory"] == "PermissionError"
    assert set(found["variables"]) <= {"HOME", "LANG", "PATH", "PWD", "TMPDIR", "TZ"}
    assert all(not variable or variable.split("=")[0] in found["variables"] for variable in found["own"])


async def test_dangerous_system_calls_are_refused(python: Bench) -> None:
    code = """
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def refused(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    return result == -1 and errno.errorcode[ctypes.get_errno()]
def family(number):
    try:
        socket.socket(number, socket.SOCK_DGRAM).close()
    except OSError as error:
        return errno.errorcode[error.errno]
def main(machine: str):
    x86 = machine == "x86_64"
    table = {
        "ptrace": (101 if x86 else 117, 0, 0, 0, 0),
        "process_vm_readv": (310 if x86 else 270, 1, 0, 0, 0, 0, 0),
        "unshare": (272 if x86 else 97, 0x10000000),
        "clone": (56 if x86 else 220, 0x10000011, 0, 0, 0, 0),
        "clone3": (435, 0, 0),
        "setns": (308 if x86 else 268, 0, 0),
        "mount": (165 if x86 else 40, 0, 0, 0, 0, 0),
        "bpf": (321 if x86 else 280, 0, 0, 0),
        "keyctl": (250 if x86 else 219, 0, 0, 0, 0, 0),
        "perf_event_open": (298 if x86 else 241, 0, 0, 0, 0, 0),
        "userfaultfd": (323 if x86 else 282, 0),
        "io_uring_setup": (425, 1, 0),
        "open_by_handle_at": (304 if x86 else 265, 0, 0, 0),
        "kexec_load": (246 if x86 else 104, 0, 0, 0, 0),
        "shmget": (29 if x86 else 194, 0, 4096, 0o1600),
    }
    calls = {name: refused(*arguments) for name, arguments in table.items()}
    return {"calls": calls, "netlink": family(16), "vsock": family(40), "alg": family(38)}
"""

    found = await _holds(python, code, {"machine": os.uname().machine})

    assert found["calls"].pop("clone3") == "ENOSYS"
    assert set(found["calls"].values()) == {"EPERM"}
    assert {found["netlink"], found["vsock"], found["alg"]} == {"ENOTSUP"}


async def test_a_step_holds_no_privilege(python: Bench) -> None:
    code = """
import os
def main():
    status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
    kept = {name: status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp")}
    try:
        os.setuid(0)
        kept["root"] = True
    except OSError:
        kept["root"] = False
    return kept
"""

    found = await _holds(python, code)

    assert {found[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {"0" * 16}
    assert (found["NoNewPrivs"], found["Seccomp"], found["root"]) == ("1", "2", False)


async def test_a_steps_signals_do_not_reach_its_keeper(python: Bench) -> None:
    code = """
import os, signal
def main():
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV):
        os.kill(1, number)
    return "sent"
"""
    cell = await python.ready()

    assert await _holds(python, code) == "sent"
    assert python.cell is cell


async def test_the_network_is_not_there(python: Bench) -> None:
    code = """
import socket
def main(port: int):
    found = []
    for address in (("127.0.0.1", port), ("169.254.169.254", 80), ("1.1.1.1", 53)):
        try:
            socket.create_connection(address, timeout=2).close()
            found.append("connected")
        except OSError as error:
            found.append(type(error).__name__)
    interfaces = [line.split(":")[0].strip() for line in open("/proc/net/dev").read().splitlines()[2:]]
    return {"found": found, "interfaces": interfaces, "unix": open("/proc/net/unix").read().count("\\n")}
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = await _holds(python, code, {"port": server.getsockname()[1]})

    assert "connected" not in found["found"]
    assert found["interfaces"] == ["lo"]
    assert found["unix"] <= 2


async def test_writing_outside_the_work_folders_is_refused(python: Bench) -> None:
    code = """
import os
def main(outside: list):
    found = {}
    for path in ["/x", "/usr/x", "/etc/x", "/mcpanel/inside/warm.py", "/dev/x", "/proc/sys/kernel/hostname", *outside]:
        try:
            open(path, "w").close()
            found[path] = "written"
        except OSError:
            pass
    return found
"""
    outside = [str(Path.home() / "x"), str(Path(__file__).parent / "x"), "/var/tmp/x", "/run/x"]

    assert await _holds(python, code, {"outside": outside}) == {}


async def test_symlinks_lead_nowhere(python: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    code = """
import os
def main(target: str):
    os.symlink(target, "/work/link")
    os.symlink("/proc/1/root", "/tmp/root")
    found = []
    for path in ("/work/link", "/tmp/root" + target, f"/proc/self/root/../../..{target}", f"/proc/self/cwd/..{target}"):
        try:
            found.append(open(path).read())
        except OSError as error:
            found.append(None)
    return found
"""

    assert await _holds(python, code, {"target": str(secret)}) == [None] * 4
    assert secret.read_text() == "canary"


async def test_key_files_cannot_be_read(python: Bench, tmp_path: Path) -> None:
    keys = [
        tmp_path / "worker.key",
        Path("/etc/shadow"),
        Path.home() / ".ssh" / "id_rsa",
        Path.cwd() / ".env",
    ]
    keys[0].write_text("mcp_canary")
    code = """
import os
def main(paths: list[str]):
    found = [path for path in paths if os.path.exists(path)]
    for folder, _, files in os.walk("/"):
        if folder.startswith(("/proc", "/usr", "/dev")):
            continue
        found += [f"{folder}/{name}" for name in files if name.endswith(".key") or name in (".env", "id_rsa")]
    return found
"""

    assert await _holds(python, code, {"paths": [str(path) for path in keys]}) == []


async def test_only_the_pipes_of_the_step_are_open(python: Bench) -> None:
    code = """
import os
def main():
    found = {}
    for fd in range(64):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}").split(":")[0]
        except OSError:
            pass
    return sorted(found.values())
"""

    assert await _holds(python, code) == ["/dev/null", "pipe", "pipe", "pipe", "pipe"]


async def test_a_memory_hog_is_an_outcome_of_its_own(python: Bench) -> None:
    kind, message = await _ends(python, "def main():\n    return len(bytearray(1 << 30))")

    assert (kind, message) == ("OUT_OF_MEMORY", "the step ran out of memory: it may use 256 MiB")


async def test_many_processes_together_are_held_to_the_memory_limit(python: Bench) -> None:
    code = """
import os, time
def main():
    for _ in range(6):
        if os.fork() == 0:
            kept = bytearray(os.urandom(1024)) * 80_000
            time.sleep(60)
    time.sleep(60)
"""

    kind, message = await _ends(python, code)

    assert (kind, message) == ("OUT_OF_MEMORY", "the step used more than 256 MiB of memory and was killed")


async def test_the_disk_is_limited(python: Bench) -> None:
    code = """
import errno
def main():
    found = []
    for path in ("/work/x", "/tmp/x", "/dev/shm/x"):
        try:
            with open(path, "wb") as file:
                for _ in range(64):
                    file.write(bytes(1 << 20))
            found.append("written")
        except OSError as error:
            found.append(errno.errorcode[error.errno])
    return found
"""

    assert set(await _holds(python, code)) <= {"ENOSPC", "EFBIG"}


async def test_endless_output_is_cut_and_counted(python: Bench) -> None:
    code = "import os\ndef main():\n  for _ in range(1600):\n    os.write(1, b'x' * 65535 + b'\\n')\n  return 'done'"

    assert await _holds(python, code) == "done"

    # the sink is the next attempt's by now; run it again to look at its lines
    await python.output(code)
    kept = sum(len(line) for stream, _, line in python.sink.lines if stream == "stdout")
    assert kept <= 1 << 20
    assert python.sink.lines[-1] == (
        "log",
        "WARNING",
        f"{1600 * 65536 - (1 << 20):,} bytes of output were dropped: a step keeps 1,048,576",
    )
    assert max(len(line) for _, _, line in python.sink.lines) <= 16 * 1024


async def test_ignoring_sigterm_only_delays_the_end(python: Bench) -> None:
    code = """
import signal, time
def main():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        try:
            print("on", flush=True)
            time.sleep(600)
        except BaseException:
            pass
"""
    cell = await python.ready()
    await cell.idle()
    inside = processes_of(cell)
    running = asyncio.create_task(python.run(code))
    while not python.sink.lines:
        await asyncio.sleep(0.01)

    cell.cancel()
    async with asyncio.timeout(5.0):
        outcome = await running

    assert outcome.failure is not None
    assert outcome.failure.kind == "CANCELLED"
    assert await gone(inside)
    assert await python.output(HELLO) == "hello"


async def test_a_sleeping_step_is_killed_at_its_timeout(python: Bench) -> None:
    kind, message = await _ends(python, "import time\ndef main():\n    time.sleep(600)", timeout=0.3)

    assert (kind, message) == ("TIMED_OUT", "the step ran longer than 0.3 s and was killed")


@pytest.mark.parametrize(
    "write",
    [
        "os.write(fd, b'\\xff' * 4096)",
        "os.write(fd, b'\\0\\0\\0\\2J{}')",
        'os.write(fd, b\'\\0\\0\\0\\x0eJ{"t":"result"}\\0\\0\\0\\3BNaN\')',
        "os.write(fd, b'\\0\\0\\0\\x0eJ{\"t\":\"result\"}' + b'\\0\\0\\0\\1B]')",
    ],
)
async def test_garbage_on_the_steps_pipe_ends_it(python: Bench, write: str) -> None:
    code = f"""
import mcpanel_step, os, time
def main():
    fd = mcpanel_step._connection.tx
    {write}
    time.sleep(600)
"""

    kind, message = await _ends(python, code)

    assert kind == "USER_ERROR"
    assert message.startswith("the step broke its connection to the worker")


async def test_closing_everything_ends_the_step_only(python: Bench) -> None:
    kind, _ = await _ends(python, "import os\ndef main():\n    os.closerange(0, 1000)\n    return 1")

    assert kind == "USER_ERROR"


async def test_a_killed_step_takes_its_children_along(python: Bench) -> None:
    code = "import os, subprocess\ndef main():\n    subprocess.Popen(['sleep', '876543'])\n    os.kill(os.getpid(), 9)"

    kind, message = await _ends(python, code)

    assert (kind, message) == ("CELL_DIED", "the step's process was ended by SIGKILL")
    assert not everywhere("876543")
