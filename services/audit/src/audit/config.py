"""What the audit service reads from the environment."""

from dataclasses import dataclass
from pathlib import Path

from chassis.config import Address, DatabaseConfig, setting, url_credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(DatabaseConfig):
    """The audit service's configuration."""

    listen: Address = setting("MCPANEL_LISTEN", default="127.0.0.1:50054", help="host:port to serve gRPC on")
    keys_dir: Path | None = setting(
        "MCPANEL_KEYS_DIR",
        default="",
        help="the folder of audit.signing.key, keys in MCPANEL_HOME unless set",
    )
    origin: str = setting(
        "MCPANEL_AUDIT_ORIGIN",
        default="mcpanel.local/audit",
        help="the log's name in its checkpoints; fixed once the log has a key",
    )

    witness: str = setting(
        "MCPANEL_AUDIT_WITNESS",
        default="",
        secret=url_credentials,
        help="where checkpoints are kept besides: folders, s3://, gs://, az:// or git+https:// URLs, by commas",
    )

    archive: str = setting(
        "MCPANEL_AUDIT_ARCHIVE",
        default="",
        secret=url_credentials,
        help="the folder or bucket that old entries are taken into once a day, empty for none",
    )
    keep_days: int = setting(
        "MCPANEL_AUDIT_KEEP_DAYS",
        default=365,
        help="how many days entries stay in the database, with MCPANEL_AUDIT_ARCHIVE",
    )

    @property
    def keys(self) -> Path:
        """The folder of audit.signing.key."""
        return self.keys_dir or self.home / "keys"
