"""The first process of a cell. It forks the next step's process ahead of need and watches over it.

It speaks with the worker over one inherited socketpair (sequenced packets of JSON on descriptor 3) and runs no user
code itself. For each attempt it makes four pipes, hands the worker's ends over with the `ready` message, and keeps
none: what a step can reach is gone when the step is gone.

To the worker:   {"t": "listening"} with a descriptor, first, in a cell with network: where its processes find a proxy
                 {"t": "ready", "landlock": 7} with descriptors [to step, from step, stdout, stderr]
                 {"t": "exit", "status": …, "leftover": ["sleep"], "clean": true, "cpu": 0.1, "rss": 12345678}
                 {"t": "exceeded", "limit": "memory"} when all processes together exceed a limit of `usage`
                 {"t": "connected", "id": 1} with a descriptor, or with an "error"
From the worker: {"t": "term"}, {"t": "watch"} (start watching what is held), {"t": "kill"} (without a cell of its own),
                 {"t": "preload", "modules": ["datetime"]} (standard modules this component uses),
                 {"t": "ahead", "modules": ["pandas"]} (of its packages: every step's process imports them as it waits),
                 {"t": "connect", "id": 1, "port": 8501} (to a server of the step, on the cell's own loopback)
"""

import gc
import json
import os
import select
import signal
import socket
import sys
import time

from . import child, confine, network, sockets, usage

TYPE_CHECKING = False
if TYPE_CHECKING:  # what this process imports, every fork pays for
    from typing import Any

_OF_STEPS = ("NOFILE",)
"""The limits that this process does not share. By its own number of files the kernel decides whether it may pass
descriptors on, and it counts those that the steps of all cells have on the way."""
_LEFTOVER_GRACE = 0.25
_WATCH_PERIOD = 0.1  # seconds
_CONNECT_PATIENCE = 0.5  # seconds; only a server with a full queue takes any


def main() -> None:
    """Serves attempts until the worker closes the socket or kills the cell."""
    config = json.loads(sys.argv[1])
    os.dup2(config["control"], 3)
    control = socket.socket(fileno=3)
    _close_inherited()
    is_cell = os.getpid() == 1
    if not is_cell:
        confine.adopt_orphans()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    confine.give_way()
    confine.limit_resources({name: most for name, most in config["limits"].items() if name not in _OF_STEPS})
    confine.open_many()
    confine.die_first()
    port = _offer_network(config, control) if config["network"] else 0
    tcp = {"listens": config["listens"], "port": port}
    rules = confine.ruleset(read=config["read"], write=config["write"], devices=["/dev"], **tcp)
    confine.enter(rules)
    asked = sockets.asker() if is_cell else None
    if is_cell:
        confine.filter_calls(bytes.fromhex(config["filter"]))
    abi = confine.landlock_version()
    if config["kind"] == "python":
        child.preload(config)
        # Path files run code of the packages: the step's own process does that, not this one.
        config["path_files"] = [config["site"]] if _has_path_files(config) else []
        sys.stdout = child.open_text(1)
        sys.stderr = child.open_text(2)
    # PID 1 of a namespace is beyond its children's signals; elsewhere Landlock keeps them off.
    own_domain = -1 if is_cell else confine.ruleset(**tcp)
    gc.collect()
    gc.freeze()
    gc.disable()
    os.dup2(0, 2)  # until here the worker could read why a cell does not start
    config["ahead"] = []
    while True:
        while select.select([control], [], [], 0)[0]:
            _obey(control, 0, config)
        pid, ends = _fork(config, control, asked, own_domain)
        socket.send_fds(control, [_packet({"t": "ready", "landlock": abi})], ends)
        for fd in ends:
            os.close(fd)
        report = _supervise(pid, control, asked, config)
        report["leftover"] = _leftovers()
        report["clean"] = not report["leftover"] and all(_empty(folder) for folder in config["scratch"])
        control.send(_packet(report))


def _offer_network(config: "dict[str, Any]", control: socket.socket) -> int:
    """Hands the worker the socket where it serves the proxy, and tells the steps of it; its port."""
    with network.listener(config["network"]["port"]) as listener:
        socket.send_fds(control, [_packet({"t": "listening"})], [listener.fileno()])
        port = int(listener.getsockname()[1])
    told = network.variables(port, authorities=config["network"]["authorities"], listens=config["listens"])
    os.environ.update(told)
    config.get("environment", {}).update(told)
    return port


def _close_inherited() -> None:
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.closerange(4, 65536)


