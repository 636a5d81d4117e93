"""The step library for Python components: `import mcpanel_step as step`.

step.log.info("loaded", rows=3)                      a structured log line
step.progress(0.4, "half way")                       how far the step is, 0 to 1
step.preview({"rows": 3})                            a JSON value shown while the step runs
step.artifact("report.md", b"# Report")              stores bytes, or the file at a path
step.read_artifact(stored)                           the bytes of a file that a step of the run has stored
step.datasource("sample").query("SELECT 1 AS one")   rows as dicts, from a linked data source
step.datasource("sample").write("orders", rows)      writes rows into a table, where the data source allows it
step.secret("signing-key")                           the value of a linked secret
step.context.run_id                                  also step_id, attempt, epoch, idempotency_key
"""

import json as _json
import os as _os
import sys as _sys
from _thread import RLock as _RLock

from inside import frames as _frames  # type: ignore[import-not-found]  # their name in a cell
from inside import jsonvalues as _jsonvalues

TYPE_CHECKING = False
if TYPE_CHECKING:  # each module imported here costs every step memory
    from collections.abc import Iterable as _Iterable
    from collections.abc import Iterator as _Iterator
    from collections.abc import Mapping as _Mapping
    from collections.abc import Sequence as _Sequence
    from typing import Any as _Any

__all__ = [
    "DataSourceError",
    "SecretError",
    "StepError",
    "artifact",
    "context",
    "datasource",
    "log",
    "preview",
    "progress",
    "read_artifact",
    "secret",
]

_CHUNK = 256 * 1024
_PREVIEW_LIMIT = 64 * 1024
_LINE_LIMIT = 12 * 1024

_MEDIA_TYPES = {
    "css": "text/css",
    "csv": "text/csv",
    "gif": "image/gif",
    "gz": "application/gzip",
    "html": "text/html",
    "ipynb": "application/x-ipynb+json",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "text/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
}
"""As in mcpanel_step.ts."""


class StepError(Exception):
    """The platform refused a request of this step; the message says why."""


class DataSourceError(StepError):
    """A query or a write failed, or the data source is not linked to this component version."""


class SecretError(StepError):
    """A secret cannot be read, or is not linked to this component version."""


class _Connection:
    def __init__(self, rx: int, tx: int, out: int = 1) -> None:
        self.rx = rx
        self.tx = tx
        self.out = out
        """Where log lines go."""
        self.pid = _os.getpid()
        self.lock: _Any = _RLock()


class _SharedLock:
    """A reentrant lock between processes: each exchange on a shared connection belongs to one of them."""

    def __init__(self, path: str) -> None:
        self._inner = _RLock()
        self._file = _os.open(path, _os.O_RDWR | _os.O_CREAT | _os.O_CLOEXEC, 0o600)
        self._depth = 0

    def __enter__(self) -> None:
        import fcntl as _fcntl  # noqa: PLC0415

        self._inner.acquire()
        if not self._depth:
            _fcntl.flock(self._file, _fcntl.LOCK_EX)
        self._depth += 1

    def take(self, seconds: float) -> bool:
        """Takes it without waiting for longer; whether it is taken. It is for who gives it back to nobody."""
        import fcntl as _fcntl  # noqa: PLC0415
        import time as _time  # noqa: PLC0415

        end = _time.monotonic() + seconds
        while True:
            try:
                _fcntl.flock(self._file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
            except BlockingIOError:
                if _time.monotonic() >= end:
                    return False
                _time.sleep(0.02)
            else:
                self._depth += 1
                return True

    def __exit__(self, *_: object) -> None:
        import fcntl as _fcntl  # noqa: PLC0415

        self._depth -= 1
        if not self._depth:
            _fcntl.flock(self._file, _fcntl.LOCK_UN)
        self._inner.release()


_connection: _Connection | None = None


class Context:
    """What this execution is. `idempotency_key` is the same for every attempt of a step; `epoch` grows."""

    run_id: str = ""
    step_id: str = ""
    attempt: int = 0
    epoch: int = 0
    idempotency_key: str = ""

    def __repr__(self) -> str:
        return f"Context({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


context = Context()


class _Log:
    """Log lines with a level and fields."""

    def debug(self, message: object, **fields: "_Any") -> None:
        """Logs at DEBUG."""
        _log("DEBUG", message, fields)

    def info(self, message: object, **fields: "_Any") -> None:
        """Logs at INFO."""
        _log("INFO", message, fields)

    def warning(self, message: object, **fields: "_Any") -> None:
        """Logs at WARNING."""
        _log("WARNING", message, fields)

    def error(self, message: object, **fields: "_Any") -> None:
        """Logs at ERROR."""
        _log("ERROR", message, fields)


log = _Log()


def progress(fraction: float, message: str = "") -> None:
    """Says how far the step is: a fraction from 0 to 1, and optionally a few words."""
    value = float(fraction)
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"progress takes a fraction from 0 to 1, not {fraction!r}")
    _send({"t": "progress", "fraction": value, "message": str(message)[:1000]})


