"""What identity reads from its environment."""

from dataclasses import dataclass
from pathlib import Path

from chassis.config import Address, DatabaseConfig, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysConfig(DatabaseConfig):
    """What `python -m identity bootstrap` reads."""

    keys_dir: Path | None = setting(
        "MCPANEL_KEYS_DIR", default="", help="the folder of key files; empty: keys under MCPANEL_HOME"
    )

    @property
    def keys(self) -> Path:
        """The folder of key files."""
        return self.keys_dir or self.home / "keys"

    @property
    def signing_key(self) -> Path:
        """The file with the private key that signs access tokens."""
        return self.keys / "signing.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityConfig(KeysConfig):
    """What the service reads."""

    listen: Address = setting("MCPANEL_LISTEN", default="127.0.0.1:50055", help="host:port to serve gRPC on")
    metrics_listen: Address | None = setting(
        "MCPANEL_METRICS_LISTEN", default="127.0.0.1:9105", help="host:port for Prometheus, empty for none"
    )
    self_registration: bool | None = setting(
        "MCPANEL_SELF_REGISTRATION",
        default="",
        help="whether people may register themselves as Viewers; empty: yes, unless the profile is production",
        unsafe=lambda opened: "whoever finds the site would have an account; invite people" if opened else "",
    )
    login_providers: Path | None = setting(
        "MCPANEL_LOGIN_PROVIDERS",
        default="",
        help="a TOML file that says where people can log in by OpenID Connect; empty: nowhere else",
    )
    public_url: str = setting(
        "MCPANEL_PUBLIC_ORIGIN",
        default="http://127.0.0.1:8080",
        help="where browsers reach the edge; login providers send them back there",
    )
    argon2_memory_kib: int = setting(
        "MCPANEL_ARGON2_MEMORY_KIB", default="19456", help="memory of one hash, KiB"
    )
    argon2_passes: int = setting("MCPANEL_ARGON2_PASSES", default="2", help="passes over that memory")
    password_threads: int = setting(
        "MCPANEL_PASSWORD_THREADS", default="2", help="how many passwords are hashed at a time"
    )

    @property
    def registration_open(self) -> bool:
        """Whether people may register themselves."""
        return self.profile == "local" if self.self_registration is None else self.self_registration
