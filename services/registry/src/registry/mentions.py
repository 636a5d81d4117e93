"""What a config names of what a version links: nobody writes a data source, a secret or a host twice. Pure."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from chassis import hosts
from registry import models, servers


@dataclass(frozen=True, slots=True)
class Mentions:
    """What a config names, each with where it does: a path in the config, such as `table.data_source`."""

    data_sources: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Mention:
    kind: Literal["data_source", "secret", "host"]
    name: str
    path: str


def read(config_field: str, config: Mapping[str, Any] | None) -> Mentions:
    """What the config, the JSON form of the version's member `config_field`, names.

    A URL without a host is passed over: what is wrong with it is said elsewhere.
    """
    reader = _READERS.get(config_field)
    found = list(reader(config)) if reader is not None and config is not None else []

    def of(kind: str) -> dict[str, str]:
        return {one.name: one.path for one in reversed(found) if one.kind == kind and one.name}

    return Mentions(of("data_source"), of("secret"), of("host"))


def _data(config: Mapping[str, Any]) -> Iterator[_Mention]:
    yield _Mention("data_source", config.get("query", {}).get("data_source", ""), "query.data_source")


def _output(config: Mapping[str, Any]) -> Iterator[_Mention]:
    yield _Mention("data_source", config.get("table", {}).get("data_source", ""), "table.data_source")
    webhook = config.get("webhook", {})
    yield _Mention("secret", webhook.get("secret", ""), "webhook.secret")
    if url := webhook.get("url", ""):
        with suppress(ValueError):
            yield _Mention("host", str(hosts.of_url(url)), "webhook.url")


def _model(config: Mapping[str, Any]) -> Iterator[_Mention]:
    yield _Mention("secret", config.get("secret", ""), "secret")
    with suppress(ValueError):
        yield _Mention("host", models.host(config), "base_url")


def _server(config: Mapping[str, Any]) -> Iterator[_Mention]:
    server = servers.of(config)
    if server is not None:
        yield _Mention("host", servers.host(server), "mcp_configuration")
        for name in servers.secrets(server):
            yield _Mention("secret", name, "mcp_configuration")


def _assistant(config: Mapping[str, Any]) -> Iterator[_Mention]:
    yield from _model(config)
    for index, one in enumerate(config.get("tools", ())):
        yield _Mention("data_source", one.get("data_source", ""), f"tools[{index}].data_source")


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Iterator[_Mention]]]] = {
    "ai_assistant": _assistant,
    "data": _data,
    "llm_prompt_agent": _model,
    "mcp": _server,
    "output": _output,
}
