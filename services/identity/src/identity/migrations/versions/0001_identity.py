"""Users, roles, service accounts, API keys, sessions, signing keys and login attempts."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from chassis import migrations

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_VIEWER: Final = ["datasources.read", "definitions.read", "runs.read", "workflows.read"]
_EDITOR: Final = [
    *_VIEWER,
    "datasources.create",
    "datasources.query",
    "datasources.scan",
    "datasources.update",
    "definitions.create",
    "definitions.update",
    "runs.cancel",
    "runs.start",
    "workflows.create",
    "workflows.update",
]
_ADMIN: Final = [
    *_EDITOR,
    "audit.read",
    "datasources.delete",
    "definitions.delete",
    "metrics.read",
    "users.delete",
    "users.read",
    "users.update",
    "workflows.delete",
]


def _time(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    migrations.create_chassis_tables(op)
    roles = op.create_table(
        "roles",
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("permissions", sa.ARRAY(sa.Text), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_roles"),
    )
    op.bulk_insert(
        roles,
        [
            {"name": "Admin", "description": "May do everything.", "permissions": sorted(_ADMIN)},
            {
                "name": "Editor",
                "description": "Builds and runs: creates and changes components, workflows and data sources.",
                "permissions": sorted(_EDITOR),
            },
            {
                "name": "Viewer",
                "description": "Looks: sees components, workflows, runs and data sources.",
                "permissions": sorted(_VIEWER),
            },
        ],
    )
    op.create_table(
        "users",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_key", sa.String(1024), nullable=False, comment="the email without its case"),
        sa.Column("full_name", sa.String(200), nullable=False),
        sa.Column("role_name", sa.String(63), nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False, comment="Argon2id, in its PHC string form"),
        sa.Column("version", sa.Integer, nullable=False),
        _time("created_at"),
        _time("updated_at"),
        _time("last_login_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email_key", name="uq_users_email_key"),
        sa.ForeignKeyConstraint(["role_name"], ["roles.name"], name="fk_users_role_name_roles"),
    )
    op.create_table(
        "service_accounts",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("role_name", sa.String(63), nullable=True),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_service_accounts"),
        sa.UniqueConstraint("name", name="uq_service_accounts_name"),
        sa.ForeignKeyConstraint(["role_name"], ["roles.name"], name="fk_service_accounts_role_name_roles"),
        sa.CheckConstraint("kind IN ('operator', 'service', 'worker')", name="ck_service_accounts_kind"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("lookup", sa.String(11), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False, comment="SHA-256 of the whole key"),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=True),
        sa.Column("account_id", sa.String(36), nullable=True),
        sa.Column("role_name", sa.String(63), nullable=True),
        _time("created_at"),
        _time("expires_at", nullable=True),
        _time("last_used_at", nullable=True),
        _time("revoked_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("lookup", name="uq_api_keys_lookup"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_api_keys_user_id_users", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["service_accounts.id"],
            name="fk_api_keys_account_id_service_accounts",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["role_name"], ["roles.name"], name="fk_api_keys_role_name_roles"),
        sa.CheckConstraint("num_nonnulls(user_id, account_id) = 1", name="ck_api_keys_one_owner"),
    )
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])
    op.create_index("ix_api_keys_account_id", "api_keys", ["account_id"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("client_address", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(256), nullable=False),
        _time("created_at"),
        _time("expires_at"),
        _time("ended_at", nullable=True),
        sa.Column("end_reason", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_sessions_user_id_users", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.LargeBinary, nullable=False, comment="SHA-256 of the token"),
        sa.Column("session_id", sa.String(36), nullable=False),
        _time("created_at"),
        _time("expires_at"),
        _time("used_at", nullable=True),
        sa.Column(
            "successor", sa.LargeBinary, nullable=True, comment="digest of the token it was exchanged for"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_refresh_tokens_session_id_sessions", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"])
    op.create_index("ix_refresh_tokens_expires_at", "refresh_tokens", ["expires_at"])
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(43), nullable=False, comment="RFC 7638 thumbprint"),
        sa.Column("x", sa.String(43), nullable=False, comment="the Ed25519 public key, base64url"),
        _time("created_at"),
        _time("retired_at", nullable=True),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
    )
    op.create_table(
        "attempts",
        sa.Column("subject", sa.String(1100), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        _time("window_ends_at"),
        sa.PrimaryKeyConstraint("subject", name="pk_attempts"),
    )
    op.create_index("ix_attempts_window_ends_at", "attempts", ["window_ends_at"])


def downgrade() -> None:
    for table in (
        "attempts",
        "signing_keys",
        "refresh_tokens",
        "sessions",
        "api_keys",
        "service_accounts",
        "users",
        "roles",
    ):
        op.drop_table(table)
    migrations.drop_chassis_tables(op)
