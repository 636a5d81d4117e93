"""Environments: the packages of a component, installed once, outside of any cell, and mounted read-only.

Only wheels are installed, so that no code of a package runs here. What was resolved is kept beside the packages, with
the hash of every file that was downloaded.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uv

from worker.cells.bubblewrap import python
from worker.cells.profile import BARE, Environment
from worker.executors.program import Requirements

_TIMEOUT: Final = 600.0
Log = Callable[[str], None]


class DependencyError(Exception):
    """The packages cannot be installed; the message is the installer's own."""


class Environments:
    """The content-addressed store of environments below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._building: dict[str, asyncio.Task[None]] = {}

    async def get(self, requirements: Requirements, log: Log) -> Environment:
        """The environment with these packages, built if this machine has none yet. Raises DependencyError.

        `log` takes the installer's lines while it builds. Callers with the same requirements share one build.
        """
        if requirements.python:
            _check_python(requirements.python)
        if not requirements.packages:
            return BARE
        digest = _digest(requirements)
        folder = self._folder / digest
        if not folder.is_dir():
            task = self._building.get(digest)
            if task is None:
                task = asyncio.create_task(self._build(requirements, folder, log))
                self._building[digest] = task
                task.add_done_callback(lambda _: self._building.pop(digest, None))
            else:
                log("waiting for the same packages, which are being installed already")
            await asyncio.shield(task)
        return Environment(digest, folder / "site")

    async def _build(self, requirements: Requirements, folder: Path, log: Log) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self._folder))
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._install(requirements, draft, log)
            await asyncio.to_thread(_publish, draft, folder)
        except TimeoutError:
            raise DependencyError(f"installing the packages took longer than {_TIMEOUT:.0f} s") from None
        finally:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)

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
        cache = self._folder.parent / "uv-cache"
        await _uv([*compile_, str(wanted)], cache, log)
        count = sum(1 for line in locked.read_text().splitlines() if line and not line.startswith((" ", "#")))
        log(f"installing {count} package{'s' if count != 1 else ''}")
        install = ["pip", "install", "--require-hashes", "--target", str(draft / "site"), "-r", str(locked)]
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


def _publish(draft: Path, folder: Path) -> None:
    """Makes the environment the one of its digest, unless another worker was faster. Raises DependencyError."""
    _make_readable(draft)
    with contextlib.suppress(OSError):
        draft.rename(folder)
    if not folder.is_dir():
        raise DependencyError(f"the environment could not be kept in {folder.parent}")


def _make_readable(folder: Path) -> None:
    """Lets the cells' user read everything, whatever this process's umask is."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
