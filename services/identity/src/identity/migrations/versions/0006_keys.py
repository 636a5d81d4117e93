"""Narrowed keys, keys that replace others, and programs' service accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "api_keys",
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=True, comment="the permissions it is narrowed to"),
    )
    op.add_column(
        "api_keys",
        sa.Column("rotated_from", sa.String(36), nullable=True, comment="the id of the key it replaces"),
    )
    # With defaults, so that the code before this revision can go on writing.
    for column in (
        sa.Column("description", sa.Text(), nullable=False, server_default=""),
        sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    ):
        op.add_column("service_accounts", column)
    op.execute("UPDATE service_accounts SET updated_at = created_at")
    _kinds("'operator', 'service', 'worker', 'program'")


def downgrade() -> None:
    op.execute("DELETE FROM service_accounts WHERE kind = 'program'")
    _kinds("'operator', 'service', 'worker'")
    for column in ("updated_at", "version", "is_active", "description"):
        op.drop_column("service_accounts", column)
    op.drop_column("api_keys", "rotated_from")
    op.drop_column("api_keys", "scopes")


def _kinds(kinds: str) -> None:
    # The first revision's name for it has the prefix twice.
    for name in ("ck_service_accounts_kind", "ck_service_accounts_ck_service_accounts_kind"):
        op.execute(f"ALTER TABLE service_accounts DROP CONSTRAINT IF EXISTS {name}")
    op.create_check_constraint(op.f("ck_service_accounts_kind"), "service_accounts", f"kind IN ({kinds})")
