"""Configuration fails at once, for everything, with what to set."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from chassis import config
from chassis.config import (
    Address,
    ConfigError,
    DatabaseConfig,
    Networks,
    load,
    load_dotenv,
    setting,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(DatabaseConfig):
    listen: Address = setting("MCPANEL_LISTEN", default="127.0.0.1:50051", help="host:port to serve gRPC on")
    workers: int = setting("MCPANEL_WORKERS", default="2", help="how many")
    ratio: float = setting("MCPANEL_RATIO", default="0.5")
    strict: bool = setting("MCPANEL_STRICT", default="false")
    hosts: tuple[str, ...] = setting("MCPANEL_HOSTS", default="")
    token: str = setting("MCPANEL_TOKEN", help="the token", secret=True)


GOOD = {"MCPANEL_DATABASE_URL": "postgresql://u:hunter2@h/d", "MCPANEL_TOKEN": "t0ken-value"}


def test_every_missing_or_invalid_name_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load(Config, {"MCPANEL_WORKERS": "many", "MCPANEL_LISTEN": "nowhere", "MCPANEL_STRICT": "perhaps"})

    told = str(caught.value)
    for name in (
        "MCPANEL_DATABASE_URL",
        "MCPANEL_TOKEN",
        "MCPANEL_WORKERS",
        "MCPANEL_LISTEN",
        "MCPANEL_STRICT",
    ):
        assert name in told
    assert "host:port" in told
    assert len(caught.value.problems) == 5


def test_values_have_their_types_and_defaults() -> None:
    found = load(
        Config, GOOD | {"MCPANEL_HOSTS": "a, b,", "MCPANEL_STRICT": "Yes", "MCPANEL_METRICS_LISTEN": ""}
    )

    assert (found.workers, found.ratio, found.strict, found.hosts) == (2, 0.5, True, ("a", "b"))
    assert found.listen == Address("127.0.0.1", 50051)
    assert (found.metrics_listen, found.home) == (None, Path(".mcpanel"))


def test_secrets_stay_out_of_the_repr_and_are_known_to_the_mask() -> None:
    found = load(Config, GOOD)

    assert "hunter2" not in repr(found)
    assert "t0ken" not in repr(found)
    assert set(config.secrets(found)) == {"postgresql://u:hunter2@h/d", "t0ken-value"}


def test_a_secret_may_be_given_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:p@h/d\n")
    (tmp_path / "level").write_text("DEBUG")
    given = {
        "MCPANEL_DATABASE_URL_FILE": str(tmp_path / "url"),
        "MCPANEL_LOG_LEVEL_FILE": str(tmp_path / "level"),
    }

    found = load(DatabaseConfig, given)

    assert (found.database_url, found.log_level) == ("postgresql://u:p@h/d", "INFO")
    with pytest.raises(ConfigError, match="MCPANEL_DATABASE_URL_FILE cannot be read"):
        load(DatabaseConfig, {"MCPANEL_DATABASE_URL_FILE": str(tmp_path / "none")})


def test_an_invalid_secret_is_not_shown() -> None:
    @dataclass(frozen=True)
    class Odd:
        port: int = setting("ODD_PIN", secret=True)

    with pytest.raises(ConfigError) as caught:
        load(Odd, {"ODD_PIN": "hunter2"})

    assert "ODD_PIN is invalid: expected a whole number" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("127.0.0.1:80", "127.0.0.1", 80, "127.0.0.1:80"),
        ("[::1]:80", "::1", 80, "[::1]:80"),
        ("unix:/tmp/x", "unix:/tmp/x", 0, "unix:/tmp/x"),
        ("ipv4:127.0.0.1:1,127.0.0.1:2", "ipv4:127.0.0.1:1,127.0.0.1:2", 0, "ipv4:127.0.0.1:1,127.0.0.1:2"),
    ],
)
def test_addresses_are_read_and_written_alike(text: str, host: str, port: int, shown: str) -> None:
    assert Address.parse(text) == Address(host, port)
    assert str(Address.parse(text)) == shown


@pytest.mark.parametrize("text", ["", "host", ":80", "host:", "host:x", "host:70000", "host:-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        Address.parse(text)


def test_the_nearest_dotenv_wins_over_the_environment_and_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".env").write_text('PROBE_ONE="from file"\nPROBE_TWO=2\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.setenv("PROBE_ONE", "from environment")
    monkeypatch.setenv("PROBE_TWO", "")
    monkeypatch.delenv("MCPANEL_ENV_FILE", raising=False)

    with caplog.at_level(logging.INFO):
        found = load_dotenv(below)

    assert found == tmp_path / ".env"
    assert (os.environ["PROBE_ONE"], os.environ["PROBE_TWO"]) == ("from file", "2")
    assert "loaded" in caplog.text


def test_a_missing_dotenv_is_no_error_and_an_unreadable_one_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".git").mkdir()
    monkeypatch.delenv("MCPANEL_ENV_FILE", raising=False)

    with caplog.at_level(logging.INFO):
        assert load_dotenv(tmp_path) is None
        (tmp_path / ".env").write_bytes(b"\xff\xfe\xff")
        assert load_dotenv(tmp_path) is None

    assert "no .env file found" in caplog.text
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("127.0.0.0/8, ::1/128", ["127.0.0.1", "::1", "::ffff:127.9.9.9"], ["10.0.0.1", "::2", "unix", ""]),
        ("10.1.0.0/16", ["10.1.2.3"], ["10.2.0.1", "127.0.0.1"]),
        ("", [], ["127.0.0.1"]),
    ],
)
def test_networks_hold_what_is_in_them(text: str, inside: list[str], outside: list[str]) -> None:
    networks = Networks.parse(text)

    assert [address in networks for address in inside] == [True] * len(inside)
    assert [address in networks for address in outside] == [False] * len(outside)
    assert Networks.parse(str(networks)) == networks


def test_what_is_no_network_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"MCPANEL_TRUSTED_PROXIES '10\.0\.0\.1/8' is invalid"):
        load(Config, GOOD | {"MCPANEL_TRUSTED_PROXIES": "10.0.0.1/8"})
