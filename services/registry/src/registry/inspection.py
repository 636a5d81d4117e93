"""Checking configs without holding up everybody else: a long script is read by a process of its own.

Python's parser takes seconds for a megabyte, and holds the interpreter's lock all that time.
"""

import asyncio
import json
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from chassis.errors import Exhausted
from registry import configs
from registry.configs import Checked, ConfigProblem
from registry.inference import Signature

_SCRIPTS: Final = ("python_script", "typescript_script")
_SHORT: Final = 16 * 1024
"""How many characters of code are checked at once, here."""
_SECONDS: Final = 15.0
_MEMORY: Final = 2 * 1024**3
_WAITING: Final = 16
"""How many long scripts may wait for their turn; more are refused."""


class Inspector:
    """Checks configs; long scripts one at a time."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        """`seconds` is how long reading one script may take."""
        self._seconds = seconds
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def check(self, kind: str, config: Mapping[str, Any] | None) -> Checked:
        """What `configs.check` finds; nothing without a config. Raises Exhausted TOO_MANY_REQUESTS."""
        if config is None:
            return Checked(())
        if kind not in _SCRIPTS or len(config.get("code_content", "")) <= _SHORT:
            return configs.check(kind, config)
        if self._waiting >= _WAITING:
            raise Exhausted(
                "TOO_MANY_REQUESTS", "too many long scripts are being checked; try again", retry_after=5
            )
        self._waiting += 1
        try:
            async with self._turn:
                return await self._elsewhere(kind, config)
        finally:
            self._waiting -= 1

    async def _elsewhere(self, kind: str, config: Mapping[str, Any]) -> Checked:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "registry.inspection"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )
        try:
            async with asyncio.timeout(self._seconds):
                output, _ = await process.communicate(json.dumps([kind, config]).encode())
        except TimeoutError:
            return _too_much(kind, f"took more than {self._seconds:g} seconds")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            return _too_much(kind, "took too much memory")
        problems, signature = json.loads(output)
        return Checked(tuple(ConfigProblem(**one) for one in problems), Signature(**signature))


def _too_much(kind: str, what: str) -> Checked:
    if kind == "typescript_script":  # what is wrong with it, the step says
        return Checked(())
    return Checked((ConfigProblem("code_content", f"reading the script {what}; make it shorter"),))


def main() -> None:
    """Answers the one config on standard input, `[kind, config]`, with `[problems, signature]`."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    kind, config = json.load(sys.stdin)
    found = configs.check(kind, config)
    json.dump([[asdict(one) for one in found.problems], asdict(found.signature)], sys.stdout)


if __name__ == "__main__":
    main()
