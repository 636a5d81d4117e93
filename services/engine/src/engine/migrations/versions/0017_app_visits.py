"""Visits of apps: tickets, and what browsers show after them."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "app_visits",
        sa.Column(
            "digest",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of the ticket or of what the cookie holds",
        ),
        sa.Column("is_ticket", sa.Boolean(), nullable=False, comment="good once, for what the cookie holds"),
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False, comment="who opened the app"),
        sa.Column("session_id", sa.Text(), nullable=False, comment="empty where it was opened with a key"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_app_visits")),
    )
    op.create_index("ix_app_visits_expires_at", "app_visits", ["expires_at"])


def downgrade() -> None:
    op.drop_table("app_visits")
