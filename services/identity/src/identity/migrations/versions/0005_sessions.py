"""Sessions that can be listed, and a note of those that ended, which outlives their user."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ended_sessions",
        sa.Column("session_id", sa.String(36), nullable=False, comment="also of users who are gone"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_ended_sessions")),
    )
    op.create_index(op.f("ix_ended_sessions_ended_at"), "ended_sessions", ["ended_at"])
    # With a default, so that the code before this revision can go on writing.
    op.add_column("sessions", sa.Column("kind", sa.String(16), nullable=False, server_default="tokens"))
    op.add_column(
        "sessions",
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )
    op.execute("UPDATE sessions SET last_used_at = expires_at - interval '7 days'")
    op.create_check_constraint(op.f("ck_sessions_kind"), "sessions", "kind IN ('tokens')")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_sessions_kind"), "sessions", type_="check")
    op.drop_column("sessions", "last_used_at")
    op.drop_column("sessions", "kind")
    op.drop_table("ended_sessions")