def _has_path_files(config: "dict[str, Any]") -> bool:
    if config["program"] or not config["site"]:
        return False
    return any(name.endswith(".pth") for name in os.listdir(config["site"]))  # noqa: PTH208


def _packet(message: "dict[str, Any]") -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _fork(
    config: "dict[str, Any]", control: socket.socket, asked: socket.socket | None, own_domain: int
) -> "tuple[int, list[int]]":
    """The next step's process, waiting for its start frame; and the worker's ends of its pipes."""
    step_in, to_step = os.pipe()
    from_step, step_out = os.pipe()
    stdout, step_stdout = os.pipe()
    stderr, step_stderr = os.pipe()
    confine.set_dumpable(True)  # for the step, which inherits it; nobody is there yet who could use it here
    pid = os.fork()
    if pid:
        confine.set_dumpable(False)
    else:
        try:
            for fd in (to_step, from_step, stdout, stderr):
                os.close(fd)
            control.close()
            if asked:
                asked.close()
            if os.getppid() != 1:
                confine.die_with_parent()
            confine.limit_resources({name: config["limits"][name] for name in _OF_STEPS})
            confine.enter(own_domain)
            child.run(config, step_in, step_out, step_stdout, step_stderr)
        finally:
            os._exit(70)
    for fd in (step_in, step_out, step_stdout, step_stderr):
        os.close(fd)
    return pid, [to_step, from_step, stdout, stderr]


def _supervise(
    pid: int, control: socket.socket, asked: socket.socket | None, config: "dict[str, Any]"
) -> "dict[str, Any]":
    """Waits for the step's own process, obeying the worker. Returns the exit report."""
    ended = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(control.fileno(), select.POLLIN)
    watch = usage.Watch(config, asked, is_cell=os.getpid() == 1)
    watching = False
    try:
        while True:
            events = poll.poll(_WATCH_PERIOD * 1000 if watching else None)
            ready = {fd for fd, _ in events}
            if control.fileno() in ready:
                watching = _obey(control, pid, config) or watching
            if ended in ready:
                break
            if watching and (limit := watch.exceeded()):
                control.send(_packet({"t": "exceeded", "limit": limit}))
                watching = False
    finally:
        os.close(ended)
    _, status, used = os.wait4(pid, 0)
    return {
        "t": "exit",
        "status": os.waitstatus_to_exitcode(status),
        "cpu": used.ru_utime + used.ru_stime,
        "rss": used.ru_maxrss * 1024,
    }


def _obey(control: socket.socket, pid: int, config: "dict[str, Any]") -> bool:
    """Carries out one order; whether it was to watch what is held. `pid` is the step's, 0 between two."""
    packet = control.recv(65536)
    if not packet:
        kill_descendants()
        os._exit(0)
    message = json.loads(packet)
    order = message["t"]
    if order == "kill":
        kill_descendants()
        os._exit(0)
    if order == "preload":
        _preload(message["modules"])
    if order == "connect":
        _connect(control, message)
    if order == "ahead":
        config["ahead"] = message["modules"]
    if order == "term" and pid:
        os.kill(pid, signal.SIGTERM)
    return bool(order == "watch")


def _connect(control: socket.socket, message: "dict[str, Any]") -> None:
    """Hands the worker a connection to a server of the step."""
    reply = {"t": "connected", "id": message["id"]}
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.settimeout(_CONNECT_PATIENCE)
        try:
            connection.connect(("127.0.0.1", message["port"]))
        except OSError as error:
            control.send(_packet({**reply, "error": error.strerror or str(error)}))
            return
        socket.send_fds(control, [_packet(reply)], [connection.fileno()])


def _preload(modules: "list[str]") -> None:
    for name in modules:
        if name in child.PRELOADABLE:
            __import__(name)
    gc.collect()
    gc.freeze()


def _leftovers() -> list[str]:
    """Names of processes the step left behind. Helpers that end with their parent get a moment to do so."""
    deadline = time.monotonic() + _LEFTOVER_GRACE
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return []
        if pid == 0:
            if time.monotonic() > deadline:
                return sorted(name for _, name, _ in usage.processes())[:20]
            time.sleep(0.005)


def kill_descendants() -> None:
    """Kills every process below this one, again and again until none is left."""
    while True:
        for pid, _, _ in list(usage.processes()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _empty(folder: str) -> bool:
    """Removes everything in the folder, following no link; whether nothing is left."""
    try:
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                import shutil  # noqa: PLC0415

                os.chmod(entry.path, 0o700)  # noqa: PTH101
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)  # noqa: PTH108
        os.chmod(folder, 0o700)  # noqa: PTH101
    except (OSError, RecursionError):
        return False
    return True
