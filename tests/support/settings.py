"""`.env.example`, made from the settings in the code: `python -m tests.support.settings > .env.example`."""

import dataclasses
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from audit.config import Config as AuditConfig
from datasources.config import Config as DatasourcesConfig
from engine.config import EngineConfig
from gateway.config import GatewayConfig
from identity.config import IdentityConfig
from registry.config import RegistryConfig
from stack import ports
from stack.config import EdgeConfig
from stack.ports import Ports
from worker.config import Config as WorkerConfig

CONFIGS: Final[dict[str, type[Any]]] = {
    "registry": RegistryConfig,
    "engine": EngineConfig,
    "worker": WorkerConfig,
    "datasources": DatasourcesConfig,
    "audit": AuditConfig,
    "identity": IdentityConfig,
    "gateway": GatewayConfig,
    "edge": EdgeConfig,
}
ELSEWHERE: Final = {
    "MCPANEL_ENGINES": ("1", "how many engines make up starts, up to 16"),
    "MCPANEL_WORKERS": ("1", "how many workers make up starts, up to 16"),
    "MCPANEL_MIN_FREE_MB": ("256", "the free space, in MB, without which nothing is started"),
    "MCPANEL_ENV_FILE": ("", "another file to read instead of .env; only from the process's environment"),
    "MCPANEL_FAILPOINTS": ("", "where tests kill the engine or the worker, e.g. commit.after=kill@2"),
    "MCPANEL_SECRET_EXAMPLE": ("", "any name with this prefix: a secret that a data source refers to by env"),
}
"""What is no field of a configuration: defaults and meanings."""
_HEAD: Final = """\
What can be set, with its default. Copy this file to .env, take away the # in front of what you change, and
start anew: a name in .env wins over the process's environment. `make up` and `make run` need none of it.

With `make up` each name reaches all processes; with the process in it, one alone: MCPANEL_ENGINE__LOG_LEVEL
is the engine's MCPANEL_LOG_LEVEL, MCPANEL_WORKER_2__WORKER_POOL the second worker's pool. A secret, such as
MCPANEL_DATABASE_URL, may be in a file that MCPANEL_DATABASE_URL_FILE names. Nothing here is secret, and no
password has a default: those of the stack are made at its first start, in .mcpanel/keys.

Made from the code by `python -m tests.support.settings`; a test compares them."""


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """A variable, its default as text, and what it is for."""

    name: str
    default: str
    meaning: str


def of_config(config: type[Any]) -> list[Setting]:
    """The settings of a configuration. A secret has no default here."""
    return [
        Setting(field.metadata["env"], _default(field), field.metadata["help"])
        for field in dataclasses.fields(config)
        if "env" in field.metadata
    ]


def of_ports() -> list[Setting]:
    """The settings that move the listeners of `make up`."""
    return [
        Setting(
            ports.setting(name),
            str(port),
            "the one door: REST, gRPC, Server-Sent Events"
            if name == "edge"
            else f"the port of {name.replace('_', ' ')}",
        )
        for name, port in Ports().items()
    ]


def sections() -> dict[str, list[Setting]]:
    """Every setting, by the title it stands under."""
    users: dict[Setting, list[str]] = defaultdict(list)
    for service, config in CONFIGS.items():
        for one in of_config(config):
            users[one].append(service)
    given = {one for one in users if one.name in GIVEN or one.name.endswith("_ADDRESS")}
    extra = [Setting(name, *rest) for name, rest in ELSEWHERE.items()]
    found = {"make up: ports, all on 127.0.0.1": of_ports(), "make up and all processes: the rest": extra}
    found["Several processes"] = [one for one in users if len(users[one]) > 1 and one not in given]
    for service in CONFIGS:
        found[service.capitalize()] = [one for one in users if users[one] == [service] and one not in given]
    title = "Only for a process that is run by itself: make up gives these to each of its own"
    found[title] = [
        dataclasses.replace(one, meaning=f"{', '.join(users[one])}: {one.meaning}")
        for one in users
        if one in given
    ]
    return {title: settings for title, settings in found.items() if settings}


GIVEN: Final = frozenset(
    {
        "MCPANEL_LISTEN",
        "MCPANEL_HTTP_LISTEN",
        "MCPANEL_METRICS_LISTEN",
        "MCPANEL_KEY_FILE",
        "MCPANEL_DATABASE_URL",
        "MCPANEL_NATS_URL",
    }
)
"""What `make up` gives to each process itself."""


def render() -> str:
    """The text of `.env.example`."""
    parts = ["\n".join(f"# {line}".rstrip() for line in _HEAD.splitlines())]
    for title, settings in sections().items():
        parts.append(f"# --- {title} ---\n" + "\n".join(_lines(settings)))
    return "\n\n".join(parts) + "\n"


def _lines(settings: Iterable[Setting]) -> Iterable[str]:
    for one in settings:
        yield from textwrap.wrap(one.meaning, 118, initial_indent="# ", subsequent_indent="# ")
        yield f"#{one.name}={one.default}"


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.metadata["secret"] or field.default is dataclasses.MISSING:
        return ""
    return f"{field.default:g}" if isinstance(field.default, float) else str(field.default)


if __name__ == "__main__":
    sys.stdout.write(render())
