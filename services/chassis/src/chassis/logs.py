"""Structured logs: one JSON object (or one readable line) an event, secrets masked at the sink.

log = logging.getLogger(__name__)
log.info("batch relayed", extra={"records": 20})
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import IO, Any, Final

from chassis.context import current_or_none
from chassis.masking import Masker

_STANDARD: Final = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "taskName",
}

masker: Final = Masker()
"""The process's masker. What is registered here is masked in every log line."""


def configure(
    service: str,
    *,
    level: str = "INFO",
    format: str = "json",  # noqa: A002
    secrets: Iterable[str] = (),
    stream: IO[str] | None = None,
) -> None:
    """Sends every log record of this process to `stream` (default: standard error), masked.

    `format` is `json` or `console`. Call it once, in `__main__`.
    """
    masker.add(*secrets)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(service) if format == "json" else ConsoleFormatter(service))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for noisy in ("grpc", "nats", "asyncio", "sqlalchemy.pool"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_not_of_metadata)
    logging.captureWarnings(True)


def _is_not_of_metadata(record: logging.LogRecord) -> bool:
    """gRPC logs metadata that is not UTF-8, a credential too. What is wrong with a call is refused, and on record."""
    return not str(record.msg).startswith("Invalid encoding on")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, service, logger, message, trace_id, and the record's extras."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The masked line."""
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        event |= _extras(record)
        if record.exc_info:
            event["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return masker.mask(json.dumps(event, ensure_ascii=False, default=str))


class ConsoleFormatter(logging.Formatter):
    """A line for a person: time, level, service, message, key=value."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The masked line, with the traceback under it."""
        clock = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        extras = "".join(f" {key}={value}" for key, value in _extras(record).items())
        line = f"{clock} {record.levelname:<7} {self._service:<11} {record.getMessage()}{extras}"
        if record.exc_info:
            line += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return masker.mask(line)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    found = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    call = current_or_none()
    if call is not None:
        found.setdefault("trace_id", call.trace_id)
    return found
