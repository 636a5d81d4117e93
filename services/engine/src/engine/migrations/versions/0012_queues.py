"""Who waits under a rate limit stands in a queue, and has a moment only shortly before it comes."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "run_steps",
        sa.Column(
            "not_before",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="its place in a rate limit's queue, which lets it through no earlier",
        ),
    )
    op.drop_index("ix_run_steps_gate", table_name="run_steps")
    op.create_index(
        "ix_run_steps_gate",
        "run_steps",
        [
            "gate",
            sa.literal_column("priority DESC"),
            sa.literal_column("not_before NULLS FIRST"),
            "run_id",
            "step_id",
        ],
        postgresql_where=sa.text("gate <> '' AND due_at IS NULL"),
    )
    op.create_index(
        "ix_run_steps_moments",
        "run_steps",
        ["gate"],
        postgresql_where=sa.text("gate <> '' AND due_at IS NOT NULL"),
    )
    op.alter_column(
        "rate_limits",
        "next_at",
        comment="the next moment that nobody has",
        existing_comment="when the next attempt may begin",
        existing_type=sa.DateTime(timezone=True),
        existing_nullable=False,
    )


def downgrade() -> None:
    op.alter_column(
        "rate_limits",
        "next_at",
        comment="when the next attempt may begin",
        existing_comment="the next moment that nobody has",
        existing_type=sa.DateTime(timezone=True),
        existing_nullable=False,
    )
    op.drop_index("ix_run_steps_moments", table_name="run_steps")
    op.drop_index("ix_run_steps_gate", table_name="run_steps")
    op.create_index(
        "ix_run_steps_gate",
        "run_steps",
        ["gate"],
        postgresql_where=sa.text("gate <> '' AND due_at IS NULL"),
    )
    op.drop_column("run_steps", "not_before")
