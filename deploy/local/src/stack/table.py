"""What a stack is made of: one table of processes and preparations, each with its needs.

A process gets the environment named here and nothing else: its own database, its own key, the addresses it
calls. The worker gets neither a database nor NATS.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stack import envoy, prepare, secrets
from stack.child import base_environment, spawn
from stack.config import EdgeConfig
from stack.errors import StackError
from stack.home import Home
from stack.nats import Nats
from stack.ports import Ports, replicas
from stack.postgres import SERVICES, Postgres

# Named for each process below, or for nobody: everything else that is called MCPANEL_… is passed on to all.
_KEPT_BACK = ("MCPANEL_SECRET", "MCPANEL_DATABASE_URL", "MCPANEL_NATS_URL", "MCPANEL_KEY")
_ADDRESSES = ("identity", "registry", "engine", "datasources", "audit")
CERTIFIED = ("identity", "registry", "datasources", "audit", "engine", "gateway", "worker", "edge", "stack")
"""The processes that show a certificate, where they do; the supervisor asks whether the others are ready."""
_REPLICA = re.compile(r"_\d+$")


@dataclass(frozen=True, slots=True)
class Site:
    """Where a stack stands: its folder, its ports, its servers, and what its owner set in the environment."""

    home: Home
    ports: Ports
    environ: Mapping[str, str]

    @property
    def postgres(self) -> Postgres:
        """The embedded PostgreSQL of this site."""
        return Postgres(self.home.path, self.ports.postgres)

    @property
    def nats(self) -> Nats:
        """The embedded NATS of this site."""
        return Nats(self.home.path, self.ports.nats)

    @property
    def certificates(self) -> Path | None:
        """The folder with a folder of certificates for each process; None where they show none to each other."""
        mutual = EdgeConfig.from_environment(self.environ).tls == "mutual"
        return self.home.path / "certificates" if mutual else None

    def port(self, name: str) -> int:
        """The port of a listener, by its name in Ports."""
        return self.ports.port(name)


@dataclass(frozen=True, slots=True)
class Process:
    """A supervised process. It counts as ready when `ready` says so: a kind and the listener it asks."""

    name: str
    title: str
    start: Callable[[Site], subprocess.Popen[bytes]]
    needs: tuple[str, ...]
    ready: tuple[str, str]  # ("tcp" | "grpc" | "worker" | "nats" | "postgres", a name in Ports)
    listens: tuple[str, ...]
    stops: int  # processes stop in ascending order, those with the same number together
    before: Callable[[Site], None] | None = None  # blocking preparation, run in a thread
    interrupt: bool = False  # stop with SIGINT rather than SIGTERM
    grace: float = 15  # seconds from the signal to stop until it is killed


@dataclass(frozen=True, slots=True)
class Preparation:
    """Something that is done once at every start; it blocks and runs in a thread."""

    name: str
    title: str
    run: Callable[[Site], None]
    needs: tuple[str, ...]


Entry = Process | Preparation


def environment(site: Site, name: str, extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of one of our own processes."""
    passed = {
        key: value
        for key, value in site.environ.items()
        if key.startswith("MCPANEL_") and not key.startswith(_KEPT_BACK) and "__" not in key
    }
    return {
        **base_environment(),
        **passed,
        "MCPANEL_ENV_FILE": os.devnull,  # the .env was read once, by the supervisor
        "MCPANEL_HOME": str(site.home.path),
        "PYTHONUNBUFFERED": "1",
        **extra,
        **_own_settings(site.environ, _REPLICA.sub("", name)),
        **_own_settings(site.environ, name),
    }


