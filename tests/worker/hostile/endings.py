"""Attacks that end their attempt: data for any kind of component that runs Python.

Each must end with one of the failures named, leave no process, and leave the next attempt untouched.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Ending:
    """An attack, the body of a function, and how its attempt ends.

    `kind` is a kind of failure, or several with | between; `message` a part of what is said.
    """

    name: str
    code: str
    kind: str
    message: str = ""
    """A regular expression."""
    timeout: float = 20.0
    everywhere: bool = False
    """Whether every kind of component tries it; else Python scripts do."""


_LEFT: Final = r"left processes behind, which were killed: "

ENDINGS: Final = (
    Ending("a fork left behind", "os.fork() or signal.pause()\nreturn 1", "USER_ERROR", _LEFT + "python"),
    Ending(
        "a double fork",
        "first = os.getpid()\n"
        "os.fork() or os.setsid() or os.fork()\n"
        "if os.getpid() != first:\n"
        "    signal.pause()\n"
        "return 1",
        "USER_ERROR",
        _LEFT + "python",
    ),
    Ending(
        "a daemon of a shell",
        "subprocess.Popen('setsid sleep 987654 & disown', shell=True, executable='/bin/bash', start_new_session=True)\n"
        "return 1",
        "USER_ERROR",
        _LEFT + "sleep",
        everywhere=True,
    ),
    Ending(
        "a fork bomb",
        "while True:\n"
        "    try:\n"
        "        os.fork() or signal.pause()\n"
        "    except BlockingIOError:\n"
        "        signal.pause()",
        "TIMED_OUT|OUT_OF_MEMORY",
        "was killed",
        timeout=1.5,
        everywhere=True,
    ),
    Ending(
        "a fork bomb that gives up",
        "while True:\n    os.fork() or signal.pause()",
        "USER_ERROR|OUT_OF_MEMORY",  # whichever limit it reaches first: its processes are looked at now and then
        r"a step may have \d+ processes and threads at once|used more than \d+ MiB of memory",
    ),
    Ending(
        "a thread bomb",
        "import threading\n"
        "while True:\n"
        "    threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "USER_ERROR",
        r"a step may have \d+ processes and threads at once",
    ),
    Ending(
        "a memory hog",
        "return len(bytearray(1 << 30))",
        "OUT_OF_MEMORY",
        r"ran out of memory: it may use 256 MiB",
    ),
    Ending(
        "a memory hog of many processes",
        "for _ in range(6):\n"
        "    if os.fork() == 0:\n"
        "        kept = bytearray(os.urandom(1024)) * (GIVEN['memory'] // 4096)\n"
        "        signal.pause()\n"
        "signal.pause()",
        "OUT_OF_MEMORY",
        r"used more than \d+ MiB of memory and was killed",
        everywhere=True,
    ),
    Ending(
        "a memory hog of shared memory that it lets go of",
        "kept = mmap.mmap(-1, GIVEN['memory'] * 2)\n"
        "for place in range(0, len(kept), 4096):\n"
        "    kept[place] = 1\n"
        "kept.madvise(mmap.MADV_DONTNEED)\n"
        "signal.pause()",
        "USER_ERROR",
        r"memory cannot be shared without a file: take multiprocessing\.shared_memory",
    ),
    Ending(
        "a memory hog of mappings of nothing",
        "kept = mmap.mmap(-1, GIVEN['memory'] << 10, flags=mmap.MAP_PRIVATE | 0x4000, prot=mmap.PROT_READ)\n"
        "for place in range(0, len(kept), 1 << 21):\n"
        "    kept[place]\n"
        "signal.pause()",
        "OUT_OF_MEMORY",
        r"used more than \d+ MiB of memory and was killed",
    ),
    Ending(
        "memory of processes whose first thread has ended",
        "import ctypes, threading, time\n"
        "def grow():\n"
        "    time.sleep(0.4)\n"
        "    kept.append(b'x' * (90 << 20))\n"
        "    signal.pause()\n"
        "kept = []\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        threading.Thread(target=grow).start()\n"
        "        ctypes.CDLL(None).syscall(60 if os.uname().machine == 'x86_64' else 93, 0)\n"
        "time.sleep(30)",
        "OUT_OF_MEMORY",
        r"used more than \d+ MiB of memory and was killed",
    ),
    Ending(
        "files watched over and over",
        "import select\n"
        "ends = [end for _ in range(100) for end in os.pipe()]\n"
        "watches = [select.epoll() for _ in range(400)]\n"
        "for watch in watches:\n"
        "    for end in ends:\n"
        "        watch.register(end)\n"
        "signal.pause()",
        "USER_ERROR",
        r"had more than 65,536 files watched by epoll at once and was killed: watch fewer",
    ),
    Ending(
        "sockets of many processes, all full",
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        break\n"
        "kept = [one for _ in range(200) for one in socket.socketpair()]\n"
        "for one in kept[:4]:\n"
        "    one.setblocking(False)\n"
        "    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)\n"
        "    tried(one.sendall, bytes(1 << 20))\n"
        "signal.pause()",
        "USER_ERROR",
        r"had more than 1,024 sockets at once and was killed: close those",
        everywhere=True,
    ),
    Ending(
        "sockets that no process has open",
        "server = socket.socket(socket.AF_UNIX)\n"
        "server.bind('')\n"
        "server.listen(4096)\n"
        "for _ in range(1500):\n"
        "    with socket.socket(socket.AF_UNIX) as one:\n"
        "        one.connect(server.getsockname())\n"
        "        one.send(b'x')\n"
        "signal.pause()",
        "USER_ERROR",
        r"had more than 1,024 sockets at once and was killed",
    ),
    Ending(
        "pipes of many processes",
        "for _ in range(20):\n"
        "    if os.fork() == 0:\n"
        "        break\n"
        "kept = [os.pipe() for _ in range(450)]\n"
        "signal.pause()",
        "USER_ERROR",
        r"had more than 16,384 open files in all its processes at once and was killed",
    ),
    Ending(
        "mappings of many processes",
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        break\n"
        "length = 60000 << 12\n"
        "libc.mmap.restype = ctypes.c_void_p\n"
        "start = libc.mmap(None, ctypes.c_size_t(length), 1, 0x4022, -1, ctypes.c_long(0))\n"
        "for place in range(start, start + length, 8192):\n"
        "    libc.mprotect(ctypes.c_void_p(place), ctypes.c_size_t(4096), 0)\n"
        "signal.pause()",
        "USER_ERROR",
        r"had more than 131,072 mappings of memory in all its processes at once and was killed",
    ),
    Ending(
        "locks without end",
        "with open('/work/locked', 'wb') as file:\n"
        "    for place in range(0, 10000, 2):\n"
        "        fcntl.lockf(file, fcntl.LOCK_EX, 1, place)\n"
        "    signal.pause()",
        "USER_ERROR",
        r"had more than 4,096 locks of files at once and was killed",
    ),
    Ending(
        "a full disk",
        "with open('/work/x', 'wb') as one, open('/work/y', 'wb') as other:\n"
        "    while True:\n"
        "        one.write(bytes(1 << 20))\n"
        "        other.write(bytes(1 << 20))",
        "USER_ERROR",
        r"/work and /tmp hold 16 MiB each",
    ),
    Ending(
        "a huge file",
        "with open('/work/x', 'wb') as file:\n    os.truncate('/work/x', 1 << 40)",
        "USER_ERROR",
        r"a file may have 16 MiB",
    ),
    Ending(
        "too many files",
        "return [os.dup(0) for _ in range(2000)]",
        "USER_ERROR",
        r"a process may have 1,024 files open at once",
    ),
    Ending("a huge output", "return 'x' * 20_000_000", "INVALID_OUTPUT", r"over the limit of"),
    Ending(
        "an output within itself",
        "found = []\nfound.append(found)\nreturn found",
        "INVALID_OUTPUT",
        "contains itself",
    ),
    Ending(
        "an output nested without end",
        "found = 1\nfor _ in range(100_000):\n    found = [found]\nreturn found",
        "INVALID_OUTPUT",
        "an output of 256 KiB or less may be nested 30 levels deep$",
    ),
    Ending(
        "output without end", "while True:\n    os.write(1, b'x' * 65535 + b'\\n')", "TIMED_OUT", timeout=0.5
    ),
    Ending(
        "sleeping on", "signal.pause()", "TIMED_OUT", r"ran longer than 0\.3 s and was killed", timeout=0.3
    ),
    Ending(
        "a pipe that nobody writes", "os.mkfifo('/work/f')\nopen('/work/f').read()", "TIMED_OUT", timeout=0.3
    ),
    Ending("stopping itself", "os.kill(os.getpid(), signal.SIGSTOP)", "TIMED_OUT", timeout=0.3),
    Ending(
        "more processor time",
        "os.kill(os.getpid(), signal.SIGXCPU)\nsignal.pause()",
        "TIMED_OUT",
        "used more processor time than",
    ),
    Ending("an alarm", "signal.alarm(1)\nsignal.setitimer(0, 0.01)\nsignal.pause()", "CELL_DIED", "SIGALRM"),
    Ending("a wild pointer", "ctypes.string_at(1)", "CELL_DIED", "SIGSEGV"),
    Ending(
        "killing itself and not its children",
        "subprocess.Popen(['sleep', '876543'])\nos.kill(os.getpid(), 9)",
        "CELL_DIED",
        "SIGKILL",
    ),
    Ending(
        "killing everybody",
        "os.fork() or signal.pause()\nos.kill(-1, signal.SIGKILL)\nos.kill(os.getpid(), signal.SIGKILL)",
        "CELL_DIED",
        everywhere=True,
    ),
    Ending(
        "becoming another program",
        "os.execv('/bin/true', ['true'])",
        "USER_ERROR",
        "before it returned a result",
    ),
    Ending("leaving in the middle", "os._exit(0)", "USER_ERROR", "before it returned a result"),
    Ending("closing everything", "os.closerange(0, 1000)\nreturn 1", "USER_ERROR"),
    *(
        Ending(
            f"garbage for the worker {number}",
            f"import mcpanel_step\nos.write(mcpanel_step._connection.tx, {frame!r})\nsignal.pause()",
            "USER_ERROR",
            "broke its connection to the worker",
        )
        for number, frame in enumerate(
            (
                b"\xff" * 4096,
                b"\0\0\0\2J{}",
                b'\0\0\0\x0eJ{"t":"result"}\0\0\0\3BNaN',
                b'\0\0\0\x0eJ{"t":"result"}\0\0\0\1B]',
            )
        )
    ),
    Ending(
        "a failure that cannot be told",
        "class Mute(Exception):\n    def __str__(self):\n        os.abort()\nraise Mute",
        "CELL_DIED",
        "SIGABRT",
    ),
)
