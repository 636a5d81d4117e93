"""`.env.example` names every setting there is, with the default it has."""

import io
import re
import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

from chassis.config import ConfigError, load
from tests.support.settings import CONFIGS, of_config, render
from tests.test_invariants import ROOT, SOURCES

EXAMPLE = ROOT / ".env.example"
_NOT_NAMES = {"MCPANEL_SECRET", "MCPANEL_SECRET_", "MCPANEL_KEY"}
"""Beginnings of names."""


def test_the_example_is_what_the_code_reads() -> None:
    assert EXAMPLE.read_text() == render(), "run: python -m tests.support.settings > .env.example"


def test_every_setting_that_the_code_names_is_in_it() -> None:
    named = {
        name for path in SOURCES for name in re.findall(r"[\"'](MCPANEL_[A-Z0-9_]+)[\"']", path.read_text())
    }

    listed = set(re.findall(r"^#(MCPANEL_[A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE))

    assert len(named) > 40
    assert named - listed - _NOT_NAMES == set()


def test_copied_as_it_is_it_changes_nothing() -> None:
    assert dotenv_values(EXAMPLE) == {}


@pytest.mark.parametrize("service", CONFIGS)
def test_its_values_are_what_a_process_has_without_them(service: str) -> None:
    required = {"MCPANEL_DATABASE_URL": "postgresql://example"}
    settings = {one.name: one.default for one in of_config(CONFIGS[service])}
    text = "\n".join(line for line in _lines(service, settings))

    written = {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text)).items()}

    nats = {} if written.get("MCPANEL_NATS_URL") else {"MCPANEL_NATS_URL": "nats://x"}
    assert load(CONFIGS[service], written | required | nats) == load(CONFIGS[service], required | nats)


@pytest.mark.parametrize(
    ("service", "name", "value"),
    [
        *((service, "MCPANEL_LOG_LEVEL", "DEBUG") for service in CONFIGS if service != "edge"),
        *(
            (service, "MCPANEL_LISTEN", "0.0.0.0:50099")
            for service in CONFIGS
            if service not in ("edge", "worker")
        ),
        ("gateway", "MCPANEL_HTTP_LISTEN", "[::]:8000"),
        ("registry", "MCPANEL_LISTEN", "registry.example:50051"),
        ("gateway", "MCPANEL_REFLECTION", "on"),
        ("worker", "MCPANEL_ISOLATION", "limits"),
        ("identity", "MCPANEL_SELF_REGISTRATION", "true"),
        ("datasources", "MCPANEL_ALLOWED_NETWORKS", "10.0.0.0/8,127.0.0.1/32"),
        ("datasources", "MCPANEL_ALLOWED_NETWORKS", "::/0"),
        ("edge", "MCPANEL_CORS_ORIGINS", "*"),
        ("edge", "MCPANEL_ALLOWED_HOSTS", "*"),
    ],
)
def test_production_refuses_what_is_unsafe_by_name(service: str, name: str, value: str) -> None:
    given = {name: value, "MCPANEL_DATABASE_URL": "postgresql://example", "MCPANEL_NATS_URL": "nats://x"}
    load(CONFIGS[service], given)

    with pytest.raises(ConfigError) as refused:
        load(CONFIGS[service], given | {"MCPANEL_PROFILE": "production"})

    assert refused.value.problems == [
        problem for problem in refused.value.problems if problem.startswith(f"{name}={value} is refused")
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"MCPANEL_LISTEN": "0.0.0.0:50051", "MCPANEL_TLS_DIR": "/certificates"},
        {"MCPANEL_LISTEN": "[::1]:50051"},
        {"MCPANEL_LISTEN": "localhost:50051"},
        {"MCPANEL_LISTEN": "unix:/run/registry"},
    ],
)
def test_production_listens_beyond_the_machine_with_certificates(given: dict[str, str]) -> None:
    needed = {"MCPANEL_DATABASE_URL": "postgresql://example", "MCPANEL_PROFILE": "production"}

    assert str(load(CONFIGS["registry"], needed | given).listen) == given["MCPANEL_LISTEN"]


@pytest.mark.parametrize("service", CONFIGS)
def test_production_is_fine_with_every_default(service: str) -> None:
    given = {"MCPANEL_DATABASE_URL": "postgresql://example", "MCPANEL_NATS_URL": "nats://x"}

    assert load(CONFIGS[service], given | {"MCPANEL_PROFILE": "production"}).profile == "production"


def test_nothing_in_it_is_secret_and_git_takes_it() -> None:
    values = dict(re.findall(r"^#(MCPANEL_[A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    ignored = subprocess.run(["git", "check-ignore", "-q", str(EXAMPLE)], cwd=ROOT, check=False).returncode

    assert {name for name in values if re.search("URL|SECRET_|KEY", name) and values[name]} == set()
    assert ignored == 1
    assert ".env.example" in Path(ROOT / "README.md").read_text()
    assert "MCPANEL_PORT" in Path(ROOT / "README.md").read_text()


def _lines(service: str, settings: dict[str, str]) -> list[str]:
    """The example's lines for a process, without the `#`."""
    found = re.findall(r"^#((MCPANEL_[A-Z0-9_]+)=(.*))$", EXAMPLE.read_text(), re.MULTILINE)
    lines = [line for line, name, value in found if settings.get(name) == value]
    assert {line.partition("=")[0] for line in lines} == set(settings), service
    return lines
