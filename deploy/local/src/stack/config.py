"""What its owner sets for the edge: which hosts it answers to, who may read it from elsewhere, how much is too much."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from chassis.config import ConfigError, load, profile_setting, setting
from stack.errors import StackError

_HOST: Final = re.compile(r"\*|(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_EVERYTHING_BELOW: Final = re.compile(r"\*(\.[^.]+)?")
"""Everybody's names, or all below a domain like com."""
_ORIGIN: Final = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeConfig:
    """The edge's settings. A rate is in requests a second; twice as many may come at once; 0 sets no limit."""

    profile: Literal["local", "production"] = profile_setting()
    tls: Literal["off", "mutual"] = setting(
        "MCPANEL_TLS",
        default="off",
        help="mutual: the processes of make up show each other certificates, which it makes and renews",
    )
    host: str = setting(
        "MCPANEL_EDGE_HOST",
        default="127.0.0.1",
        help="the address the edge listens on; 0.0.0.0 for every one",
    )
    certificate: Path | None = setting(
        "MCPANEL_EDGE_CERTIFICATE",
        default="",
        help="the PEM file of the edge's certificate and its chain; with one it speaks HTTPS only",
    )
    private_key: Path | None = setting(
        "MCPANEL_EDGE_PRIVATE_KEY", default="", help="the PEM file of the certificate's private key"
    )
    redirect_port: int = setting(
        "MCPANEL_REDIRECT_PORT",
        default="0",
        help="the port where plain HTTP is answered with the HTTPS address; 0: none",
    )
    hsts_seconds: int = setting(
        "MCPANEL_HSTS_SECONDS",
        default="31536000",
        help="for how long browsers use HTTPS alone, once they have; 0: not said",
    )
    allowed_hosts: tuple[str, ...] = setting(
        "MCPANEL_ALLOWED_HOSTS",
        default="127.0.0.1,localhost,[::1]",
        help="the host names that the edge answers to, without port; *.example.org for all below one, * for every one",
        unsafe=lambda hosts: (
            "another site's name could be made to lead here"
            if any(map(_EVERYTHING_BELOW.fullmatch, hosts))
            else ""
        ),
    )
    cors_origins: tuple[str, ...] = setting(
        "MCPANEL_CORS_ORIGINS",
        default="",
        help="the origins of other sites whose scripts may call, such as https://example.org; * for every one",
        unsafe=lambda origins: "the scripts of every site could call" if "*" in origins else "",
    )
    credential_rate: int = setting(
        "MCPANEL_CREDENTIAL_RATE", default="10000", help="requests a second with one credential; 0: no limit"
    )
    client_rate: int = setting(
        "MCPANEL_CLIENT_RATE",
        default="10000",
        help="requests a second from one address (IPv6: one /64); 0: no limit",
    )
    sign_in_rate: int = setting(
        "MCPANEL_SIGN_IN_RATE",
        default="100",
        help="requests a second from one address that log in, register or refresh; 0: no limit",
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "EdgeConfig":
        """The settings in the environment. Raises StackError naming every bad one."""
        found, problems = cls.examined(environ)
        if found is None or problems:
            raise StackError("; ".join(problems))
        return found

    @classmethod
    def examined(cls, environ: Mapping[str, str]) -> "tuple[EdgeConfig | None, list[str]]":
        """The settings, where they can be read at all, and every bad one."""
        try:
            found = load(cls, environ)
        except ConfigError as error:
            try:
                lenient = load(cls, {**environ, "MCPANEL_PROFILE": "local"})
            except ConfigError:
                return None, error.problems
            strict = replace(lenient, profile="production")
            return None, [*error.problems, *_problems(strict)]
        return found, _problems(found)


def _problems(config: EdgeConfig) -> list[str]:
    found = [
        f"MCPANEL_ALLOWED_HOSTS: {host!r} is no host name; write it in lower case, without scheme and port"
        for host in config.allowed_hosts
        if not _HOST.fullmatch(host)
    ]
    if not config.allowed_hosts:
        found.append("MCPANEL_ALLOWED_HOSTS is empty: name the hosts that people reach the edge by")
    found += [
        f"MCPANEL_CORS_ORIGINS: {origin!r} is no origin; write it like https://example.org, without a path"
        for origin in config.cors_origins
        if origin != "*" and not _ORIGIN.fullmatch(origin)
    ]
    if (config.certificate is None) != (config.private_key is None):
        found.append("MCPANEL_EDGE_CERTIFICATE and MCPANEL_EDGE_PRIVATE_KEY go together: set both or neither")
    for name, file in (
        ("MCPANEL_EDGE_CERTIFICATE", config.certificate),
        ("MCPANEL_EDGE_PRIVATE_KEY", config.private_key),
    ):
        if file is not None and not file.is_file():
            found.append(f"{name}={file} is no file")
    if config.redirect_port and config.certificate is None:
        found.append("MCPANEL_REDIRECT_PORT leads to HTTPS: set MCPANEL_EDGE_CERTIFICATE too")
    if not 0 <= config.redirect_port <= 65535:
        found.append(f"MCPANEL_REDIRECT_PORT={config.redirect_port} is not a port")
    if not 0 <= config.hsts_seconds <= 10 * 365 * 86400:
        found.append(f"MCPANEL_HSTS_SECONDS={config.hsts_seconds} is not a number of seconds up to ten years")
    try:
        loopback = ipaddress.ip_address(config.host).is_loopback
    except ValueError:
        found.append(f"MCPANEL_EDGE_HOST={config.host} is no IP address")
    else:
        if config.profile == "production" and config.certificate is None and not loopback:
            found.append(
                f"MCPANEL_EDGE_HOST={config.host} is refused with MCPANEL_PROFILE=production: without "
                "MCPANEL_EDGE_CERTIFICATE credentials would cross the network in the clear"
            )
    rates = {
        "MCPANEL_CREDENTIAL_RATE": config.credential_rate,
        "MCPANEL_CLIENT_RATE": config.client_rate,
        "MCPANEL_SIGN_IN_RATE": config.sign_in_rate,
    }
    found += [
        f"{name}={rate} is not a rate from 0 to 1000000"
        for name, rate in rates.items()
        if not 0 <= rate <= 1_000_000
    ]
    return found
