"""The system calls a cell may not make, as a classic BPF program for `seccomp(2)`.

A deny list: user code is arbitrary, so it gets the ordinary calls and loses those that reach into other processes,
change namespaces, mounts or the machine, or have a history of kernel holes. Layout of the data the program reads:
linux/seccomp.h (`nr` at 0, `arch` at 4, `args[i]` at 16 + 8·i, low word first).
"""

import errno
import platform
import struct
from typing import Final

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_KILL_PROCESS: Final = 0x80000000

_NR: Final = 0
_ARCH: Final = 4
_ARG0: Final = 16
_ARG1: Final = 24
_ARG2: Final = 32
_ARG3: Final = 40

_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT: Final = 0x40000000
_NAMESPACE_FLAGS: Final = 0x7E020080  # CLONE_NEWTIME|NS|CGROUP|UTS|IPC|USER|PID|NET
_TIOCSTI: Final = 0x5412
_TIOCLINUX: Final = 0x541C
_FAMILIES: Final = (
    1,
    2,
    10,
)  # unix, inet, inet6: no netlink, packet, vsock (which no namespace confines), alg
_NETLINK: Final = 16
_SOCK_DIAG: Final = 4
_PROTOCOLS: Final = (0, 1, 6, 17)  # the family's own, ICMP, TCP, UDP: not MPTCP, which Landlock lets through

# name: (x86_64, aarch64); None where the architecture has no such call
_DENIED: Final[dict[str, tuple[int | None, int | None]]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    # kernel surface with a history
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "vmsplice": (278, 75),
    "fanotify_init": (300, 262),
    # memory that nobody counts: files without a folder, rules for parts of files
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mbind": (237, 235),
    "set_mempolicy_home_node": (450, 450),
    "io_setup": (206, 0),
    # memory that outlives its process
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "lookup_dcookie": (212, 18),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "vhangup": (153, 58),
}
# They hold pages, or messages, that nobody counts. Programs do without them where the kernel has none.
_ABSENT: Final[dict[str, tuple[int | None, int | None]]] = {
    "sendfile": (40, 71),
    "splice": (275, 76),
    "tee": (276, 77),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
}
# Nor attributes of files, of which lists of access may be 64 KiB: like a file system that has none.
_UNSUPPORTED: Final[dict[str, tuple[int | None, int | None]]] = {
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
}
# What the cell's first process may use, and how soon it runs, is inherited by the steps after this one: these calls may
# not name it, nor a group or a user that it belongs to. Name: both numbers, which argument names the process, and which
# one says what is named, with its value for a process.
_KEEPER: Final[dict[str, tuple[int, int, int, tuple[int, int] | None]]] = {
    "prlimit64": (302, 261, 0, None),
    "sched_setparam": (142, 118, 0, None),
    "sched_setscheduler": (144, 119, 0, None),
    "sched_setaffinity": (203, 122, 0, None),
    "sched_setattr": (314, 274, 0, None),
    "setpriority": (141, 140, 1, (0, 0)),
    "ioprio_set": (251, 30, 1, (0, 1)),
}
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_CLONE3: Final = 435
_SOCKET: Final = {"x86_64": 41, "aarch64": 198}
_SOCKETPAIR: Final = {"x86_64": 53, "aarch64": 199}
_IOCTL: Final = {"x86_64": 16, "aarch64": 29}
_MMAP: Final = {"x86_64": 9, "aarch64": 222}
_MAP_SHARED: Final = 0x01  # MAP_SHARED_VALIDATE has the bit as well
_MAP_ANONYMOUS: Final = 0x20
_MAP_HUGETLB: Final = 0x40000
_FCNTL: Final = {"x86_64": 72, "aarch64": 25}
_F_OFD_LOCKS: Final = (37, 38)
_F_SETPIPE_SZ: Final = 1031
_SETSOCKOPT: Final = {"x86_64": 54, "aarch64": 208}
_SOL_SOCKET: Final = 1
_SO_BUFFERS: Final = (7, 8)  # SO_SNDBUF, SO_RCVBUF
_SO_FILTERS: Final = (26, 50, 51, 52)  # SO_ATTACH_FILTER, _BPF, _REUSEPORT_CBPF, _REUSEPORT_EBPF
_SOL_TCP: Final = 6
_TCP_ULP: Final = 31  # has other protocols, with buffers of their own, take a connection over
_LANDLOCK: Final = (444, 445, 446)
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}
_PRCTL: Final = {"x86_64": 157, "aarch64": 167}
_PR_SET_SECCOMP: Final = 22
_PR_FUTEX_HASH: Final = 78  # of as many slots as a process likes


