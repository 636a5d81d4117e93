"""Tickets for streams that can show no credential."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stream_tickets",
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="SHA-256 of the ticket"),
        sa.Column("run_id", sa.String(36), nullable=False, comment="empty: the list of runs"),
        sa.Column(
            "claims", postgresql.JSONB(), nullable=False, comment="what the token will say of who asked"
        ),
        sa.Column(
            "session_id", sa.String(36), nullable=False, comment="empty where it was asked for with a key"
        ),
        sa.Column(
            "api_key_id", sa.String(36), nullable=False, comment="empty where it was asked for in a session"
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_stream_tickets")),
    )
    op.create_index(op.f("ix_stream_tickets_expires_at"), "stream_tickets", ["expires_at"])


def downgrade() -> None:
    op.drop_table("stream_tickets")
