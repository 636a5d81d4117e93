"""Logins elsewhere: those under way, and who is who."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "external_logins",
        sa.Column("state_digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of OAuth's state"),
        sa.Column("provider", sa.String(63), nullable=False),
        sa.Column(
            "binding_digest",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of what the browser's cookie holds",
        ),
        sa.Column("redirect_to", sa.String(2048), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_digest", name=op.f("pk_external_logins")),
    )
    op.create_index(op.f("ix_external_logins_expires_at"), "external_logins", ["expires_at"])
    op.create_table(
        "external_identities",
        sa.Column("provider", sa.String(63), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False, comment="the provider's own id of the person"),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "subject", name=op.f("pk_external_identities")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_external_identities_user_id_users"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_external_identities_user_id"), "external_identities", ["user_id"])


def downgrade() -> None:
    op.drop_table("external_identities")
    op.drop_table("external_logins")
