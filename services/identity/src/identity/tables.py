"""Identity's tables."""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis.tables import NAMING, chassis_tables

metadata: Final = MetaData(naming_convention=NAMING)
chassis_tables(metadata)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


roles: Final = Table(
    "roles",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("description", Text, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    _time("narrowed_at", nullable=True),
)

users: Final = Table(
    "users",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("email", String(254), nullable=False),
    Column("email_key", String(1024), nullable=False, unique=True, comment="the email without its case"),
    Column("full_name", String(200), nullable=False),
    Column("role_name", ForeignKey("roles.name"), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("password_hash", Text, nullable=False, comment="Argon2id, in its PHC string form"),
    Column("version", Integer, nullable=False),
    _time("created_at"),
    _time("updated_at"),
    _time("last_login_at", nullable=True),
    _time("invited_at", nullable=True),
)

service_accounts: Final = Table(
    "service_accounts",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(63), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("role_name", ForeignKey("roles.name"), nullable=True),
    Column("description", Text, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    _time("created_at"),
    _time("updated_at"),
    CheckConstraint("kind IN ('operator', 'service', 'worker', 'program')", name="kind"),
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("lookup", String(11), nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the whole key"),
    Column("name", String(100), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("account_id", ForeignKey("service_accounts.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("role_name", ForeignKey("roles.name"), nullable=True),
    Column("scopes", ARRAY(Text), nullable=True, comment="the permissions it is narrowed to"),
    Column("rotated_from", String(36), nullable=True, comment="the id of the key it replaces"),
    Column("made_with", String(36), nullable=True, index=True, comment="the id of the key that made it"),
    _time("created_at"),
    _time("expires_at", nullable=True),
    _time("last_used_at", nullable=True),
    _time("revoked_at", nullable=True),
    CheckConstraint("num_nonnulls(user_id, account_id) = 1", name="one_owner"),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("client_address", String(64), nullable=False),
    Column("user_agent", String(256), nullable=False),
    Column("kind", String(16), nullable=False),
    _time("created_at"),
    _time("last_used_at"),
    _time("expires_at"),
    _time("ended_at", nullable=True),
    Column("end_reason", String(64), nullable=True),
    Column(
        "cookie_digest", LargeBinary, nullable=True, unique=True, comment="SHA-256 of what the cookie holds"
    ),
    Index(None, "expires_at"),
    CheckConstraint("kind IN ('tokens', 'browser')", name="kind"),
)

ended_sessions: Final = Table(
    "ended_sessions",
    metadata,
    Column("session_id", String(36), primary_key=True, comment="also of users who are gone"),
    _time("ended_at"),
    Index(None, "ended_at"),
)

refresh_tokens: Final = Table(
    "refresh_tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the token"),
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    _time("created_at"),
    _time("expires_at"),
    _time("used_at", nullable=True),
    Column("successor", LargeBinary, nullable=True, comment="digest of the token it was exchanged for"),
    Index(None, "expires_at"),
)

external_logins: Final = Table(
    "external_logins",
    metadata,
    Column("state_digest", LargeBinary, primary_key=True, comment="SHA-256 of OAuth's state"),
    Column("provider", String(63), nullable=False),
    Column(
        "binding_digest", LargeBinary, nullable=False, comment="SHA-256 of what the browser's cookie holds"
    ),
    Column("redirect_to", String(2048), nullable=False),
    _time("expires_at"),
    Index(None, "expires_at"),
)

external_identities: Final = Table(
    "external_identities",
    metadata,
    Column("provider", String(63), primary_key=True),
    Column("subject", String(255), primary_key=True, comment="the provider's own id of the person"),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    _time("created_at"),
)

password_tickets: Final = Table(
    "password_tickets",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the ticket"),
    Column("purpose", String(16), nullable=False),
    _time("expires_at"),
    Index(None, "expires_at"),
    CheckConstraint("purpose IN ('invitation', 'reset')", name="purpose"),
)

stream_tickets: Final = Table(
    "stream_tickets",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the ticket"),
    Column("run_id", String(36), nullable=False, comment="empty: the list of runs"),
    Column("claims", JSONB, nullable=False, comment="what the token will say of who asked"),
    Column("session_id", String(36), nullable=False, comment="empty where it was asked for with a key"),
    Column("api_key_id", String(36), nullable=False, comment="empty where it was asked for in a session"),
    _time("expires_at"),
    Index(None, "expires_at"),
)

signing_keys: Final = Table(
    "signing_keys",
    metadata,
    Column("kid", String(43), primary_key=True, comment="RFC 7638 thumbprint"),
    Column("x", String(43), nullable=False, comment="the Ed25519 public key, base64url"),
    _time("created_at"),
    _time("retired_at", nullable=True),
)

attempts: Final = Table(
    "attempts",
    metadata,
    Column("subject", String(1100), primary_key=True),
    Column("count", Integer, nullable=False),
    _time("window_ends_at"),
    Index(None, "window_ends_at"),
)
