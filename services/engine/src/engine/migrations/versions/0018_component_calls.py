"""Calls of components by attempts that run."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "component_calls",
        sa.Column("run_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False, comment="of the attempt that calls"),
        sa.Column("number", sa.Integer(), nullable=False, comment="of the call in the attempt, from 1"),
        sa.Column("started_run_id", sa.Uuid(as_uuid=False), comment="the run that the call is"),
        sa.Column(
            "is_open",
            sa.Boolean(),
            nullable=False,
            server_default="false",
            comment="that run is not known to have ended",
        ),
        sa.PrimaryKeyConstraint("run_id", "step_id", "epoch", "number", name=op.f("pk_component_calls")),
    )
    op.create_index(
        "ix_component_calls_started_run_id",
        "component_calls",
        ["started_run_id"],
        postgresql_where=sa.text("started_run_id IS NOT NULL"),
    )
    op.create_index(
        "ix_component_calls_open", "component_calls", ["run_id"], postgresql_where=sa.text("is_open")
    )


def downgrade() -> None:
    op.drop_table("component_calls")
