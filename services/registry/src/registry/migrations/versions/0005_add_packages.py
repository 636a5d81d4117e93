"""Packages of components: what they run as, and which definitions they are made of."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("versions", sa.Column("package", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "version_uses",
        sa.Column("version_id", sa.Text(collation="C"), nullable=False),
        sa.Column("definition_id", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("version_id", "definition_id", name="pk_version_uses"),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["versions.id"],
            name="fk_version_uses_version_id_versions",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["definitions.id"],
            name="fk_version_uses_definition_id_definitions",
            ondelete="RESTRICT",
        ),
    )
    op.create_index("ix_version_uses_definition_id", "version_uses", ["definition_id"])


def downgrade() -> None:
    op.drop_table("version_uses")
    op.drop_column("versions", "package")
