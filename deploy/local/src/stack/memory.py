"""What a stack weighs: the proportional set size of its processes and all their descendants."""

import contextlib
from pathlib import Path


def weight(pids: list[int]) -> dict[int, int]:
    """Bytes of PSS for each pid with its descendants (Linux; a process that is gone weighs 0).

    PSS shares a page's weight among the processes that map it, so sums over processes are true.
    """
    children = _children()
    return {pid: sum(alone(member) for member in _tree(pid, children)) for pid in pids}


def descendants(pid: int) -> list[int]:
    """Every live process below `pid`, without itself."""
    return _tree(pid, _children())[1:]


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits for its parent does not."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    return False


def alone(pid: int) -> int:
    """Bytes of PSS of one process without its descendants; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _tree(root: int, children: dict[int, list[int]]) -> list[int]:
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo.extend(children.get(pid, ()))
    return found


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            # The name in parentheses may hold anything; what follows the last one is regular.
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            found.setdefault(parent, []).append(int(entry.name))
    return found
