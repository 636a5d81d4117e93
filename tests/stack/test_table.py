"""Each process gets what it needs and nothing else."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stack import table
from stack.errors import StackError
from stack.home import Home
from stack.ports import Ports
from stack.postgres import SERVICES
from stack.table import TABLE, Process, Site


@dataclass(frozen=True)
class Started:
    """What a process was started with."""

    argv: list[str]
    env: dict[str, str]


def start_all(site: Site, monkeypatch: pytest.MonkeyPatch) -> dict[str, Started]:
    """Starts every process of our own, recording instead of running it."""
    found: list[Started] = []

    def record(argv: Sequence[str | Path], *, env: Mapping[str, str], **_: Any) -> subprocess.Popen[bytes]:
        found.append(Started([str(word) for word in argv], dict(env)))
        return subprocess.Popen([sys.executable, "-ISc", ""])

    monkeypatch.setattr(table, "spawn", record)
    started = {}
    for entry in table.table(site.environ):
        if isinstance(entry, Process) and entry.name not in {"postgres", "nats"}:
            entry.start(site).wait()
            started[entry.name] = found[-1]
    return started


@pytest.fixture
def site(tmp_path: Path) -> Site:
    home = Home(tmp_path)
    home.prepare({})
    environ = {
        "MCPANEL_SECRET_WAREHOUSE": "hunter2",
        "MCPANEL_ENGINE__LEASE": "5s",
        "MCPANEL_LOG_LEVEL": "DEBUG",
        "MCPANEL_DATABASE_URL": "postgresql://somebody@elsewhere/x",
        "MCPANEL_NATS_URL": "nats://elsewhere",
    }
    return Site(home, Ports(), environ)


def test_every_need_is_an_entry_that_stands_before_it() -> None:
    seen: set[str] = set()
    for entry in TABLE:
        assert set(entry.needs) <= seen
        seen.add(entry.name)


def test_the_edge_stops_first_and_the_database_last() -> None:
    stops = {entry.name: entry.stops for entry in TABLE if isinstance(entry, Process)}

    assert (
        stops["envoy"]
        < stops["gateway"]
        < stops["worker"]
        < stops["engine"]
        < stops["nats"]
        < stops["postgres"]
    )
    assert {stops[name] for name in SERVICES} == {stops["engine"]}


def test_a_service_knows_its_own_database_and_key_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    started = start_all(site, monkeypatch)

    for name in SERVICES:
        env = started[name].env
        assert Path(env["MCPANEL_DATABASE_URL_FILE"]).read_text().strip() == site.postgres.url(name)
        assert Path(env["MCPANEL_DATABASE_URL_FILE"]).stat().st_mode & 0o777 == 0o600
        assert env["MCPANEL_KEY_FILE"] == str(site.home.keys / f"{name}.key")
        others = [site.postgres.password(other) for other in SERVICES if other != name]
        assert not [value for value in env.values() for secret in others if secret in value]


@pytest.mark.parametrize("name", ["worker", "gateway"])
def test_worker_and_gateway_have_neither_a_database_nor_nats(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    env = start_all(site, monkeypatch)[name].env

    assert not any("DATABASE" in key or "NATS" in key for key in env)
    assert not [value for value in env.values() if "postgresql://" in value or "nats://" in value]


def test_only_the_engine_reaches_nats(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    started = start_all(site, monkeypatch)

    assert [name for name, one in started.items() if "MCPANEL_NATS_URL_FILE" in one.env] == ["engine"]


def test_further_engines_and_workers_share_a_name_and_have_listeners_of_their_own(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"MCPANEL_ENGINES": "2", "MCPANEL_WORKERS": "3", "MCPANEL_WORKER_2__SLOTS": "7", **site.environ}
    site = Site(site.home, Ports.from_environment(environ), environ)

    started = start_all(site, monkeypatch)

    env = {name: one.env for name, one in started.items()}
    assert [name for name in env if "_" in name] == ["engine_2", "worker_2", "worker_3"]
    assert env["engine_2"]["MCPANEL_LEASE"] == "5s"
    assert env["engine_2"]["MCPANEL_KEY_FILE"] == env["engine"]["MCPANEL_KEY_FILE"]
    assert env["engine_2"]["MCPANEL_LISTEN"] != env["engine"]["MCPANEL_LISTEN"]
    both = f"ipv4:{env['engine']['MCPANEL_LISTEN']},{env['engine_2']['MCPANEL_LISTEN']}"
    assert {env[name]["MCPANEL_ENGINE_ADDRESS"] for name in ("gateway", "worker", "worker_3")} == {both}
    assert [name for name in env if env[name].get("MCPANEL_SLOTS") == "7"] == ["worker_2"]
    assert len({port for _, port in site.ports.items()}) == len(site.ports.items())
    assert Ports.from_recorded(dict(site.ports.items())) == site.ports


def test_production_names_every_setting_that_any_process_refuses_before_one_is_started(site: Site) -> None:
    refused = {
        "MCPANEL_LOG_LEVEL": "DEBUG",
        "MCPANEL_REFLECTION": "on",
        "MCPANEL_CORS_ORIGINS": "*",
        "MCPANEL_ALLOWED_HOSTS": "*",
        "MCPANEL_ISOLATION": "limits",
        "MCPANEL_SELF_REGISTRATION": "true",
        "MCPANEL_ALLOWED_NETWORKS": "127.0.0.0/8",
        "MCPANEL_EDGE_HOST": "0.0.0.0",  # noqa: S104
        "MCPANEL_ENGINE__FAILPOINTS": "commit.before=kill",
        "MCPANEL_AUDIT__LISTEN": "0.0.0.0:1",
        "MCPANEL_TRUSTED_PROXIES": "0.0.0.0/0",
        "MCPANEL_WORKER__PROFILE": "local",
        "MCPANEL_PROFILE": "production",
    }
    entries = table.table(refused)

    with pytest.raises(StackError) as caught:
        table.checked(Site(site.home, site.ports, refused), entries)
    edge = table.checked(Site(site.home, site.ports, {"MCPANEL_PROFILE": "production"}), entries)

    problems = str(caught.value).split("; ")
    named = {line.partition(" ")[0].partition("=")[0]: line for line in problems if "is refused with" in line}
    words = {re.sub("(ENGINE|AUDIT|WORKER)__", "", name) for name in refused}
    assert named.keys() == words
    assert named["MCPANEL_PROFILE"].endswith("(worker)")
    assert named["MCPANEL_FAILPOINTS"].endswith("(engine)")
    assert named["MCPANEL_LISTEN"].endswith("(audit)")
    assert edge.profile == "production"


@pytest.mark.parametrize("count", ["0", "17", "-1", "two"])
def test_a_number_of_replicas_that_cannot_be_is_refused(count: str) -> None:
    with pytest.raises(StackError, match=r"MCPANEL_WORKERS=.* is not a number from 1 to 16"):
        table.table({"MCPANEL_WORKERS": count})


def test_no_secret_is_in_an_argument_list(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    started = start_all(site, monkeypatch)
    secrets = [file.read_text().strip() for file in site.home.keys.rglob("*") if file.is_file()]

    assert len(secrets) > len(SERVICES)
    words = [word for one in started.values() for word in one.argv]
    assert not [word for word in words for secret in secrets if secret in word]


def test_a_users_secrets_reach_the_data_sources_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    started = start_all(site, monkeypatch)

    holders = [name for name, one in started.items() if "MCPANEL_SECRET_WAREHOUSE" in one.env]
    assert holders == ["datasources"]


def test_a_setting_for_one_process_reaches_that_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    started = start_all(site, monkeypatch)

    assert started["engine"].env["MCPANEL_LEASE"] == "5s"
    assert "MCPANEL_LEASE" not in started["registry"].env


def test_a_setting_without_a_process_reaches_all_of_ours(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    started = start_all(site, monkeypatch)

    levels = {name: one.env.get("MCPANEL_LOG_LEVEL") for name, one in started.items()}
    assert levels == dict.fromkeys([*SERVICES, "gateway", "worker"], "DEBUG") | {"envoy": None}


def test_the_environment_of_the_shell_stays_outside(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for us")

    started = start_all(site, monkeypatch)

    assert not [name for name, one in started.items() if "AWS_SECRET_ACCESS_KEY" in one.env]
    assert all(one.env.get("PATH") == os.environ["PATH"] for one in started.values())
