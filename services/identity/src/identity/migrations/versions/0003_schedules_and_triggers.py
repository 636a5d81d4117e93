"""The permissions about schedules and triggers: all may see them, those who build and run make and change them."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_READ: Final = ("schedules.read", "triggers.read")
_ALL: Final = (
    *_READ,
    "schedules.create",
    "schedules.update",
    "schedules.delete",
    "triggers.create",
    "triggers.update",
    "triggers.delete",
)
_ROLES: Final = {"Viewer": _READ, "Editor": _ALL, "Admin": _ALL}


def upgrade() -> None:
    _change("ARRAY(SELECT DISTINCT unnest(permissions || :these) ORDER BY 1)")


def downgrade() -> None:
    _change("ARRAY(SELECT one FROM unnest(permissions) AS one WHERE one <> ALL (:these))")


def _change(permissions: str) -> None:
    statement = sa.text(f"UPDATE roles SET permissions = {permissions} WHERE name = :role")  # noqa: S608  # a constant
    for role, these in _ROLES.items():
        bound = sa.bindparam("these", list(these), type_=sa.ARRAY(sa.Text()))
        op.execute(statement.bindparams(bound, role=role))