def _own_settings(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """Settings for one process alone: `MCPANEL_ENGINE__LEASE=5s` reaches every engine as `MCPANEL_LEASE=5s`,
    `MCPANEL_ENGINE_2__LEASE=5s` the second.
    """
    prefix = f"MCPANEL_{name.upper()}__"
    return {
        f"MCPANEL_{key.removeprefix(prefix)}": value
        for key, value in environ.items()
        if key.startswith(prefix)
    }


def _secret(site: Site, setting: str, owner: str, value: str) -> dict[str, str]:
    """A setting that holds a password, given as a file of mode 0600: an environment can be read in /proc."""
    path = site.home.path / "settings" / f"{owner}.{setting.lower()}"
    secrets.write_private(path, value + "\n", durable=False)
    return {f"{setting}_FILE": str(path)}


def _database(site: Site, name: str) -> dict[str, str]:
    return _secret(site, "MCPANEL_DATABASE_URL", name, site.postgres.url(name))


def process_name(name: str) -> str:
    """What a process is called in its certificate and its module: `engine_2` is an engine."""
    return _REPLICA.sub("", name)


def _common(site: Site, name: str, calls: Sequence[str]) -> dict[str, str]:
    found = {f"MCPANEL_{other.upper()}_ADDRESS": _address(site.ports.all_of(other)) for other in calls}
    found["MCPANEL_METRICS_LISTEN"] = f"127.0.0.1:{site.port(f'{name}_metrics')}"
    found["MCPANEL_KEY_FILE"] = str(site.home.keys / f"{process_name(name)}.key")
    if (folder := site.certificates) is not None:
        found["MCPANEL_TLS_DIR"] = str(folder / process_name(name))
    return found


def _address(ports: Sequence[int]) -> str:
    addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
    return addresses if len(ports) == 1 else f"ipv4:{addresses}"


def _python(site: Site, name: str, extra: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return spawn(
        [sys.executable, "-m", _REPLICA.sub("", name)],
        env=environment(site, name, extra),
        log=site.home.logs / f"{name}.log",
        cwd=site.home.path,
    )


def _service(
    name: str,
    calls: Sequence[str] = ("identity", "audit"),
    *,
    keys: bool = False,
    settings: Callable[[Site], Mapping[str, str]] | None = None,
) -> Process:
    """A service with a database, called over gRPC."""

    def start(site: Site) -> subprocess.Popen[bytes]:
        extra = {
            **_common(site, name, calls),
            **_database(site, _REPLICA.sub("", name)),
            "MCPANEL_LISTEN": f"127.0.0.1:{site.port(name)}",
            **({"MCPANEL_KEYS_DIR": str(site.home.keys)} if keys else {}),
            **(settings(site) if settings else {}),
        }
        return _python(site, name, extra)

    return Process(
        name,
        name.replace("_", " "),
        start,
        needs=("keys", "nats"),
        ready=("grpc", name),
        listens=(name, f"{name}_metrics"),
        stops=3,
    )


def _engine(name: str) -> Process:
    return _service(name, ("identity", "audit", "registry", "datasources"), settings=_bus)


def _bus(site: Site) -> Mapping[str, str]:
    return {**_secret(site, "MCPANEL_NATS_URL", "engine", site.nats.url), **_apps(site)}


def _external(site: Site) -> dict[str, str]:
    """What a user may refer to in a data source: secrets by name, and the sample database on this machine."""
    wanted = ("MCPANEL_SECRET_", "MCPANEL_SECRETS_DIR")
    secret = {key: value for key, value in site.environ.items() if key.startswith(wanted)}
    own = "" if site.environ.get("MCPANEL_PROFILE") == "production" else "127.0.0.1/32"
    networks = site.environ.get("MCPANEL_ALLOWED_NETWORKS", own)
    return {"MCPANEL_ALLOWED_NETWORKS": networks, **secret}


def _apps(site: Site) -> dict[str, str]:
    """Where browsers reach apps; others than those of this machine are told by its owner."""
    secure = EdgeConfig.from_environment(site.environ).certificate is not None
    return {"MCPANEL_APPS_ORIGIN": f"http{'s' if secure else ''}://127.0.0.1:{site.ports.apps}"} | _told(
        site, "MCPANEL_APPS_ORIGIN"
    )


def _consoles(site: Site) -> dict[str, str]:
    """Whose pages may show apps inside themselves: this machine's, unless its owner tells others."""
    secure = EdgeConfig.from_environment(site.environ).certificate is not None
    origins = [
        f"http{'s' if secure else ''}://{host}:{site.ports.edge}" for host in ("127.0.0.1", "localhost")
    ]
    return {"MCPANEL_CONSOLE_ORIGINS": ",".join(origins)} | _told(site, "MCPANEL_CONSOLE_ORIGINS")


def _told(site: Site, setting: str) -> dict[str, str]:
    return {setting: site.environ[setting]} if setting in site.environ else {}


def _gateway(site: Site) -> subprocess.Popen[bytes]:
    extra = {
        **_common(site, "gateway", _ADDRESSES),
        **_consoles(site),
        "MCPANEL_APPS_LISTEN": f"127.0.0.1:{site.ports.gateway_apps}",
        "MCPANEL_LISTEN": f"127.0.0.1:{site.ports.gateway_grpc}",
        "MCPANEL_HTTP_LISTEN": f"127.0.0.1:{site.ports.gateway_http}",
    }
    return _python(site, "gateway", extra)


def _worker(name: str) -> Process:
    return Process(
        name,
        name.replace("_", " "),
        lambda site: _start_worker(site, name),
        needs=("keys",),
        ready=("worker", f"{name}_metrics"),
        listens=(f"{name}_metrics",),
        stops=2,
    )


def _start_worker(site: Site, name: str) -> subprocess.Popen[bytes]:
    # The worker installs what a component requires, so it may know where packages come from.
    prefixes = (
        "UV_",
        "PIP_",
        "JSR_URL",
        "NPM_CONFIG_REGISTRY",
        "DENO_CERT",
        "DENO_TLS_CA_STORE",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
    )
    indexes = {key: value for key, value in os.environ.items() if key.startswith(prefixes)}
    # The servers that examples bring listen there.
    own = "" if site.environ.get("MCPANEL_PROFILE") == "production" else "127.77.0.0/24"
    networks = {"MCPANEL_WORKER_NETWORKS": site.environ.get("MCPANEL_WORKER_NETWORKS", own)}
    return _python(site, name, {**indexes, **networks, **_common(site, name, ("engine", "datasources"))})


def _edge(site: Site) -> subprocess.Popen[bytes]:
    folder = site.home.path / "envoy"
    config = envoy.write(folder, site.ports, EdgeConfig.from_environment(site.environ), site.certificates)
    return spawn(envoy.command(config), env=base_environment(), log=site.home.logs / "envoy.log")


def _databases(site: Site) -> None:
    if not prepare.is_prepared(site.postgres, site.home.keys):
        site.postgres.ensure()
        prepare.migrate({name: site.postgres.url(name) for name in SERVICES})


def _keys(site: Site) -> None:
    if not prepare.is_prepared(site.postgres, site.home.keys):
        extra = {**_database(site, "identity"), "MCPANEL_KEYS_DIR": str(site.home.keys)}
        prepare.make_accounts(environment(site, "identity", extra), site.home.logs / "accounts.log")
        prepare.mark_prepared(site.postgres)


TABLE: tuple[Entry, ...] = (
    Process(
        "postgres",
        "PostgreSQL",
        lambda site: site.postgres.spawn(),
        needs=(),
        ready=("postgres", "postgres"),
        listens=("postgres",),
        stops=5,
        before=lambda site: site.postgres.prepare(),
        interrupt=True,
        grace=30,
    ),
    Process(
        "nats",
        "NATS",
        lambda site: site.nats.spawn(),
        needs=(),
        ready=("nats", "nats"),
        listens=("nats",),
        stops=4,
    ),
    Preparation("databases", "databases", _databases, needs=("postgres",)),
    Preparation("keys", "keys", _keys, needs=("databases",)),
    _service("identity", keys=True),
    _service("registry", ("identity", "audit", "datasources", "engine")),
    _service("datasources", keys=True, settings=_external),
    _service("audit", keys=True),
    _engine("engine"),
    Process(
        "gateway",
        "gateway",
        _gateway,
        needs=("keys",),
        ready=("tcp", "gateway_http"),
        listens=("gateway_http", "gateway_apps", "gateway_grpc", "gateway_metrics"),
        stops=1,
    ),
    _worker("worker"),
    Process(
        "envoy",
        "Envoy",
        _edge,
        needs=(),
        ready=("tcp", "edge"),
        listens=("edge", "apps"),
        stops=0,
    ),
)


def table(environ: Mapping[str, str]) -> tuple[Entry, ...]:
    """The entries, with the engines of `MCPANEL_ENGINES` and the workers of `MCPANEL_WORKERS`. Raises StackError."""
    further = {
        "engine": [_engine(f"engine_{number}") for number in range(2, replicas(environ, "engine") + 1)],
        "worker": [_worker(f"worker_{number}") for number in range(2, replicas(environ, "worker") + 1)],
    }
    return tuple(one for entry in TABLE for one in (entry, *further.get(entry.name, ())))


def checked(site: Site, entries: Sequence[Entry]) -> EdgeConfig:
    """The edge's settings. Raises StackError naming what is wrong with them and, with MCPANEL_PROFILE=production, every
    setting that any process would refuse: each would else say so only when it is started, one after the other.
    """
    edge, problems = EdgeConfig.examined(site.environ)
    if site.environ.get("MCPANEL_PROFILE") == "production":
        problems += _refused(site, [entry.name for entry in entries])
    if edge is None or problems:
        raise StackError("; ".join(problems))
    return edge


def _refused(site: Site, names: Sequence[str]) -> list[str]:
    """What our own processes would refuse. They are asked in a process of their own, as they are run in one."""
    environs: dict[str, dict[str, dict[str, str]]] = {}
    for name in names:
        if (package := process_name(name)) in CERTIFIED:
            extra = _external(site) if package == "datasources" else {}
            environs.setdefault(package, {})[name] = environment(site, name, extra)
    done = subprocess.run(
        [sys.executable, "-m", "chassis.production"],
        input=json.dumps(environs),
        env=base_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"the settings cannot be examined: {done.stderr.strip().rpartition(chr(10))[2]}")
    found: list[str] = json.loads(done.stdout)
    return found


def log_of(site: Site, name: str) -> Path:
    """The log file of a process."""
    return site.home.logs / f"{name}.log"
