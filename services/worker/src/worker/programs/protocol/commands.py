"""What the command of a server's document means in a cell, which has Python and installs nothing while it runs."""

import os
import re
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from programs.failures import Failed
from programs.place import PLACE

_PYTHON = re.compile(r"(?:.*/)?(?:python(?:3(?:\.\d+)?)?|py)")
_RUNNER = frozenset({"uvx", "pipx"})
_ENTRY = (
    "import sys; from importlib.metadata import EntryPoint; sys.argv[0] = {name!r}; "
    "sys.exit(EntryPoint({name!r}, {value!r}, 'console_scripts').load()())"
)


@dataclass(frozen=True)
class Start:
    """How to start a server: a command line, or a script that may run in a copy of this process."""

    arguments: tuple[str, ...]
    script: str = ""
    """The Python script among the arguments, where nothing but its own arguments follows."""


def resolve(command: str, arguments: Sequence[str], files: Collection[str], env: Mapping[str, str]) -> Start:
    """What to start; `files` are those of the config. Raises Failed saying what to use instead."""
    name = os.path.basename(command)  # noqa: PTH119
    if name == "uv" and arguments[:1] == ["run"]:
        return _of_uv(arguments[1:], files, env)
    if name in _RUNNER:
        return _of_package([one for one in arguments if one != "run"] if name == "pipx" else arguments)
    if _PYTHON.fullmatch(command):
        return _python(arguments, files, env)
    if command.removeprefix("./") in files and command.endswith(".py"):
        return _python([command, *arguments], files, env)
    if name == "deno" and PLACE.deno:
        return _deno(arguments)
    if found := shutil.which(command, path=os.environ.get("PATH")):
        return Start((found, *arguments))
    return _of_package([command, *arguments])


def _python(arguments: Sequence[str], files: Collection[str], env: Mapping[str, str]) -> Start:
    words = list(arguments)
    while words and words[0] in ("-u", "-B"):
        words.pop(0)
    own = words and words[0].removeprefix("./") in files and not PLACE.site
    is_plain = own and not any(name.startswith("PYTHON") for name in env)
    return Start((sys.executable, *arguments), script=os.path.abspath(words[0]) if is_plain else "")  # noqa: PTH100


def _deno(arguments: Sequence[str]) -> Start:
    """Deno, with the packages that the config's files import, and nothing to fetch."""
    rest = arguments[1:] if arguments[:1] == ["run"] else arguments
    packages = ["--no-remote", "--no-npm", "--no-lock"]
    if PLACE.site:
        packages = [f"--lock={PLACE.site}/deno.lock", "--frozen", "--node-modules-dir=none"]
    fixed = ["run", "--quiet", "--no-prompt", "--no-config", "--no-check", "--cached-only", *packages]
    return Start((PLACE.deno, *fixed, *rest))


def _of_uv(arguments: Sequence[str], files: Collection[str], env: Mapping[str, str]) -> Start:
    """`uv run server.py`, `uv run --script server.py`, `uv run python server.py`, `uv run name`."""
    words = [one for one in arguments if one not in ("-q", "--quiet", "--script", "--no-project")]
    if not words or words[0].startswith("-"):
        raise Failed(
            "the server's command is 'uv run' with options that a step cannot follow: it installs nothing while it "
            "runs. Write the packages into the config's requirements, and 'uv run' with the script alone"
        )
    if words[0].endswith(".py"):
        return _python(words, files, env)
    return resolve(words[0], words[1:], files, env)


def _of_package(arguments: Sequence[str]) -> Start:
    """The program of an installed package, by its name or the package's."""
    wanted = re.split(r"@|==|\[", arguments[0])[0] if arguments else ""
    if wanted.startswith("-"):
        raise Failed(
            f"the server's command has the option {wanted}, which installs packages, and a step installs nothing "
            "while it runs. Write them into the config's requirements, and the program's name alone"
        )
    found = _entry(wanted)
    if found is None:
        raise Failed(
            f"the server's command '{wanted}' is nothing that a step has: neither a file of the config's files, nor a "
            "program of its requirements, nor of this system. Name the package that brings it in the requirements"
        )
    code = _ENTRY.format(name=wanted, value=found)
    return Start((sys.executable, "-c", code, *arguments[1:]))


def _entry(name: str) -> str | None:
    folders = [folder for folder in (PLACE.site,) if folder and Path(folder).is_dir()]
    distributions = list(metadata.distributions(path=folders)) if folders else []
    scripts = [one for each in distributions for one in each.entry_points if one.group == "console_scripts"]
    for one in scripts:
        if one.name == name:
            return one.value
    for each in distributions:
        own = [one.value for one in each.entry_points if one.group == "console_scripts"]
        if _plain(each.metadata["Name"] or "") == _plain(name) and len(own) == 1:
            return own[0]
    return None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
