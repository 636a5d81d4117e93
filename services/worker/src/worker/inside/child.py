"""The process of one attempt, from the fork to its end.

Python code runs in this very process; for TypeScript it becomes Deno. It waits for its start frame first, so that
all of this is paid before there is work.
"""

import errno
import fcntl
import gc
import json
import os
import resource
import select
import signal
import sys

from . import frames, jsonvalues, usercode

_UNHURRIED = 0.005
"""Without work for so long, in seconds, there is time for a rehearsal; with much to do it would only take turns."""
_AHEAD_SECONDS = 30
"""How much processor time imports ahead of a step may take."""
_REHEARSAL = """
import json

def add(a, b=1):
    return a if a < b else add(a - b) + b

def main(number: int, text: str, list: list) -> dict:
    return {"sum": add(number), "text": f"{text}!", "items": [item for item in list], "json": json.dumps([number])}
"""


TYPE_CHECKING = False
if TYPE_CHECKING:  # see usercode
    from types import FrameType
    from typing import Any, NoReturn, TextIO

PRELOADABLE = frozenset(
    [
        "__future__",
        "abc",
        "ast",
        "asyncio",
        "base64",
        "bisect",
        "calendar",
        "cmath",
        "codecs",
        "collections",
        "collections.abc",
        "concurrent.futures",
        "contextlib",
        "copy",
        "csv",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "email",
        "enum",
        "fractions",
        "functools",
        "glob",
        "gzip",
        "hashlib",
        "heapq",
        "hmac",
        "html",
        "http",
        "inspect",
        "io",
        "itertools",
        "json",
        "linecache",
        "logging",
        "math",
        "mimetypes",
        "numbers",
        "operator",
        "os",
        "pathlib",
        "pickle",
        "platform",
        "pprint",
        "random",
        "re",
        "secrets",
        "shutil",
        "sqlite3",
        "statistics",
        "string",
        "struct",
        "subprocess",
        "tempfile",
        "textwrap",
        "threading",
        "time",
        "tokenize",
        "traceback",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "uuid",
        "warnings",
        "weakref",
        "xml.etree.ElementTree",
        "zipfile",
        "zlib",
        "zoneinfo",
    ]
)
"""Modules the warm process may import once a step has shown that its component uses them."""


class Cancelled(BaseException):
    """Raised in the step when it is asked to stop, so that `finally` blocks run."""


def preload(config: "dict[str, Any]") -> None:
    """Imports what every step needs, once, before the fork, and adds the packages' folder to the path.

    A program finds its own packages there, and the component's in PLACE.site, for what it starts.
    """
    import mcpanel_step  # noqa: F401, PLC0415  # its name in a cell

    if folder := config["toolbox"] if config["program"] else config["site"]:
        sys.path.append(folder)
    if config["program"]:
        import importlib  # noqa: PLC0415

        from programs.place import PLACE  # noqa: PLC0415

        PLACE.work, PLACE.temp = config["workdir"], config["temp"]
        PLACE.site, PLACE.toolbox, PLACE.steplib = config["site"], config["toolbox"], config["steplib"]
        PLACE.deno, PLACE.deno_environment = config["deno"], config.get("environment", {})
        importlib.import_module(f"programs.{config['program']}")


def open_text(fd: int) -> "TextIO":
    """A text stream for a descriptor, a line at a time, that takes any text."""
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def run(config: "dict[str, Any]", rx: int, tx: int, stdout: int, stderr: int) -> "NoReturn":
    """Runs one attempt on the given descriptors. Never returns."""
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.close(stdout)
    os.close(stderr)
    os.chdir(config["workdir"])
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if config["kind"] == "deno":
        _become_deno(config, rx, tx)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _cancel)
    sys.argv = ["step"]
    if not config["program"] and not select.select([rx], [], [], _UNHURRIED)[0]:
        _rehearse()
        _import_ahead(config)
    try:
        _, header = frames.read(rx)
        _, inputs = frames.read(rx)
    except frames.FrameError:
        os._exit(0)
    gc.enable()
    _python(config, json.loads(header), inputs, rx, tx)


def _rehearse() -> None:
    """Runs a small component for nothing: the memory every run touches is copied now, not when there is work."""
    inputs = json.loads(b'{"number": 1, "text": "a", "list": [1.5, null]}')
    output = usercode.call("rehearsal", _REHEARSAL, inputs)
    jsonvalues.encode(output, limit=1000)
    frames.pack_json({"t": "result"})
    sys.modules.pop(usercode.MODULE, None)


def _import_ahead(config: "dict[str, Any]") -> None:
    """Imports what the component's module begins with from its packages, so that a step need not wait for it.

    It does so in its own process, where the step itself would; what goes wrong, the step sees for itself.
    """
    if not config["ahead"] or not config["site"]:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (_AHEAD_SECONDS, hard))
    _open_path_files(config)
    installed = {entry.partition(".")[0] for entry in os.listdir(config["site"])}  # noqa: PTH208
    for name in config["ahead"]:
        above, _, last = name.rpartition(".")
        if hasattr(sys.modules.get(above), last) or name.partition(".")[0] not in installed:
            continue
        try:
            __import__(name)
        except Cancelled:
            raise
        except BaseException:  # noqa: S112  # whatever the package raises
            continue
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
    gc.freeze()  # what packages made stays; looking through it would cost the step more than it saves


