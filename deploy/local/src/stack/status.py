"""What runs in a home: each process with its age, restarts and memory."""

import json
import time
from typing import Any

from stack.home import Home, Lock
from stack.memory import weight


def read(home: Home) -> dict[str, Any] | None:
    """The recorded state of the stack that runs in this home; None when none runs."""
    pid = Lock(home).holder()
    if pid is None:
        return None
    try:
        found: dict[str, Any] = json.loads(home.state.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if found.get("pid") == pid else None


def is_ready(home: Home, pid: int) -> bool:
    """Whether the stack supervised by `pid` runs and is ready."""
    found = read(home)
    return found is not None and found["pid"] == pid and bool(found["ready"])


def report(home: Home) -> str:
    """A table for people: one line a process, the supervisor and the total last. Memory is PSS in MB."""
    found = read(home)
    if found is None:
        return f"MCPanel is not running in {home.path}"
    now = time.time()
    pids = [process["pid"] for process in found["processes"]]
    weights = weight(pids)
    lines = [f"{'process':<12} {'pid':>8} {'status':<11} {'up':>9} {'restarts':>8} {'MB':>8}"]
    for process in found["processes"]:
        age = _age(now - process["started_at"])
        size = weights[process["pid"]] / 1e6
        lines.append(
            f"{process['name']:<12} {process['pid']:>8} {process['status']:<11} {age:>9} "
            f"{process['restarts']:>8} {size:>8.1f}"
        )
    whole = weight([found["pid"]])[found["pid"]]  # the supervisor's tree is everything
    own = (whole - sum(weights.values())) / 1e6
    lines.append(
        f"{'supervisor':<12} {found['pid']:>8} {'ready' if found['ready'] else 'starting':<11}{own:>28.1f}"
    )
    lines.append(f"{'total':<12}{whole / 1e6:>48.1f}")
    return "\n".join(lines)


def _age(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
