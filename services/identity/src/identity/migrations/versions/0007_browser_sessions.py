"""Sessions that go by a browser's cookie."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "sessions",
        sa.Column(
            "cookie_digest", sa.LargeBinary(), nullable=True, comment="SHA-256 of what the cookie holds"
        ),
    )
    op.create_unique_constraint(op.f("uq_sessions_cookie_digest"), "sessions", ["cookie_digest"])
    _kinds("'tokens', 'browser'")


def downgrade() -> None:
    op.execute("DELETE FROM sessions WHERE kind = 'browser'")
    _kinds("'tokens'")
    op.drop_column("sessions", "cookie_digest")


def _kinds(kinds: str) -> None:
    op.drop_constraint(op.f("ck_sessions_kind"), "sessions", type_="check")
    op.create_check_constraint(op.f("ck_sessions_kind"), "sessions", f"kind IN ({kinds})")
