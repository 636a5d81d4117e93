"""Who sees a data source, and whom it is shared with. Those there are stay everybody's; new ones are their owner's."""

import sqlalchemy as sa
from alembic import op

from chassis import migrations

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "data_sources", sa.Column("visibility", sa.String(16), nullable=False, server_default="PUBLIC")
    )
    op.alter_column("data_sources", "visibility", server_default="PRIVATE")
    migrations.create_grants(op)


def downgrade() -> None:
    op.drop_table("grants")
    op.drop_column("data_sources", "visibility")
