"""Makes `.venv` from requirements.lock and the workspace's members; does nothing when nothing changed.

Needs Python and nothing else: uv from the PATH, or one installed by pip into `.tools`, or uv's wheel fetched
from the package index this machine is configured for. Every download is checked against a committed hash.
"""

import configparser
import contextlib
import fcntl
import hashlib
import html
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
TOOLS = ROOT / ".tools"
LOCK = ROOT / "requirements.lock"
UV_PIN = ROOT / "deploy" / "uv.lock"  # uv itself, with the hash of each platform's wheel
STAMP = VENV / ".mcpanel"
OLDEST_UV = (0, 9)
TAIL = 15  # lines of a tool's output that explain its failure


class BootstrapError(Exception):
    """Why the environment cannot be made, in one sentence."""


def main(arguments: list[str]) -> int:
    """`install` (the default) brings `.venv` up to date; `lock` resolves requirements.lock anew."""
    try:
        with exclusive():
            if arguments[:1] == ["lock"]:
                lock()
            else:
                install()
    except BootstrapError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        say(f"error: the environment cannot be made: {error.strerror or error} ({error.filename or ROOT})")
        return 1
    return 0


def install() -> None:
    """Create or update `.venv`."""
    wanted = fingerprint()
    if STAMP.exists() and STAMP.read_text() == wanted and works(VENV_PYTHON, "-ISc", ""):
        return
    begun = time.monotonic()
    uv = find_uv()
    if not works(VENV_PYTHON, "-ISc", "") or not same_python():
        say(f"creating .venv with Python {platform.python_version()}")
        shutil.rmtree(VENV, ignore_errors=True)
        run(uv, "venv", "--quiet", "--python", base_python(), str(VENV))
    STAMP.unlink(missing_ok=True)
    count = sum(1 for line in LOCK.read_text().splitlines() if re.match(r"[a-z0-9].*==", line))
    say(f"installing {count} packages into .venv (the first time, this downloads some 200 MB)")
    run(uv, "pip", "sync", "--python", str(VENV_PYTHON), "--require-hashes", "--no-build", str(LOCK))
    editable = [word for member in members() for word in ("--editable", str(member))]
    run(uv, "pip", "install", "--quiet", "--python", str(VENV_PYTHON), "--no-deps", *editable)
    STAMP.write_text(wanted)
    say(f".venv is ready ({time.monotonic() - begun:.0f} s)")


def lock() -> None:
    """Resolve the newest allowed versions, for all members and the dev group, into requirements.lock."""
    projects = [member / "pyproject.toml" for member in members()]
    names = [re.search(r'^name = "(.+)"$', project.read_text(), re.M) for project in projects]
    excluded = [word for name in names if name for word in ("--no-emit-package", name[1])]
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"]
    sources = [str(project.relative_to(ROOT)) for project in projects]
    where = ["--no-emit-index-url", "--no-emit-find-links", "--group", "pyproject.toml:dev", "--upgrade"]
    draft = TOOLS / "requirements.lock"
    run(find_uv(), "pip", "compile", "--quiet", *options, *where, *excluded, *sources, "-o", str(draft))
    text = re.sub(r"\n# The following packages were excluded.*", "\n", draft.read_text(), flags=re.S)
    if re.search(r"://|^-|file:", text, re.M):
        raise BootstrapError("the resolved lock names a download address or a local path")
    LOCK.write_text(
        "# Resolved by `make lock` from every member's pyproject.toml and the dev group.\n" + text
    )
    say("requirements.lock is resolved anew")


def members() -> list[Path]:
    """The folders of the workspace's members."""
    services = sorted((ROOT / "services").iterdir())
    found = [ROOT / "protos", *services, ROOT / "gateway", ROOT / "deploy" / "local"]
    return [folder for folder in found if (folder / "pyproject.toml").exists()]


def fingerprint() -> str:
    """Changes whenever `.venv` has to be made again."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {ROOT}".encode())
    for path in (Path(__file__), LOCK, *(member / "pyproject.toml" for member in members())):
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()


def works(program: Path, *arguments: str) -> bool:
    """Whether this program runs here."""
    with contextlib.suppress(OSError):
        return subprocess.run([program, *arguments], check=False, capture_output=True).returncode == 0
    return False


def base_python() -> str:
    """The Python outside any environment: `.venv` may run this and be removed by it."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def same_python() -> bool:
    """Whether `.venv` was made with the Python version that runs this."""
    with contextlib.suppress(OSError):
        return f"\nversion_info = {platform.python_version()}" in (VENV / "pyvenv.cfg").read_text()
    return False


def find_uv() -> str:
    """Path of uv: the one on the PATH, or one brought into `.tools` by whatever works here."""
    path = shutil.which("uv")
    if path and version_of(path) >= OLDEST_UV:
        return path
    mine = TOOLS / "bin" / "uv"
    if works(mine, "--version"):
        return str(mine)
    say("fetching uv into .tools")
    reasons = []
    for way in (uv_by_venv, uv_by_pip, uv_by_index):
        try:
            way(mine)
        except (BootstrapError, OSError, ValueError, zipfile.BadZipFile) as error:
            reasons.append(str(error))
            continue
        if works(mine, "--version"):
            return str(mine)
        reasons.append("the fetched uv does not run here")
    raise BootstrapError(
        "uv cannot be fetched: install uv, or python3-venv, or pip, or set UV_DEFAULT_INDEX to your package "
        f"index ({'; '.join(reasons)})"
    )


