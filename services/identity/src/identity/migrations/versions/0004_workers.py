"""The permissions to see workers, for everybody, and to drain them, for administrators."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROLES: Final = {
    "Viewer": ("workers.read",),
    "Editor": ("workers.read",),
    "Admin": ("workers.drain", "workers.read"),
}


def upgrade() -> None:
    _change("ARRAY(SELECT DISTINCT unnest(permissions || :these) ORDER BY 1)")


def downgrade() -> None:
    _change("ARRAY(SELECT one FROM unnest(permissions) AS one WHERE one <> ALL (:these))")


def _change(permissions: str) -> None:
    statement = sa.text(f"UPDATE roles SET permissions = {permissions} WHERE name = :role")  # noqa: S608  # a constant
    for role, these in _ROLES.items():
        bound = sa.bindparam("these", list(these), type_=sa.ARRAY(sa.Text()))
        op.execute(statement.bindparams(bound, role=role))
