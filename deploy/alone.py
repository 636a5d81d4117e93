"""Installs each member alone, in an empty environment, with the locked versions, and lets it say how to start it.

Run as `make alone`. A member that imports what it does not name among its dependencies fails here.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import bootstrap

LIBRARIES = {"chassis", "mcpanel"}
PATIENCE = 5.0  # seconds after which a process that still runs has started
FREE_PORTS = {
    "MCPANEL_LISTEN": "127.0.0.1:0",
    "MCPANEL_HTTP_LISTEN": "127.0.0.1:0",
    "MCPANEL_METRICS_LISTEN": "",
}
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    # `__main__` runs, `env` is run by Alembic, and what runs inside cells is imported there under other names.
    in_cells = {"inside", "programs", "steplib"} & set(module.name.split("."))
    if not module.name.endswith(("__main__", ".env")) and not in_cells:
        importlib.import_module(module.name)
"""


def main() -> int:
    """The exit code: 0 when every member stands alone."""
    uv = bootstrap.find_uv()
    projects = {
        member: tomllib.loads((member / "pyproject.toml").read_text()) for member in bootstrap.members()
    }
    folders = {project["project"]["name"]: member for member, project in projects.items()}
    failed = False
    for name in folders:
        with tempfile.TemporaryDirectory(prefix="alone") as work:
            problem = alone(uv, name, folders, Path(work))
        sys.stdout.write(f"{name:<22} {problem or 'stands alone'}\n")
        failed = failed or bool(problem)
    return 1 if failed else 0


def alone(uv: str, name: str, folders: dict[str, Path], work: Path) -> str:
    """What is wrong with the member; nothing when it installs, imports and answers without its siblings."""
    python = work / "venv" / "bin" / "python"
    constraints = work / "constraints.txt"
    locked = re.findall(r"^[a-z0-9][^\\\n]*", bootstrap.LOCK.read_text(), re.M)
    constraints.write_text("\n".join(locked))
    run([uv, "venv", "--quiet", "--python", bootstrap.base_python(), str(work / "venv")])
    wanted = [str(folders[one]) for one in needs(name, folders)]
    done = run([uv, "pip", "install", "--quiet", "--python", str(python), "-c", str(constraints), *wanted])
    if done.returncode != 0:
        return f"cannot be installed: {done.stdout.strip()}"
    project = tomllib.loads((folders[name] / "pyproject.toml").read_text())
    package = project["tool"]["uv"]["build-backend"]["module-name"]
    package = package[0] if isinstance(package, list) else package
    done = run([str(python), "-W", "ignore", "-c", IMPORT_ALL, package], cwd=work)
    if done.returncode != 0:
        return f"does not import: {done.stdout.strip().splitlines()[-1]}"
    return "" if package in LIBRARIES else started(python, package, work)


def started(python: Path, package: str, work: Path) -> str:
    """What keeps the member from starting; nothing when it serves, or says which settings it misses."""
    with (work / "log").open("w+") as log:
        process = subprocess.Popen(
            [python, "-m", package], cwd=work, env=environment() | FREE_PORTS, stdout=log, stderr=log
        )
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return ""
        finally:
            process.kill()
            process.wait()
        log.seek(0)
        said = log.read().strip()
    return f"does not start: {said.splitlines()[-1]}" if "Traceback" in said or not said else ""


def needs(name: str, folders: dict[str, Path]) -> list[str]:
    """The member and the members it depends on, itself first."""
    project = tomllib.loads((folders[name] / "pyproject.toml").read_text())["project"]
    found = [name]
    for dependency in project.get("dependencies", []):
        if dependency in folders:
            found += [one for one in needs(dependency, folders) if one not in found]
    return found


def run(command: list[str], cwd: Path = bootstrap.ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with its output in one text."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def environment() -> dict[str, str]:
    """The environment without anything that configures MCPanel or Python."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("MCPANEL_", "PYTHON"))}


if __name__ == "__main__":
    sys.exit(main())