def preview(value: "_Any") -> None:
    """Shows a JSON value (64 KiB at most) to whoever watches the run; a later one replaces it."""
    _send({"t": "preview"}, _jsonvalues.encode(value, limit=_PREVIEW_LIMIT, where="preview"))


def artifact(
    name: str, data: "bytes | str | _os.PathLike[str]", media_type: str | None = None
) -> "dict[str, _Any]":
    """Stores bytes, or the file at a path, under a name of the run.

    Returns `{"artifact_id", "name", "media_type", "size", "sha256"}`. Raises StepError when it cannot be stored.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError("an artifact needs a name")
    if media_type is None:
        media_type = _media_type(name)
    with _exclusive():
        _send({"t": "artifact", "name": name, "media_type": media_type})
        _send_chunks(_chunks(data), {"t": "artifact_abort"})
        _, reply = _receive()
    return _answer(reply, StepError)


def _media_type(name: str) -> str:
    known = _MEDIA_TYPES.get(name.rpartition(".")[2].lower())
    if known is None:
        import mimetypes as _mimetypes  # noqa: PLC0415

        known = _mimetypes.guess_type(name)[0] or "application/octet-stream"
    return known


def read_artifact(artifact: "str | _Mapping[str, _Any]") -> bytes:
    """The content of a file that a step of this run has stored: by its id, or by what `artifact` returned.

    Raises StepError when there is none such, or it cannot be read.
    """
    artifact_id = artifact if isinstance(artifact, str) else artifact.get("artifact_id")
    if not isinstance(artifact_id, str) or not artifact_id:
        raise ValueError("read_artifact takes an artifact's id, or the record that artifact() returned")
    with _exclusive():
        _send({"t": "read", "artifact_id": artifact_id})
        content = _frames.read_chunks(_connected().rx)
        _, reply = _receive()
    _answer(reply, StepError)
    return bytes(content)


def _output(payload: bytes, items: "dict[str, int]", kinds: "dict[str, str]") -> None:
    """Hands over an output that is too large for one message; returns when it is stored, or will not be."""
    with _exclusive():
        _send({"t": "output", "items": items, "kinds": kinds})
        for chunk in _chunks(payload):
            _write(_frames.pack(_frames.BYTES, chunk))
        _write(_frames.pack(_frames.BYTES, b""))
        _receive()


def _usage(model: str, input_tokens: int, output_tokens: int, cost: "float | None") -> None:
    """Says what the step has used of a language model so far; taken from the worker's own programs only."""
    _send(
        {"t": "usage", "model": model, "input": int(input_tokens), "output": int(output_tokens), "cost": cost}
    )


def _tool_call(told: "dict[str, _Any]", arguments: bytes) -> None:
    """Tells of a call that a model makes, its arguments as JSON or empty; taken from the worker's own programs only."""
    _send({"t": "tool_call", **told}, arguments)