def _open_path_files(config: "dict[str, Any]") -> None:
    """Runs what the packages' path files say, once."""
    folders, config["path_files"] = config["path_files"], []
    for folder in folders:
        import site  # noqa: PLC0415

        site.addsitedir(folder)


def _become_deno(config: "dict[str, Any]", rx: int, tx: int) -> "NoReturn":
    rx, tx = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (rx, tx))  # out of the way of 3 and 4
    os.dup2(rx, 3)
    os.dup2(tx, 4)
    os.closerange(5, 256)
    command = [*config["command"], *config["ahead"]]
    os.execve(command[0], command, config["environment"])  # noqa: S606
    raise AssertionError


def _python(
    config: "dict[str, Any]", start: "dict[str, Any]", raw_inputs: bytes, rx: int, tx: int
) -> "NoReturn":
    import mcpanel_step  # noqa: PLC0415

    code = 0
    before = set(sys.modules)
    mcpanel_step._attach(rx, tx, start["context"])
    os.environ.update(start.get("environment", {}))
    if seconds := start.get("cpu_seconds"):
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        limit = seconds if hard == resource.RLIM_INFINITY else min(seconds, hard)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    try:
        _open_path_files(config)
        inputs = json.loads(raw_inputs)
        for path in start.get("large", ()):
            inputs = _complete(inputs, path, frames.read_chunks(rx))
        if config["program"]:
            output = jsonvalues.plain(_program(config["program"], start["config"], inputs))
        else:
            output = jsonvalues.plain(usercode.call(start["component"], start["code"], inputs))
        del inputs
        payload = jsonvalues.dump(output, limit=start["output_limit"])
    except BaseException as error:  # whatever user code raises is its outcome
        code = 1
        payload = None
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            os.closerange(max(rx, tx) + 1, 65536)  # describing it opens the source
        failure = _describe(error, start)
    _flush()
    try:
        if payload is None:
            mcpanel_step._send({"t": "failure", **failure})
        else:
            if len(payload) > start["inline_limit"]:
                mcpanel_step._output(payload, jsonvalues.counts(output), jsonvalues.kinds(output))
            else:
                mcpanel_step._send({"t": "result"}, payload)
            if used := _new_imports(before):
                mcpanel_step._send({"t": "imports", "modules": used})
        _finish_like_python_does()
    except BaseException:  # too late to report
        code = 1
    _flush()
    os._exit(code)


def _program(name: str, config: "dict[str, Any]", inputs: "Any") -> "Any":
    """What one of the worker's programs returns."""
    output = sys.modules[f"programs.{name}"].run(config, inputs)
    if hasattr(output, "cr_await"):
        import asyncio  # noqa: PLC0415

        output = asyncio.run(output)
    return output


def _complete(inputs: "Any", path: "list[str]", content: bytes) -> "Any":
    """The inputs with a value that came by itself in its place. Raises BadInput."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise usercode.BadInput(
            f"the input '{'.'.join(path)}' is not JSON: the step it comes from wrote something else ({error})"
        ) from None
    if not path:
        return value
    inside = inputs
    for key in path[:-1]:
        inside = inside[int(key) if isinstance(inside, list) else key]
    inside[int(path[-1]) if isinstance(inside, list) else path[-1]] = value
    return inputs


def _cancel(number: int, frame: "FrameType | None") -> "NoReturn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Cancelled("the step was cancelled")


def _describe(error: BaseException, start: "dict[str, Any]") -> "dict[str, Any]":
    """The failure message for whatever the step raised."""
    if isinstance(error, usercode.BadInput):
        return {"kind": "BAD_INPUT", "message": str(error), "traceback": ""}
    if isinstance(error, jsonvalues.InvalidOutput):
        return {"kind": "INVALID_OUTPUT", "message": str(error), "traceback": ""}
    if (failures := sys.modules.get("programs.failures")) and isinstance(error, failures.Failed):
        return {"kind": error.kind, "message": str(error), "traceback": error.traceback}
    kind = "USER_ERROR"
    if isinstance(error, MemoryError):
        kind = "OUT_OF_MEMORY"
    if isinstance(error, Cancelled):
        kind = "CANCELLED"
    try:
        message, text = usercode.explain(error, f"{start['component']}.py", start["code"])
    except BaseException as second:  # an exception whose own __str__ fails
        message, text = f"{type(error).__name__} (its message cannot be shown: {type(second).__name__})", ""
    if kind == "OUT_OF_MEMORY":
        message = "the step ran out of memory"
    return {"kind": kind, "message": message, "traceback": text}


def _finish_like_python_does() -> None:
    """Waits for threads and runs exit handlers, as the end of a script would."""
    if threading := sys.modules.get("threading"):
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
    if atexit := sys.modules.get("atexit"):
        atexit._run_exitfuncs()


def _new_imports(before: "set[str]") -> "list[str]":
    return sorted((set(sys.modules) - before) & PRELOADABLE)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # noqa: S112  # user code may have closed or replaced it
            continue
