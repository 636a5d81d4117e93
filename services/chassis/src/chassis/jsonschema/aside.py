"""Matches a value in a process of its own, which ends when it takes too long or too much memory.

Asked by `mismatch`; `python -m chassis.jsonschema.aside` is the process. Nothing of a schema or a value is in its
arguments: it reads them from its input.
"""

import asyncio
import json
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from chassis import jsonvalue
from chassis.jsonschema.matching import MOST_LEVELS, TOO_DEEP, Mismatch, Schema, nests_deeper
from chassis.jsonvalue import Json

SECONDS: Final = 30
"""How long it may take."""
_MEMORY: Final = 4 * 1024**3
_AT_ONCE: Final = asyncio.Semaphore(2)


class UndecidedError(Exception):
    """Nobody knows whether the value fits: finding out takes too long or too much memory. The message says which."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the value that lies in a file: at which place, and its first byte and the one behind its last."""

    path: tuple[str, ...]
    fd: int
    span: tuple[int, int]


async def mismatch(schema: Schema, raw: bytes, parts: Sequence[Part] = ()) -> Mismatch | None:
    """The first reason why a value does not fit, None when it does; `parts` are put at their places in `raw`.

    Raises UndecidedError.
    """
    question: dict[str, Any] = {
        "schema": schema.document,
        "value": raw.decode(),
        "parts": [(one.path, one.fd, one.span) for one in parts],
    }
    async with _AT_ONCE:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            __name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=sorted({one.fd for one in parts}),
            env={},
        )
        answer = b""
        try:
            async with asyncio.timeout(SECONDS):
                answer, _ = await process.communicate(jsonvalue.canonical(question))
        except TimeoutError:
            raise UndecidedError(f"that was not known after {SECONDS} s; simplify the schema") from None
        except (OSError, RuntimeError):  # its pipe is gone: it ended before it had read the question
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode or not answer:
        raise UndecidedError("that takes too much memory or time; simplify the schema, or pass less at once")
    found: dict[str, Any] | None = json.loads(answer)
    return None if found is None else Mismatch(tuple(found["path"]), found["why"])


def main() -> NoReturn:
    """Answers one question, and ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    question = json.loads(sys.stdin.buffer.read())
    found = _found(Schema(question["schema"]), question["value"].encode(), question["parts"])
    sys.stdout.write(json.dumps(None if found is None else {"path": found.path, "why": found.why}))
    sys.stdout.flush()
    os._exit(0)


def _found(schema: Schema, raw: bytes, parts: Sequence[Any]) -> Mismatch | None:
    """The mismatch of the value with its parts, each a path, a descriptor and a span, in their places."""
    if not parts:
        return schema.mismatch(raw)
    value = json.loads(raw)
    for path, fd, (start, end) in parts:
        part = os.pread(fd, end - start, start)
        if nests_deeper(part, MOST_LEVELS):
            return TOO_DEEP
        value = _complete(value, path, json.loads(part))
    return schema.mismatch_of(value)


def _complete(value: Any, path: Sequence[str], part: Json) -> Any:
    """The value with a part at its place."""
    if not path:
        return part
    inside = value
    for key in path[:-1]:
        inside = inside[int(key) if isinstance(inside, list) else key]
    inside[int(path[-1]) if isinstance(inside, list) else path[-1]] = part
    return value


if __name__ == "__main__":
    main()
