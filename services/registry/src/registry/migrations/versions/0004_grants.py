"""Who was given what of definitions and workflows."""

from alembic import op

from chassis import migrations

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    migrations.create_grants(op)


def downgrade() -> None:
    op.drop_table("grants")
