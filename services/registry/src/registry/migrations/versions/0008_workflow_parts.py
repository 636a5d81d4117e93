"""What each version of a workflow runs itself."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workflow_parts",
        sa.Column("workflow_id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("part", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "version", "part", name="pk_workflow_parts"),
        sa.ForeignKeyConstraint(
            ["workflow_id", "version"],
            ["workflow_versions.workflow_id", "workflow_versions.version"],
            name="fk_workflow_parts_workflow_id_workflow_versions",
            ondelete="CASCADE",
        ),
    )
    op.execute(
        """
        INSERT INTO workflow_parts (workflow_id, version, part)
        SELECT workflow_id, version, part
        FROM workflow_versions
        CROSS JOIN json_array_elements(content -> 'steps') AS step
        CROSS JOIN LATERAL (
            SELECT coalesce(
                step #>> '{pin,version_id}',
                (step #>> '{workflow_pin,workflow_id}') || '@' || (step #>> '{workflow_pin,version}')
            ) AS part
        ) AS found
        WHERE part IS NOT NULL
        ON CONFLICT DO NOTHING
        """
    )
    op.create_index("ix_workflow_parts_part", "workflow_parts", ["part"])


def downgrade() -> None:
    op.drop_table("workflow_parts")
