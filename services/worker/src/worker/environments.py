"""Environments: the packages of a component, installed once, outside of any cell, and mounted read-only.

Only wheels are installed, so that no code of a package runs here. What was resolved is kept beside the packages, with
the hash of every file that was downloaded. They are compiled once, so that no cell has to; that runs none
of it.
"""

import asyncio
import hashlib
import json
import os
import platform
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import uv

from worker.cells.bubblewrap import python
from worker.cells.profile import BARE, Environment
from worker.executors.program import Requirements
from worker.store import DependencyError, Store

_TIMEOUT: Final = 600.0
Log = Callable[[str], None]


class Environments:
    """The environments of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @asynccontextmanager
    async def use(self, requirements: Requirements, log: Log) -> AsyncIterator[Environment]:
        """The environment with these packages, built if this machine has none yet. Raises DependencyError.

        It stays until the end, however large the store grows. `log` takes the installer's lines while it builds.
        Callers with the same requirements share one build.
        """
        if requirements.python:
            _check_python(requirements.python)
        if not requirements.packages:
            yield BARE
            return
        digest = _digest(requirements)

        async def install(draft: Path) -> None:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await self._install(requirements, draft, log)
            except TimeoutError:
                raise DependencyError(f"installing the packages took longer than {_TIMEOUT:.0f} s") from None

        async with self._store.made(digest, install, log) as folder:
            yield Environment(digest, folder / "site")

    async def _install(self, requirements: Requirements, draft: Path, log: Log) -> None:
        wanted = draft / "requirements.in"
        locked = draft / "requirements.txt"
        wanted.write_text("\n".join(requirements.packages) + "\n")
        log(f"resolving {', '.join(requirements.packages)}")
        compile_ = [
            "pip",
            "compile",
            "--generate-hashes",
            "--no-header",
            "--no-annotate",
            "--output-file",
            str(locked),
        ]
        cache = self._store.folder.parent / "uv-cache"
        await _uv([*compile_, str(wanted)], cache, log)
        count = sum(1 for line in locked.read_text().splitlines() if line and not line.startswith((" ", "#")))
        log(f"installing {count} package{'s' if count != 1 else ''}")
        install = [
            "pip",
            "install",
            "--require-hashes",
            "--compile-bytecode",
            "--target",
            str(draft / "site"),
            "-r",
            str(locked),
        ]
        await _uv(install, cache, log)
        (draft / "site").mkdir(exist_ok=True)
        manifest = {
            "requirements": requirements.packages,
            "python": sys.version,
            "machine": platform.machine(),
        }
        (draft / "environment.json").write_text(json.dumps(manifest, indent=2))
        log("the packages are installed")


def _digest(requirements: Requirements) -> str:
    text = "\n".join([
        platform.machine(), f"{sys.version_info.major}.{sys.version_info.minor}", requirements.python,
        *requirements.packages,
    ])  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()[:32]


async def _uv(arguments: list[str], cache: Path, log: Log) -> None:
    """Runs uv. Raises DependencyError with what it said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MCPANEL_")}
    if "HOME" not in environment:
        environment.setdefault("UV_CACHE_DIR", str(cache))
    always = ["--python", python(), "--only-binary", ":all:", "--no-progress", "--color", "never"]
    process = await asyncio.create_subprocess_exec(
        uv.find_uv_bin(),
        *arguments,
        *always,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    said: list[str] = []
    try:
        while process.stderr and (raw := await process.stderr.readline()):
            line = raw.decode("utf-8", "replace").rstrip()
            said.append(line)
            if line.startswith((" + ", "Resolved", "Downloading", "Prepared", "Installed")):
                log(line.strip())
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status != 0:
        text = "\n".join(line for line in said if line.strip())[-2000:]
        raise DependencyError(text or f"the installer ended with status {status}")


def _check_python(specifier: str) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415  # rarely needed

    version = platform.python_version()
    try:
        matches = SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        raise DependencyError(f"requires-python {specifier!r} is not a version specifier (PEP 440)") from None
    if not matches:
        raise DependencyError(f"the script requires Python {specifier}; this worker runs {version}")
