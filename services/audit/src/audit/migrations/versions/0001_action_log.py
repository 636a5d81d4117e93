"""The action log, its tree and its checkpoints, all append-only."""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from chassis import migrations

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_PROTECTED: Final = ("entries", "nodes", "checkpoints")
_TEXTS_BEFORE: Final = (
    "service",
    "action",
    "outcome",
    "actor_id",
    "actor_kind",
    "actor_name",
    "on_behalf_of_id",
    "on_behalf_of_name",
    "client_address",
    "api_key_id",
    "entity_type",
    "entity_id",
)


def upgrade() -> None:
    migrations.create_chassis_tables(op)
    op.create_table(
        "entries",
        sa.Column("index", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("format", sa.SmallInteger, nullable=False),
        sa.Column("record_id", sa.Text, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _TEXTS_BEFORE),
        sa.Column("details", JSONB, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("index >= 0", name="ck_entries_index"),
        sa.PrimaryKeyConstraint("index", name="pk_entries"),
        sa.UniqueConstraint("record_id", name="uq_entries_record_id"),
    )
    op.create_index("ix_entries_action_index", "entries", ["action", "index"])
    op.create_index("ix_entries_actor_id_index", "entries", ["actor_id", "index"])
    op.create_index(
        "ix_entries_entity_type_entity_id_index", "entries", ["entity_type", "entity_id", "index"]
    )
    op.create_index("ix_entries_trace_id", "entries", ["trace_id"])
    op.create_index("ix_entries_time", "entries", ["time"])
    op.create_table(
        "nodes",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_nodes"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("tree_size", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("root_hash", sa.LargeBinary, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tree_size", name="pk_checkpoints"),
    )
    # The proof is the tree; this only keeps an accident or a bug of the service from needing it.
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the action log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    for table in _PROTECTED:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    for table in reversed(_PROTECTED):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_change()")
    migrations.drop_chassis_tables(op)
