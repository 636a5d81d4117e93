"""Toolboxes: the packages that the worker's programs find in their cells, taken from its own locked dependencies.

`python -m worker.toolboxes` makes all of them ahead, as an image does; otherwise each is made when it is first used.
"""

import asyncio
import contextlib
import fcntl
import functools
import hashlib
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from worker.cells.profile import BARE, Environment

log = logging.getLogger(__name__)

CONTENTS: Final = {
    "notebook": ("ipykernel", "nbclient", "nbconvert", "nbformat"),
    "models": ("anthropic", "google-genai", "jinja2", "jsonschema", "openai"),
    "protocol": ("jsonschema", "mcp"),
    "app": ("dulwich", "streamlit"),
    "table": ("duckdb", "pyarrow"),
    "report": ("jinja2", "markdown-it-py", "nh3", "vl-convert-python"),
}
"""Each toolbox's distributions; what these need comes along."""
_LAYOUT: Final = 1
"""Another number where a toolbox of the same packages is laid out otherwise."""
_LEFT_OUT: Final = "tests"
"""The folders of packages' own tests; they are large."""


class ToolboxError(Exception):
    """A toolbox cannot be made; the message says why, to the operator."""


class Toolboxes:
    """The toolboxes below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._building: dict[str, asyncio.Task[Environment]] = {}

    async def get(self, name: str, say: Callable[[str], None]) -> Environment:
        """The toolbox, made if there is none yet; BARE for an empty name. Raises ToolboxError."""
        if not name:
            return BARE
        found = self.find(name)
        if found is not None:
            return found
        task = self._building.get(name)
        if task is None:
            say("preparing this worker for its first step of this kind")
            task = self._building[name] = asyncio.create_task(asyncio.to_thread(self.make, name))
            task.add_done_callback(lambda _: self._building.pop(name, None))
        return await asyncio.shield(task)

    def find(self, name: str) -> Environment | None:
        """The toolbox, if it is there. Raises ToolboxError."""
        folder = self._folder / _identity(name)
        return Environment(folder.name, folder) if folder.is_dir() else None

    def make(self, name: str) -> Environment:
        """The toolbox, made if it is not there. Blocks. Raises ToolboxError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with _exclusive(self._folder / f".{name}.lock"):
                found = self.find(name)
                return found or self._make(name)
        except OSError as error:
            raise ToolboxError(f"the packages of '{name}' steps cannot be laid out: {error}") from None

    def _make(self, name: str) -> Environment:
        folder = self._folder / _identity(name)
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=self._folder))
        try:
            for distribution in _closure(CONTENTS[name]):
                _lay_out(distribution, draft)
            _compile(draft)
            draft.chmod(0o755)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        for old in self._folder.glob(f"{name}-*"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
        return Environment(folder.name, folder)


def beside_packages() -> Path:
    """The folder of toolboxes in the environment that this worker is installed in."""
    return Path(sys.prefix) / "share" / "mcpanel-toolboxes"


def folder_for(home: Path) -> Path:
    """Where this worker keeps them: beside its packages; below its home where it may not write there."""
    beside = beside_packages()
    if os.access(beside if beside.is_dir() else sys.prefix, os.W_OK) or _complete(beside):
        return beside
    return home / "toolboxes"


def _complete(folder: Path) -> bool:
    return all(Toolboxes(folder).find(name) for name in CONTENTS)


@functools.cache
def _identity(name: str) -> str:
    """The toolbox's folder: another one when a version in it changes."""
    parts = sorted(f"{one.metadata['Name']}=={one.version}" for one in _closure(CONTENTS[name]))
    python = f"{sys.version_info.major}.{sys.version_info.minor} {_LAYOUT}"
    return f"{name}-{hashlib.sha256(' '.join([python, *parts]).encode()).hexdigest()[:16]}"


def _closure(names: tuple[str, ...]) -> list[metadata.Distribution]:
    """The distributions and all that they need here, extras included. Raises ToolboxError."""
    found: dict[str, metadata.Distribution] = {}
    seen: set[tuple[str, str]] = set()
    wanted = [(name, "") for name in names]
    while wanted:
        name, extra = wanted.pop()
        key = (re.sub(r"[-_.]+", "-", name).lower(), extra)
        if key in seen:
            continue
        seen.add(key)
        one = found[key[0]] = found.get(key[0]) or _distribution(name)
        for line in one.requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                wanted += [(requirement.name, more) for more in ("", *requirement.extras)]
    return [found[name] for name in sorted(found)]


def _distribution(name: str) -> metadata.Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise ToolboxError(f"the worker was installed without '{name}'; install it anew") from None


def _lay_out(distribution: metadata.Distribution, folder: Path) -> None:
    """Links the distribution's files into the folder, or copies them where the file systems differ."""
    for file in distribution.files or ():
        parts = _place(distribution, file)
        if not parts or "__pycache__" in parts or _LEFT_OUT in parts[1:-1]:
            continue
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        source = str(distribution.locate_file(file))
        with contextlib.suppress(FileExistsError):
            try:
                os.link(source, target)  # noqa: PTH116, RUF100
            except OSError:
                shutil.copy2(source, target)


def _compile(folder: Path) -> None:
    """Compiles all of it on every processor, outside of this process: what speaks gRPC must not fork."""
    command = [sys.executable, "-m", "compileall", "-qq", "-j", "0", str(folder)]
    subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _place(distribution: metadata.Distribution, file: metadata.PackagePath) -> tuple[str, ...]:
    """Where the file lies in a toolbox: a package's as it is, shared data below `share`, commands nowhere."""
    if ".." not in file.parts:
        return file.parts
    path = os.path.normpath(str(distribution.locate_file(file)))
    shared = os.path.join(sys.prefix, "share")  # noqa: PTH118
    return ("share", *Path(path).relative_to(shared).parts) if path.startswith(f"{shared}{os.sep}") else ()


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Makes every toolbox; the process's exit status."""
    toolboxes = Toolboxes(beside_packages())
    try:
        for name in CONTENTS:
            if toolboxes.find(name) is None:
                sys.stderr.write(f"laying out the packages of '{name}' steps\n")
                toolboxes.make(name)
    except ToolboxError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
