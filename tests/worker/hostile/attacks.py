"""Attacks that are refused, or come to nothing: data for any kind of component that runs Python.

Each is the body of a function; what it returns has to be among `allowed`. All of a kind run in one attempt, which goes
on to succeed: nothing is left of any of them. `GIVEN` has what is outside of the cell; what `PREAMBLE` defines is at
hand.
"""

from dataclasses import dataclass
from typing import Any, Final

PREAMBLE: Final = '''
import ctypes, errno, fcntl, json, mmap, os, platform, resource, signal, socket, stat, subprocess, sys

libc = ctypes.CDLL(None, use_errno=True)

def call(x86, arm, *arguments):
    """The name of a system call's error, or "done"."""
    ctypes.set_errno(0)
    number = x86 if platform.machine() == "x86_64" else arm
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(one) for one in arguments])
    return errno.errorcode[ctypes.get_errno()] if result == -1 else "done"

def tried(action, *arguments, **more):
    """The name of an action's error, or "done"."""
    try:
        action(*arguments, **more)
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
    except ValueError:
        return "ValueError"
    return "done"

def read(path):
    """What a file holds; empty when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20).decode("utf-8", "replace")
    except OSError:
        return ""

def write(path):
    with open(path, "r+b" if os.path.exists(path) else "wb") as file:
        file.write(b"x")

def connect(*address):
    socket.create_connection(address, timeout=2).close()

def every(name):
    """A file of every process there is."""
    return "".join(read(f"/proc/{pid}/{name}") for pid in os.listdir("/proc") if pid.isdecimal())
'''


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack, and what it may come to."""

    name: str
    code: str
    allowed: tuple[Any, ...] = ("EPERM",)


_NO_SOCKET: Final = ("ENOTSUP", "EOPNOTSUPP")
_NO_WAY: Final = ("EACCES", "ECONNREFUSED", "ENETUNREACH", "EPERM")
_NO_FILE: Final = ("EACCES", "EROFS", "EPERM", "ENOENT", "EBUSY", "EXDEV")

ATTACKS: Final = (
    # other processes
    Attack("the environment of every process", "return 'PYTEST' in every('environ')", (False,)),
    Attack("the arguments of every process", "return GIVEN['argument'] in every('cmdline')", (False,)),
    Attack("the environment of its keeper", "return read('/proc/1/environ')", ("",)),
    Attack("the memory of its keeper", "return tried(open, '/proc/1/mem', 'rb')", ("EACCES",)),
    Attack("writing the memory of its keeper", "return tried(open, '/proc/1/mem', 'r+b')", ("EACCES",)),
    Attack("the files of its keeper", "return tried(os.listdir, '/proc/1/fd')", ("EACCES",)),
    Attack("a process outside", "return os.path.exists(f\"/proc/{GIVEN['pid']}/stat\")", (False,)),
    Attack("tracing its keeper", "return call(101, 117, 16, 1, 0, 0)"),
    Attack("reading its keeper's memory", "return call(310, 270, 1, 0, 0, 0, 0, 0)"),
    Attack("taking its keeper's descriptor", "return call(438, 438, os.pidfd_open(1), 3, 0)"),
    Attack(
        "signals to its keeper",
        "return [tried(os.kill, 1, one) for one in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, signal.SIGHUP)]",
        (["done"] * 4, ["EPERM"] * 4),
    ),
    Attack(
        "its keeper's limits and priority, which the next step inherits",
        "return [\n"
        "    tried(resource.prlimit, 1, resource.RLIMIT_NOFILE, (64, 64)),\n"
        "    *(tried(os.setpriority, kind, kind == 0, 19) for kind in range(3)),\n"
        "    tried(os.sched_setaffinity, 1, {0}),\n"
        "    tried(os.sched_setscheduler, 1, os.SCHED_IDLE, os.sched_param(0)),\n"
        "    call(251, 30, 1, 1, 7 | 3 << 13),\n"
        "]",
        (["EPERM"] * 7,),
    ),
    Attack(
        "memory in a file without a folder",
        "return [call(319, 279, 0, 0), call(447, 447, 0)]",
        (["EPERM"] * 2,),
    ),
    Attack("a better priority", "return tried(os.nice, -5)", ("EPERM", "EACCES")),
    Attack(
        "real time", "return tried(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1))", ("EPERM",)
    ),
    # memory of the kernel, which is in no process's size
    Attack(
        "larger buffers of a socket",
        "one, _ = socket.socketpair()\n"
        "names = (socket.SO_SNDBUF, socket.SO_RCVBUF)\n"
        "before = [one.getsockopt(socket.SOL_SOCKET, name) for name in names]\n"
        "for name in names:\n"
        "    one.setsockopt(socket.SOL_SOCKET, name, 1 << 22)\n"
        "return [one.getsockopt(socket.SOL_SOCKET, name) for name in names] == before",
        (True,),
    ),
    Attack("a larger buffer of a pipe", "return tried(fcntl.fcntl, os.pipe()[1], 1031, 1 << 20)"),
    Attack(
        "filters of a socket",
        "one, _ = socket.socketpair()\n"
        "return [tried(one.setsockopt, socket.SOL_SOCKET, name, bytes(16)) for name in (26, 50, 51, 52)]",
        (["EPERM"] * 4,),
    ),
    Attack(
        "memory shared without a file",
        "shared = (mmap.MAP_SHARED, 3, mmap.MAP_SHARED | 0x4000)\n"
        "found = [tried(mmap.mmap, -1, 4096, flags=one | mmap.MAP_ANONYMOUS) for one in shared]\n"
        "return [*found, tried(open, '/dev/zero', 'rb'), tried(os.chmod, '/dev/zero', 0o666)]",
        (["ENODEV"] * 3 + ["EACCES", "EROFS"], ["ENODEV"] * 3 + ["EACCES", "EPERM"]),
    ),
    Attack(
        "huge pages", "return tried(mmap.mmap, -1, 1 << 21, flags=mmap.MAP_PRIVATE | 0x40020)", ("ENOMEM",)
    ),
    Attack(
        "pages of a file that a pipe or a socket keeps",
        "return [call(40, 71, 1, 0, 0, 1), call(275, 76, 0, 0, 1, 0, 1, 0), call(276, 77, 0, 1, 1, 0)]",
        (["ENOSYS"] * 3,),
    ),
    Attack("words of watched folders", "return call(294, 26, 0)", ("ENOSYS",)),
    Attack("requests without a process", "return call(206, 0, 128, 0)"),
    Attack("rules for parts of a file's memory", "return call(237, 235, 0, 4096, 0, 0, 0, 0)"),
    Attack(
        "locks that everybody is shown",
        "with open('/work/locked', 'wb') as file:\n"
        "    found = tried(fcntl.fcntl, file, 37, bytes(32))\n"
        "os.remove('/work/locked')\n"
        "return found",
        ("EINVAL",),
    ),
    Attack("a table of futexes without end", "return call(157, 167, 78, 1, 1 << 20, 0, 0)", ("EINVAL",)),
    Attack(
        "lists of access without end",
        "open('/work/listed', 'w').close()\n"
        "entries = [(1, 7, 0)] + [(2, 7, 1000)] * 8000 + [(4, 7, 0), (16, 7, 0), (32, 7, 0)]\n"
        "acl = (2).to_bytes(4, 'little') + b''.join(\n"
        "    a.to_bytes(2, 'little') + b.to_bytes(2, 'little') + c.to_bytes(4, 'little') for a, b, c in entries\n"
        ")\n"
        "found = [tried(os.setxattr, '/work/listed', name, acl) for name in ('system.posix_acl_access', 'user.x')]\n"
        "os.remove('/work/listed')\n"
        "return sorted(set(found) - {'ENOTSUP', 'EOPNOTSUPP'})",
        ([],),
    ),
    Attack(
        "filters without end",
        "return [call(317, 277, 1, 0, 0), call(317, 277, 1, 8, 0), call(157, 167, 22, 2, 0, 0, 0)]",
        (["EPERM"] * 3,),
    ),
    Attack(
        "timers without end",
        "libc.timer_create.restype = ctypes.c_int\n"
        "timer = ctypes.c_void_p()\n"
        "for number in range(4096):\n"
        "    if libc.timer_create(1, None, ctypes.byref(timer)) < 0:\n"
        "        return errno.errorcode[ctypes.get_errno()]\n"
        "return number",
        ("EAGAIN",),
    ),
    Attack("rules for folders without end", "return call(444, 444, 0, 0, 1)", ("EOPNOTSUPP", "ENOTSUP")),
    Attack("outliving others", "return tried(write, '/proc/self/oom_score_adj')", _NO_FILE),
    Attack(
        "protocols that other walls do not know",
        "found = [tried(socket.socket, socket.AF_INET, socket.SOCK_STREAM, one) for one in (132, 262, 256)]\n"
        "return [*found, tried(socket.socket().setsockopt, socket.IPPROTO_TCP, 31, b'smc')]",
        (["EPROTONOSUPPORT"] * 3 + ["ENOENT"],),
    ),
    # privileges
    Attack(
        "becoming root", "return [tried(os.setuid, 0), tried(os.setgid, 0)]", (["EPERM"] * 2, ["EINVAL"] * 2)
    ),
    Attack(
        "capabilities",
        "return sorted({line.split()[1] for line in read('/proc/self/status').split('\\n') if line[:3] == 'Cap'})",
        (["0" * 16],),
    ),
    Attack("gaining privileges later", "return 'NoNewPrivs:\\t1' in read('/proc/self/status')", (True,)),
    Attack(
        "a set-user-id program",
        "path = '/work/id'\n"
        "open(path, 'wb').write(open('/usr/bin/id', 'rb').read())\n"
        "os.chmod(path, 0o4755)\n"
        "found = subprocess.run([path, '-u'], capture_output=True, text=True).stdout.strip()\n"
        "os.remove(path)\n"
        "return found",
        ("1000", ""),
    ),
    # namespaces and mounts
    Attack("a user namespace", "return call(272, 97, 0x10000000)"),
    Attack("a clone with a user namespace", "return call(56, 220, 0x10000011, 0, 0, 0, 0)"),
    Attack("clone3, whose flags no filter sees", "return call(435, 435, 0, 0)", ("ENOSYS",)),
    Attack("another namespace", "return call(308, 268, os.open('/proc/self/ns/net', os.O_RDONLY), 0)"),
    Attack("a mount", "return [call(165, 40, 0, 0, 0, 0, 0), call(430, 430, 0, 0)]", (["EPERM"] * 2,)),
    Attack("another root", "return [call(161, 51, 0), call(155, 41, 0, 0)]", (["EPERM"] * 2,)),
    Attack("a file by its handle", "return call(304, 265, 0, 0, 0)"),
    # the kernel
    Attack("bpf", "return call(321, 280, 0, 0, 0)"),
    Attack("perf", "return call(298, 241, 0, 0, 0, 0, 0)"),
    Attack("userfaultfd", "return call(323, 282, 0)"),
    Attack("io_uring", "return call(425, 425, 1, 0)"),
    Attack(
        "keyrings", "return [call(250, 219, 0, 0, 0, 0, 0), call(248, 217, 0, 0, 0, 0, 0)]", (["EPERM"] * 2,)
    ),
    Attack(
        "a kernel module", "return [call(313, 273, 0, 0, 0), call(246, 104, 0, 0, 0, 0)]", (["EPERM"] * 2,)
    ),
    Attack(
        "the clock",
        "return [call(227, 112, 0, 0), call(164, 170, 0, 0), call(159, 171, 0)]",
        (["EPERM"] * 3,),
    ),
    Attack("the host's name", "return [call(170, 161, 0, 0), call(169, 142, 0, 0, 0, 0)]", (["EPERM"] * 2,)),
    Attack("typing into a terminal", "return call(16, 29, 0, 0x5412, 0)"),
    Attack(
        "memory that outlives it",
        "return [call(29, 194, 0, 4096, 0o1600), call(64, 190, 0, 1, 0o1600), call(68, 186, 0, 0o1600)]",
        (["EPERM"] * 3,),
    ),
    # the network
    Attack("a server on the worker's loopback", "return tried(connect, '127.0.0.1', GIVEN['port'])", _NO_WAY),
    Attack("the cloud's metadata", "return tried(connect, '169.254.169.254', 80)", _NO_WAY),
    Attack("an address outside", "return tried(connect, '1.1.1.1', 53)", _NO_WAY),
    Attack(
        "an address outside, IPv6",
        "return tried(connect, '2606:4700::1111', 443)",
        (*_NO_WAY, "EADDRNOTAVAIL"),
    ),
    Attack(
        "a packet to a name server",
        "return tried(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto, b'x', ('1.1.1.1', 53))",
        _NO_WAY,
    ),
    Attack(
        "a name",
        "return tried(socket.getaddrinfo, 'metadata.google.internal', 80)",
        ("gaierror", "EAI_AGAIN"),
    ),
    Attack("raw sockets", "return tried(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)", ("EPERM",)),
    Attack("packets", "return tried(socket.socket, 17, socket.SOCK_RAW, 3)", _NO_SOCKET),
    Attack(
        "netlink",
        "return [tried(socket.socket, 16, socket.SOCK_RAW, one) for one in (0, 4)]",
        tuple([one] * 2 for one in _NO_SOCKET),
    ),
    Attack("the hypervisor's sockets", "return tried(socket.socket, 40, socket.SOCK_STREAM)", _NO_SOCKET),
    Attack("the kernel's ciphers", "return tried(socket.socket, 38, socket.SOCK_SEQPACKET)", _NO_SOCKET),
    Attack(
        "a unix socket outside",
        "one = socket.socket(socket.AF_UNIX)\nreturn [tried(one.connect, path) for path in GIVEN['sockets']]",
        (["ENOENT", "EPERM"], ["ENOENT", "ECONNREFUSED"]),
    ),
    Attack(
        "network interfaces",
        "return [line.split(':')[0].strip() for line in read('/proc/net/dev').splitlines()[2:]]",
        (["lo"],),
    ),
    # files
    Attack(
        "writing what it runs on",
        "import mcpanel_step\n"
        "paths = [sys.executable, os.__file__, mcpanel_step.__file__, '/mcpanel/inside/warm.py', '/usr/bin/id']\n"
        "return sorted({tried(write, path) for path in paths} - set(GIVEN['refusals']))",
        ([],),
    ),
    Attack(
        "writing elsewhere",
        "paths = ['/x', '/usr/x', '/etc/passwd', '/dev/x', '/run/x', '/var/tmp/x', '/proc/sys/kernel/hostname']\n"
        "paths += ['/proc/sysrq-trigger', '/proc/self/uid_map', '/sys/x', *GIVEN['outside']]\n"
        "return sorted({tried(write, path) for path in paths} - set(GIVEN['refusals']))",
        ([],),
    ),
    Attack(
        "links that lead out",
        "secret = GIVEN['secret']\n"
        "os.symlink(secret, '/work/link')\n"
        "os.symlink('/proc/1/root', '/tmp/root')\n"
        "paths = ['/work/link', '/tmp/root' + secret]\n"
        "paths += ['/proc/self/root/../../..' + secret, '/proc/self/cwd/..' + secret]\n"
        "return [read(path) for path in paths]",
        ([""] * 4,),
    ),
    Attack("a hard link to a program", "return tried(os.link, '/usr/bin/id', '/work/linked')", _NO_FILE),
    Attack(
        "key files",
        "found = [path for path in GIVEN['keys'] if read(path)]\n"
        "for folder, folders, files in os.walk('/'):\n"
        "    if folder == '/':\n"
        "        folders[:] = sorted(set(folders) - {'proc', 'usr', 'dev', 'sys', 'mcpanel'})\n"
        "    found += [name for name in files if name.endswith('.key') or name in ('.env', 'id_rsa')]\n"
        "return found",
        ([],),
    ),
    Attack("a device", "return tried(os.mknod, '/work/device', stat.S_IFCHR | 0o600, os.makedev(1, 1))"),
    Attack(
        "the machine's memory",
        "return [tried(open, path) for path in ('/dev/mem', '/dev/kmsg')]",
        (["ENOENT"] * 2,),
    ),
    # limits
    Attack(
        "more than its limits",
        "names = ('NPROC', 'NOFILE', 'FSIZE', 'CORE', 'MEMLOCK')\n"
        "numbers = [getattr(resource, f'RLIMIT_{name}') for name in names]\n"
        "return [tried(resource.setrlimit, one, (1 << 40, 1 << 40)) for one in numbers]",
        (["ValueError"] * 5, ["EPERM"] * 5),
    ),
    Attack("a core dump", "return resource.getrlimit(resource.RLIMIT_CORE)", ([0, 0],)),
    Attack(
        "every descriptor",
        "kept = []\n"
        "try:\n"
        "    while True:\n"
        "        kept.append(os.dup(0))\n"
        "except OSError as error:\n"
        "    return errno.errorcode[error.errno]\n"
        "finally:\n"
        "    for one in kept:\n"
        "        os.close(one)",
        ("EMFILE",),
    ),
    Attack(
        "the whole disk",
        "found = set()\n"
        "for path in ('/work/x', '/tmp/x', '/dev/shm/x'):\n"
        "    try:\n"
        "        with open(path, 'wb', buffering=0) as file:\n"
        "            while True:\n"
        "                file.write(bytes(1 << 20))\n"
        "    except OSError as error:\n"
        "        found.add(errno.errorcode[error.errno])\n"
        "    os.remove(path)\n"
        "return sorted(found)",
        (["ENOSPC"], ["EFBIG"], ["EFBIG", "ENOSPC"]),
    ),
    Attack("huge arguments", "return tried(subprocess.run, ['true', 'x' * (1 << 21)])", ("E2BIG",)),
    Attack(
        "a pipe without a reader",
        "os.mkfifo('/work/fifo')\nreturn tried(os.open, '/work/fifo', os.O_WRONLY | os.O_NONBLOCK)",
        ("ENXIO",),
    ),
    Attack("closing what it was never given", "os.closerange(512, 1024)\nreturn 'done'", ("done",)),
)