def _at(place: str) -> None:
    """Says what a program is doing, for a failure that it cannot tell of itself."""
    _send({"t": "at", "place": place})


def _call(
    tool: str, inputs: "dict[str, _Any]", budget: "dict[str, _Any] | None" = None
) -> "tuple[dict[str, _Any], _Any]":
    """Calls a component that is one of an assistant's tools; for the worker's own programs only.

    `budget` is what it may use of models: `{tokens, cost}`, 0 and None where that is not limited.

    What became of it: `{run_id, truncated, failure}`, with what it used of models, if it did: `usage`, which is
    `{input_tokens, output_tokens, cost}`; and the component's output. Raises StepError.
    """
    with _exclusive():
        _send({"t": "call", "tool": tool, "budget": budget}, _json.dumps(inputs).encode())
        _, reply = _receive()
        called = _answer(reply, StepError)
        _, output = _receive()
    return called, _json.loads(output)


def datasource(name: str) -> "DataSource":
    """The data source with this name. Only those linked to the component version can be queried."""
    return DataSource(name)


def secret(name: str) -> str:
    """The value of the secret with this name. Only those linked to the component version can be asked for.

    From then on it is masked in what the step prints, logs and previews; in outputs and artifacts it is not.
    Raises SecretError.
    """
    with _exclusive():
        _send({"t": "secret", "name": str(name)})
        _, reply = _receive()
    return str(_answer(reply, SecretError)["value"])


class DataSource:
    """A linked data source."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"datasource({self.name!r})"

    def query(
        self,
        sql: str,
        params: "_Sequence[_Any] | _Mapping[str, _Any] | None" = None,
        max_rows: int = 1000,
    ) -> "Rows":
        """Runs a read-only query. Returns the rows as dicts, `max_rows` at most.

        `params` are bound by the database: a list for `%s`, a dict for `%(name)s`. `.columns` and `.truncated` are
        on the returned list. Raises DataSourceError.
        """
        values = _jsonvalues.plain(dict(params) if isinstance(params, dict) else list(params or ()), "params")
        rows = Rows()
        twice = ""
        with _exclusive():
            _send(
                {
                    "t": "query",
                    "source": self.name,
                    "sql": str(sql),
                    "params": values,
                    "max_rows": int(max_rows),
                }
            )
            while True:
                kind, payload = _receive()
                if kind == _frames.BYTES:
                    batch = () if twice else _json.loads(payload)
                    rows.extend(dict(zip(rows.columns, row, strict=True)) for row in batch)
                    continue
                message = _answer(payload, DataSourceError)
                if "columns" in message:
                    rows.columns = message["columns"]
                    rows.types = message.get("types", [])
                    twice = next((one for one in rows.columns if rows.columns.count(one) > 1), "")
                if message.get("end"):
                    break
        if twice:
            raise DataSourceError(
                f"the query answers several columns named '{twice}'; name each by itself, with AS"
            )
        rows.truncated = bool(message.get("truncated"))
        return rows

    def write(self, table: str, rows: "_Iterable[_Mapping[str, _Any]]", *, replace: bool = False) -> int:
        """Writes the rows, dicts by column, into a table that there is: all of them or none. Returns how many.

        What a row leaves out takes its default. With `replace` the rows that there are go first; without, a step that
        runs again may write its rows twice. Raises DataSourceError, naming row and column.
        """
        from inside import batches as _batches  # noqa: PLC0415

        with _exclusive():
            _send({"t": "write", "source": self.name, "table": str(table), "replace": bool(replace)})
            _send_chunks(_batches.batches(rows), {"t": "write_abort"})
            _, reply = _receive()
        return int(_answer(reply, DataSourceError)["rows"])


class Rows(list):  # type: ignore[type-arg]  # a list[dict[str, Any]]
    """A query's rows. `columns` are the names in order, `types` the database's words for their types.

    `truncated` says that there were more rows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.columns: list[str] = []
        self.types: list[str] = []
        self.truncated = False


