"""Of runs with many steps, what changed since a version can be read by itself."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "run_steps",
        sa.Column(
            "version",
            sa.Integer(),
            nullable=True,
            comment="the run's when this was written, where its steps may be many",
        ),
    )
    op.create_index(
        "ix_run_steps_version",
        "run_steps",
        ["run_id", "version"],
        postgresql_where=sa.text("version IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_run_steps_version", table_name="run_steps")
    op.drop_column("run_steps", "version")
