"""The file that says where people can log in beside here: TOML, a table a provider.

[acme]
title = "Acme"
issuer = "https://login.acme.example"
client_id = "mcpanel"
client_secret_file = "/run/secrets/acme"
default_role = "Viewer"

[acme.roles]
platform = "Admin"
engineering = "Editor"
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from chassis import logs
from identity.domain.external import SCOPES, Provider

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_TEXTS: Final = ("title", "issuer", "client_id", "client_secret_file", "groups_claim", "default_role")
_SWITCHES: Final = ("link_by_email", "trust_emails")


class ProvidersError(Exception):
    """The file cannot be used; the message says why."""


def load(path: Path | None, *, is_local: bool) -> dict[str, Provider]:
    """The providers by name; none without a file. Raises ProvidersError naming the file, the table and the field.

    Where it `is_local`, an issuer on this machine may go without TLS.
    """
    if path is None:
        return {}
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ProvidersError(f"{path} cannot be read: {error}") from error
    try:
        return {name: _provider(name, table, is_local=is_local) for name, table in tables.items()}
    except (ProvidersError, OSError) as error:
        raise ProvidersError(f"{path}: {error}") from error


def _provider(name: str, table: Any, *, is_local: bool) -> Provider:
    if not _NAME.fullmatch(name) or not isinstance(table, dict):
        raise ProvidersError(f"{name} must be a table named by small letters, digits and hyphens")
    known = {*_TEXTS, *_SWITCHES, "scopes", "roles"}
    if unknown := sorted(table.keys() - known):
        raise ProvidersError(
            f"[{name}] does not take {', '.join(unknown)}; it takes {', '.join(sorted(known))}"
        )
    texts = {key: _text(name, key, table[key]) for key in _TEXTS if key in table}
    if missing := [key for key in ("issuer", "client_id") if not texts.get(key)]:
        raise ProvidersError(f"[{name}] needs {' and '.join(missing)}")
    _check_issuer(name, texts["issuer"], is_local=is_local)
    secret = ""
    if file := texts.pop("client_secret_file", ""):
        secret = Path(file).read_text("utf-8").strip()
        logs.masker.add(secret)
    for key in _SWITCHES:
        if not isinstance(table.get(key, False), bool):
            raise ProvidersError(f"[{name}] {key} must be true or false")
    roles = table.get("roles", {})
    if not isinstance(roles, dict):
        raise ProvidersError(f"[{name}.roles] must be a table of groups and roles")
    scopes = table.get("scopes", list(SCOPES))
    if not isinstance(scopes, list) or "openid" not in scopes:
        raise ProvidersError(f'[{name}] scopes must be a list with "openid" in it')
    return Provider(
        name=name,
        client_secret=secret,
        scopes=tuple(_text(name, "scopes", one) for one in scopes),
        roles={group: _text(name, f"roles.{group}", role) for group, role in roles.items()},
        link_by_email=table.get("link_by_email", False),
        trust_emails=table.get("trust_emails", False),
        issuer=texts["issuer"],
        client_id=texts["client_id"],
        title=texts.get("title", name),
        groups_claim=texts.get("groups_claim", "groups"),
        default_role=texts.get("default_role", ""),
    )


def _text(name: str, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise ProvidersError(f"[{name}] {key} must be text")
    return value


def _check_issuer(name: str, issuer: str, *, is_local: bool) -> None:
    parts = urlsplit(issuer)
    is_here = parts.hostname in ("127.0.0.1", "::1", "localhost")
    is_secure = parts.scheme == "https" or (is_local and is_here and parts.scheme == "http")
    if not is_secure or not parts.hostname or parts.query or parts.fragment:
        raise ProvidersError(f"[{name}] issuer must be an https:// address without query")


def titles(providers: Mapping[str, Provider]) -> list[tuple[str, str]]:
    """The providers' names, and their names for people."""
    return [(one.name, one.title) for one in providers.values()]
