"""Configuration: one frozen dataclass, read from the environment once, in `__main__`.

A root `.env` is loaded first. Every missing or invalid name is reported at once, with what to set.
"""

import dataclasses
import ipaddress
import logging
import os
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values

log = logging.getLogger(__name__)

T = TypeVar("T")
_REQUIRED: Final = object()
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})
_REFUSED: Final = "is refused with MCPANEL_PROFILE=production"
_TARGETS: Final = ("unix:", "ipv4:")


class ConfigError(Exception):
    """The environment cannot configure this process; the message lists every reason, one a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the configuration is incomplete:\n" + "\n".join(f"  {line}" for line in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or whom to call: `host:port`; or with port 0 `unix:/path`, and `ipv4:a:1,b:2` for replicas."""

    host: str
    port: int = 0

    @property
    def is_unix(self) -> bool:
        """Whether this is a unix socket."""
        return self.host.startswith("unix:")

    @property
    def is_local(self) -> bool:
        """Whether nobody beyond this machine can reach it."""
        if self.is_unix or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        if self.host.startswith(_TARGETS):
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parses `host:port`, `[v6]:port`, `unix:/path` or `ipv4:a:1,b:2`. Raises ValueError."""
        if text.startswith(_TARGETS):
            return cls(text)
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError("expected host:port, such as 127.0.0.1:50051")
        return cls(host, int(port))


@dataclass(frozen=True, slots=True)
class Networks:
    """A list of IP networks, as CIDRs."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    def __contains__(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in self.networks)

    def __str__(self) -> str:
        return ",".join(map(str, self.networks))

    @classmethod
    def parse(cls, text: str) -> "Networks":
        """Parses `127.0.0.0/8,::1/128`; empty for none. Raises ValueError."""
        try:
            return cls(tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()))
        except ValueError as error:
            raise ValueError(f"expected networks such as 10.1.0.0/16: {error}") from None


NOWHERE: Final = Networks(())
EVERYWHERE: Final = Networks.parse("0.0.0.0/0,::/0")


def setting(
    name: str,
    *,
    default: Any = _REQUIRED,
    help: str = "",  # noqa: A002
    secret: bool | Callable[[str], Sequence[str]] = False,
    unsafe: Callable[[Any], str] | None = None,
) -> Any:
    """A dataclass field read from the environment variable `name`.

    `default` is given as text, as the environment would, or as a value of the field's type; without one the
    name is required. `help` is shown when the value is missing or invalid. A `secret` stays out of the
    repr, is masked in logs, and may be given as a file that `<name>_FILE` names; where only parts of it are
    secret, a function gives those to be masked. `unsafe` says why a value is refused with
    `MCPANEL_PROFILE=production`; an empty text lets it pass.
    """
    metadata = {"env": name, "help": help, "secret": secret, "unsafe": unsafe}
    if default is _REQUIRED:
        return dataclasses.field(repr=not secret, metadata=metadata)
    return dataclasses.field(default=default, repr=not secret, metadata=metadata)


def profile_setting() -> Any:
    """The field that says what the process is for; `production` refuses what is `unsafe`."""
    return setting(
        "MCPANEL_PROFILE", default="local", help="local or production, which refuses unsafe settings by name"
    )