class UnsupportedMachineError(Exception):
    """No filter is known for this processor."""


def program(machine: str | None = None) -> bytes:
    """The filter's bytes, for bwrap's `--seccomp`. Raises UnsupportedMachineError beyond x86_64 and aarch64."""
    machine = machine or platform.machine()
    code = _head(machine)
    column = 0 if machine == "x86_64" else 1
    answers = ((_DENIED, errno.EPERM), (_ABSENT, errno.ENOSYS), (_UNSUPPORTED, errno.EOPNOTSUPP))
    for calls, answer in answers:
        for numbers in calls.values():
            number = numbers[column]
            if number is not None:
                code += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ERRNO | answer)]
    refuse = _step(_RETURN, _ERRNO | errno.EPERM)
    for *both, process, kind in _KEEPER.values():
        if kind is not None:
            code += _on(both[column], _ARG0 + 8 * kind[0], [_step(_EQUAL, kind[1], 1, 0), refuse])
        code += _on(both[column], _ARG0 + 8 * process, [_step(_EQUAL, 1, 0, 1), refuse])
    # The flags of clone3 are behind a pointer a filter cannot follow; with ENOSYS the C library uses clone.
    code += [_step(_EQUAL, _CLONE3, 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    code += _on(
        _CLONE[machine],
        _ARG0,
        [_step(_ANY_BIT, _NAMESPACE_FLAGS, 0, 1), _step(_RETURN, _ERRNO | errno.EPERM)],
    )
    # Libraries that look for interfaces take this for a machine without, and anything else for a broken one.
    no_family = _step(_RETURN, _ERRNO | errno.EOPNOTSUPP)
    diagnosis = [_step(_LOAD, _ARG2), _step(_EQUAL, _SOCK_DIAG, 0, 1), _step(_RETURN, _ALLOW), no_family]
    code += _on(_SOCKET[machine], _ARG0, [_step(_EQUAL, _NETLINK, 0, len(diagnosis)), *diagnosis])
    for number in (_SOCKET[machine], _SOCKETPAIR[machine]):
        families = [
            _step(_EQUAL, family, len(_FAMILIES) - index, 0) for index, family in enumerate(_FAMILIES)
        ]
        code += _on(number, _ARG0, [*families, no_family])
        protocols = [
            _step(_EQUAL, protocol, len(_PROTOCOLS) - index, 0) for index, protocol in enumerate(_PROTOCOLS)
        ]
        code += _on(number, _ARG2, [*protocols, _step(_RETURN, _ERRNO | errno.EPROTONOSUPPORT)])
    for request in (_TIOCSTI, _TIOCLINUX):
        code += _on(
            _IOCTL[machine], _ARG1, [_step(_EQUAL, request, 0, 1), _step(_RETURN, _ERRNO | errno.EPERM)]
        )
    code += _uncounted(machine)
    code.append(_step(_RETURN, _ALLOW))
    return b"".join(code)


def second(machine: str | None = None) -> bytes:
    """The filter that a cell's first process puts on top, when it has what it alone may have. Raises as `program`.

    Rules and filters of a process's own are as large as it likes, and in no process's size.
    """
    machine = machine or platform.machine()
    refuse = _step(_RETURN, _ERRNO | errno.EPERM)
    code = _head(machine)
    code += [_step(_EQUAL, _SECCOMP[machine], 0, 1), refuse]
    code += _on(_PRCTL[machine], _ARG0, [_step(_EQUAL, _PR_SET_SECCOMP, 0, 1), refuse])
    for number in _LANDLOCK:
        code += [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ERRNO | errno.EOPNOTSUPP)]
    code += _on(
        _SOCKET[machine],
        _ARG0,
        [_step(_EQUAL, _NETLINK, 0, 1), _step(_RETURN, _ERRNO | errno.EOPNOTSUPP)],
    )
    return b"".join([*code, _step(_RETURN, _ALLOW)])


def _head(machine: str) -> list[bytes]:
    """Ends processes that call another processor's kernel, and leaves the call's number to compare."""
    if machine not in _AUDIT_ARCH:
        raise UnsupportedMachineError(f"cells know the system calls of x86_64 and aarch64, not of {machine}")
    code = [
        _step(_LOAD, _ARCH),
        _step(_EQUAL, _AUDIT_ARCH[machine], 1, 0),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD, _NR),
    ]
    if machine == "x86_64":
        code += [_step(_AT_LEAST, _X32_BIT, 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    return code


def _uncounted(machine: str) -> list[bytes]:
    """Refuses memory of the kernel that is in no process's size and of no bound: larger buffers of pipes and sockets,
    memory that is shared without a file, huge pages, filters of sockets, locks of open files, tables of futexes."""
    refuse = _step(_RETURN, _ERRNO | errno.EPERM)
    no_device = _step(_RETURN, _ERRNO | errno.ENODEV)  # the one reason that is of mappings only
    code = _on(
        _MMAP[machine],
        _ARG3,
        [
            _step(_ANY_BIT, _MAP_HUGETLB, 0, 1),
            _step(_RETURN, _ERRNO | errno.ENOMEM),
            _step(_ANY_BIT, _MAP_ANONYMOUS, 0, 2),
            _step(_ANY_BIT, _MAP_SHARED, 0, 1),
            no_device,
        ],
    )
    code += _on(_FCNTL[machine], _ARG1, [_step(_EQUAL, _F_SETPIPE_SZ, 0, 1), refuse])
    unknown = _step(_RETURN, _ERRNO | errno.EINVAL)
    code += _on(_PRCTL[machine], _ARG0, [_step(_EQUAL, _PR_FUTEX_HASH, 0, 1), unknown])
    for command in _F_OFD_LOCKS:
        code += _on(_FCNTL[machine], _ARG1, [_step(_EQUAL, command, 0, 1), unknown])
    # The kernel never refuses to change a buffer, it takes as much of it as it likes: here nothing.
    options = [(option, _step(_RETURN, _ERRNO)) for option in _SO_BUFFERS]
    options += [(option, refuse) for option in _SO_FILTERS]
    checks = [step for option, answer in options for step in (_step(_EQUAL, option, 0, 1), answer)]
    checks = [_step(_EQUAL, _SOL_SOCKET, 0, 1 + len(checks)), _step(_LOAD, _ARG2), *checks]
    code += _on(_SETSOCKOPT[machine], _ARG1, checks)
    none_such = _step(_RETURN, _ERRNO | errno.ENOENT)
    checks = [_step(_LOAD, _ARG2), _step(_EQUAL, _TCP_ULP, 0, 1), none_such]
    return code + _on(_SETSOCKOPT[machine], _ARG1, [_step(_EQUAL, _SOL_TCP, 0, len(checks)), *checks])


def _on(number: int, argument: int, checks: list[bytes]) -> list[bytes]:
    """For system call `number`: looks at the argument's low word, runs the checks, and restores the number."""
    body = [_step(_LOAD, argument), *checks, _step(_LOAD, _NR)]
    return [_step(_EQUAL, number, 0, len(body)), *body]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