def version_of(uv: str) -> tuple[int, ...]:
    """The version uv says it has; nothing when it does not run."""
    with contextlib.suppress(OSError):
        told = subprocess.run([uv, "--version"], check=False, capture_output=True, text=True).stdout
        if found := re.match(r"uv (\d+)\.(\d+)", told):
            return int(found[1]), int(found[2])
    return ()


def uv_by_venv(target: Path) -> None:
    """Install uv with the pip of a tools environment."""
    folder = TOOLS / "venv"
    shutil.rmtree(folder, ignore_errors=True)
    quietly("python -m venv", sys.executable, "-m", "venv", str(folder))
    pip_install([str(folder / "bin" / "python"), "-m", "pip", "install"])
    link(folder / "bin" / "uv", target)


def uv_by_pip(target: Path) -> None:
    """Install uv with the pip of this Python, into a folder of its own (Debian without python3-venv)."""
    folder = TOOLS / "pip"
    shutil.rmtree(folder, ignore_errors=True)
    pip_install([sys.executable, "-m", "pip", "install", "--target", str(folder)])
    link(folder / "bin" / "uv", target)


def pip_install(command: list[str]) -> None:
    """Run pip for the pinned uv."""
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
    quietly("pip", *command, *options, "--require-hashes", "-r", str(UV_PIN))


def uv_by_index(target: Path) -> None:
    """Fetch uv's wheel from the configured index, check its hash, and take the program out of it."""
    index = configured_index()
    if not index:
        raise BootstrapError("no package index is configured")
    pin = UV_PIN.read_text()
    version = re.search(r"^uv==(\S+)", pin, re.M)
    hashes = set(re.findall(r"sha256:([0-9a-f]{64})", pin))
    page = index.rstrip("/") + "/uv/"
    with urllib.request.urlopen(page, timeout=60) as answer:  # noqa: S310 - the user's own index
        links = re.findall(r'href="([^"]+)"', answer.read().decode())
    for link_text in links:
        url = urllib.parse.urljoin(page, html.unescape(link_text))
        name = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])
        if version and name.startswith(f"uv-{version[1]}-") and name.endswith(".whl") and fits(name):
            break
    else:
        raise BootstrapError(f"{page} has no uv for this machine")
    wheel = TOOLS / "uv.whl"
    with urllib.request.urlopen(url, timeout=300) as answer, wheel.open("wb") as file:  # noqa: S310
        shutil.copyfileobj(answer, file)
    if hashlib.sha256(wheel.read_bytes()).hexdigest() not in hashes:
        wheel.unlink()
        raise BootstrapError(f"{url} does not have a pinned hash")
    with zipfile.ZipFile(wheel) as archive:
        member = next(entry for entry in archive.namelist() if entry.endswith(".data/scripts/uv"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(archive.read(member))
    target.chmod(0o755)
    wheel.unlink()


def fits(wheel: str) -> bool:
    """Whether a wheel's platform tags include this machine."""
    machine = platform.machine().lower().replace("amd64", "x86_64")
    if sys.platform == "darwin":
        return "macosx" in wheel and machine in wheel
    libc = "musllinux" if "musl" in (sysconfig.get_config_var("HOST_GNU_TYPE") or "") else "manylinux"
    return libc in wheel and f"_{machine}." in wheel.replace("-", ".")


def configured_index() -> str | None:
    """The package index of the environment (uv's or pip's variables, or pip's files)."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if value := os.environ.get(name):
            return value
    files = [Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf", Path("/etc/pip.conf")]
    if named := os.environ.get("PIP_CONFIG_FILE"):
        files.insert(0, Path(named))
    for path in files:
        parser = configparser.RawConfigParser(strict=False)
        with contextlib.suppress(configparser.Error, OSError):
            parser.read(path)
            if value := parser.get("global", "index-url", fallback=None):
                return value
    return None


def environment() -> dict[str, str]:
    """uv's environment: it never fetches a Python, and knows pip's index and certificates."""
    found = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    found.pop("VIRTUAL_ENV", None)
    index = configured_index()
    if index and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & found.keys():
        found["UV_DEFAULT_INDEX"] = index
    if "PIP_CERT" in found:
        found.setdefault("SSL_CERT_FILE", found["PIP_CERT"])
    return found


def run(uv: str, *arguments: str) -> None:
    """Run uv; on a terminal it shows its own progress, elsewhere its output is kept for a failure."""
    terminal = sys.stderr.isatty()
    done = subprocess.run(
        [uv, *arguments],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=None if terminal else subprocess.PIPE,
        stderr=None if terminal else subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        for line in (done.stdout or b"").decode(errors="replace").splitlines()[-TAIL:]:
            say(f"    {line}")
        what = " ".join(word for word in arguments[:2] if not word.startswith("-"))
        raise BootstrapError(f"`uv {what}` failed, as shown above; is the package index reachable?")


def quietly(what: str, *command: str) -> None:
    """Run a command; its last line becomes the error when it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").strip().splitlines() or ["no message"]
        raise BootstrapError(f"{what}: {lines[-1]}")


def link(program: Path, target: Path) -> None:
    """Let `target` be the installed program."""
    if not program.exists():
        raise BootstrapError(f"{program} was not installed")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(program)


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """One at a time; a second call waits for the first."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another make that prepares .venv")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """Show a line at once."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is a command's output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
