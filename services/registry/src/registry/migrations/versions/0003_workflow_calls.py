"""Which workflows run which others."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workflow_calls",
        sa.Column("workflow_id", sa.Text(collation="C"), nullable=False),
        sa.Column("callee_id", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "callee_id", name="pk_workflow_calls"),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflows.id"],
            name="fk_workflow_calls_workflow_id_workflows",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["callee_id"],
            ["workflows.id"],
            name="fk_workflow_calls_callee_id_workflows",
            ondelete="RESTRICT",
        ),
    )
    op.create_index("ix_workflow_calls_callee_id", "workflow_calls", ["callee_id"])


def downgrade() -> None:
    op.drop_table("workflow_calls")