def _log(level: str, message: object, fields: "dict[str, _Any]") -> None:
    text = str(message)
    if fields:
        text += " " + " ".join(f"{key}={value}" for key, value in fields.items())
    while len(line := _line(level, text)) > _LINE_LIMIT:
        text = f"{text[: len(text) // 2]} …"
    if _connection is None:
        raise RuntimeError("mcpanel_step works only inside a running step")
    # Through standard output, marked, so that it keeps its place among what is printed.
    _flush()
    _frames.write_all(_connection.out, line)


def _line(level: str, text: str) -> bytes:
    message = {"level": level, "message": text}
    return b"\0J" + _json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _send_chunks(chunks: "_Iterable[bytes]", abort: "dict[str, _Any]") -> None:
    """Sends them all and an empty one; when they fail, `abort` instead."""
    try:
        for chunk in chunks:
            _write(_frames.pack(_frames.BYTES, chunk))
    except BaseException:
        _send(abort)
        _receive()
        raise
    _write(_frames.pack(_frames.BYTES, b""))


def _chunks(data: "bytes | str | _os.PathLike[str]") -> "_Iterator[bytes]":
    if isinstance(data, bytes | bytearray | memoryview):
        view = memoryview(data)
        for start in range(0, len(view), _CHUNK):
            yield bytes(view[start : start + _CHUNK])
        return
    with open(data, "rb") as file:  # noqa: PTH123
        while chunk := file.read(_CHUNK):
            yield chunk


def _attach(rx: int, tx: int, values: "dict[str, _Any]") -> None:
    global _connection  # noqa: PLW0603  # one process is one attempt
    _connection = _Connection(rx, tx)
    for name, value in values.items():
        setattr(context, name, value)


def _share(lock: str) -> "dict[str, _Any]":
    """What another process needs to `_join` this connection; `lock` is the path of a file for both.

    The descriptors among it are to be passed on: rx, tx and out.
    """
    connection = _connected()
    connection.lock = _SharedLock(lock)
    if connection.out == 1:
        connection.out = _os.dup(1)
    values = {
        name: getattr(context, name) for name in ("run_id", "step_id", "attempt", "epoch", "idempotency_key")
    }
    return {"rx": connection.rx, "tx": connection.tx, "out": connection.out, "lock": lock, "context": values}


def _join(shared: "dict[str, _Any]") -> None:
    """Takes part in another process's connection, which it has shared."""
    _attach(shared["rx"], shared["tx"], shared["context"])
    connection = _connected()
    connection.out = shared["out"]
    connection.lock = _SharedLock(shared["lock"])


def _connected() -> _Connection:
    if _connection is None:
        raise RuntimeError("mcpanel_step works only inside a running step")
    if _connection.pid != _os.getpid():
        raise RuntimeError("mcpanel_step works only in the step's own process, not in one it has forked")
    return _connection


def _flush() -> None:
    for stream in (_sys.stdout, _sys.stderr):
        if stream is not None:
            stream.flush()


def _exclusive() -> "_Any":
    return _connected().lock


def _send(message: "dict[str, _Any]", payload: bytes | None = None) -> None:
    data = _frames.pack_json(message)
    if payload is not None:
        data += _frames.pack(_frames.BYTES, payload)
    _write(data)


def _write(data: bytes) -> None:
    connection = _connected()
    with connection.lock:
        _flush()
        _frames.write_all(connection.tx, data)


def _receive() -> tuple[int, bytes]:
    kind, payload = _frames.read(_connected().rx)
    return int(kind), bytes(payload)


def _answer(payload: bytes, error: type[StepError]) -> "dict[str, _Any]":
    message: dict[str, _Any] = _json.loads(payload)
    if "error" in message:
        raise error(message["error"])
    return message