def log_level_setting() -> Any:
    """The field that says how much is logged."""
    return setting(
        "MCPANEL_LOG_LEVEL",
        default="INFO",
        help="DEBUG, INFO, WARNING or ERROR",
        unsafe=lambda level: (
            "libraries write what people send into their debug lines" if level.upper() == "DEBUG" else ""
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """What every service reads. A service subclasses it, overriding the defaults of its own ports."""

    home: Path = setting("MCPANEL_HOME", default=".mcpanel", help="the folder for local state")
    listen: Address = setting("MCPANEL_LISTEN", default="127.0.0.1:0", help="host:port to serve gRPC on")
    metrics_listen: Address | None = setting(
        "MCPANEL_METRICS_LISTEN", default="", help="host:port for Prometheus, empty for none"
    )
    key_file: Path | None = setting(
        "MCPANEL_KEY_FILE", default="", help="the file with this service account's API key"
    )
    identity_address: Address = setting(
        "MCPANEL_IDENTITY_ADDRESS", default="127.0.0.1:50055", help="host:port of identity"
    )
    audit_address: Address = setting(
        "MCPANEL_AUDIT_ADDRESS", default="127.0.0.1:50054", help="host:port of audit"
    )
    trusted_proxies: Networks = setting(
        "MCPANEL_TRUSTED_PROXIES",
        default=Networks.parse("127.0.0.0/8,::1/128"),
        help="the networks of edges and gateways, which say where a request came from, as CIDRs with commas between",
        unsafe=lambda networks: (
            "everybody could say where they come from"
            if any(one.prefixlen == 0 for one in networks.networks)
            else ""
        ),
    )
    tls_dir: Path | None = setting(
        "MCPANEL_TLS_DIR",
        default="",
        help="the folder with ca.crt, tls.crt and tls.key; with it processes speak mutual TLS only",
    )
    profile: Literal["local", "production"] = profile_setting()
    log_level: str = log_level_setting()
    log_format: str = setting("MCPANEL_LOG_FORMAT", default="json", help="json or console")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseConfig(ServiceConfig):
    """What a service with a database reads besides."""

    database_url: str = setting(
        "MCPANEL_DATABASE_URL", help="postgresql://user:password@host:port/database", secret=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BusConfig(DatabaseConfig):
    """What a service with a database that also talks over NATS reads."""

    nats_url: str = setting(
        "MCPANEL_NATS_URL",
        default="nats://127.0.0.1:42229",
        help="nats://user:password@host:port",
        secret=True,
    )


def load(cls: type[T], environ: Mapping[str, str] | None = None) -> T:
    """An instance of the dataclass `cls`, read from `environ`, or from the `.env` and the process's
    environment.

    A name set in `.env` wins over the process's environment; what `.env` does not name comes from there.
    Raises ConfigError naming everything that is missing, invalid, or unsafe with the profile `production`.
    """
    if environ is None:
        load_dotenv()
        environ = os.environ
    production = environ.get("MCPANEL_PROFILE") == "production"
    hints = typing.get_type_hints(cls)
    problems: list[str] = []
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]  # every config is a dataclass
        name = field.metadata.get("env")
        if name is None:
            continue
        try:
            text = _text(environ, name, secret=bool(field.metadata["secret"]))
        except OSError as error:
            problems.append(f"{name}_FILE cannot be read: {error.strerror}")
            continue
        meaning = f" ({field.metadata['help']})" if field.metadata["help"] else ""
        if text is None:
            if field.default is dataclasses.MISSING:
                problems.append(f"{name} is not set{meaning}")
                continue
            if not isinstance(field.default, str):
                values[field.name] = field.default
                continue
            text = field.default
        try:
            values[field.name] = _convert(hints[field.name], text)
        except ValueError as error:
            shown = "" if field.metadata["secret"] else f" {text!r}"
            problems.append(f"{name}{shown} is invalid: {error}{meaning}")
            continue
        unsafe = field.metadata["unsafe"]
        if production and unsafe is not None and (why := unsafe(values[field.name])):
            problems.append(f"{name}={text} {_REFUSED}: {why}")
    if production:
        problems += _in_the_clear(cls, values)
    if problems:
        raise ConfigError(problems)
    return cls(**values)


def refused(cls: type, environ: Mapping[str, str]) -> list[str]:
    """What the profile `production` refuses in an environment, whatever else is missing or wrong in it."""
    found = []
    if environ.get("MCPANEL_FAILPOINTS"):
        found.append(f"MCPANEL_FAILPOINTS {_REFUSED}: they kill processes")
    if (profile := environ.get("MCPANEL_PROFILE", "production")) != "production":
        found.append(
            f"MCPANEL_PROFILE={profile} of one process {_REFUSED}: what is refused holds for all of them"
        )
    try:
        load(cls, {**environ, "MCPANEL_PROFILE": "production"})
    except ConfigError as error:
        found += [problem for problem in error.problems if _REFUSED in problem]
    return found


def _in_the_clear(cls: type, values: Mapping[str, Any]) -> list[str]:
    """What is wrong with listening beyond this machine without certificates."""
    if values.get("tls_dir"):
        return []
    names = {field.name: field.metadata.get("env", "") for field in dataclasses.fields(cls)}
    return [
        f"{names[field]}={values[field]} {_REFUSED}: without certificates "
        "(MCPANEL_TLS_DIR) keys and tokens would cross the network in the clear"
        for field in ("listen", "http_listen")
        if field in values and not values[field].is_local
    ]


def _text(environ: Mapping[str, str], name: str, *, secret: bool) -> str | None:
    """The value of `name`; a secret may instead be in the file that `<name>_FILE` names, out of the environment."""
    file = environ.get(f"{name}_FILE") if secret else None
    if file and name not in environ:
        return Path(file).read_text().strip()
    return environ.get(name)


def load_or_exit(cls: type[T]) -> T:
    """Like `load`, for `__main__`: prints what is wrong and exits with 1 instead of raising."""
    try:
        return load(cls)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def secrets(config: object) -> list[str]:
    """The values of the config's secret fields, for the log's masker."""
    found: list[str] = []
    for field in dataclasses.fields(config):  # type: ignore[arg-type]  # every config is a dataclass
        value = getattr(config, field.name)
        secret = field.metadata.get("secret")
        if secret and isinstance(value, str) and value:
            found += secret(value) if callable(secret) else [value]
    return found


def url_credentials(text: str) -> list[str]:
    """What nobody may read of addresses with commas between: passwords, users without one, queries."""
    found = set[str]()
    for address in filter(None, map(str.strip, text.split(","))):
        try:
            parts = urlsplit(address)
        except ValueError:
            found.add(address)
            continue
        who = parts.netloc.rpartition("@")[0]
        found |= {who, who.partition(":")[2], parts.query, parts.fragment}
    return sorted(found - {"", "git"})


def load_dotenv(start: Path | None = None) -> Path | None:
    """Loads the nearest `.env` at or above `start` (default: the working directory) over the environment.

    Returns its path, or None when there is none. MCPANEL_ENV_FILE names one directly. What happened is
    logged; an unreadable file is an error in the log, and the process goes on with its environment.
    """
    named = os.environ.get("MCPANEL_ENV_FILE")
    path = Path(named) if named else _nearest_dotenv(start or Path.cwd())
    if path is None or not path.is_file():
        log.info("no .env file found; using the process's environment")
        return None
    try:
        found = dotenv_values(path, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        log.error(
            "the .env file cannot be read; using the process's environment", extra={"error": str(error)}
        )
        return None
    os.environ.update({name: value for name, value in found.items() if value is not None})
    log.info("the .env file was loaded", extra={"path": str(path), "names": len(found)})
    return path


def _nearest_dotenv(start: Path) -> Path | None:
    for folder in (start, *start.parents):
        if (folder / ".env").is_file():
            return folder / ".env"
        if (folder / ".git").exists():
            return None
    return None


def _flag(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("expected true or false")


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("expected a whole number") from None


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("expected a number") from None


_CONVERTERS: Final[dict[object, Callable[[str], Any]]] = {
    str: str,
    int: _number,
    bool: _flag,
    float: _real,
    Path: lambda text: Path(text).expanduser(),
    Address: Address.parse,
    Networks: Networks.parse,
}


def _convert(kind: Any, text: str) -> Any:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        inner = [part for part in typing.get_args(kind) if part is not type(None)]
        return None if text == "" else _convert(inner[0], text)
    if origin is tuple:
        item = typing.get_args(kind)[0]
        return tuple(_convert(item, part.strip()) for part in text.split(",") if part.strip())
    if origin is typing.Literal:
        words = typing.get_args(kind)
        if text not in words:
            raise ValueError(f"expected one of {', '.join(map(str, words))}")
        return text
    converter = _CONVERTERS.get(kind)
    if converter is None:
        raise TypeError(f"chassis.config cannot read a {kind}")
    if text == "" and kind not in (str, Networks):
        raise ValueError("it is empty")
    return converter(text)
